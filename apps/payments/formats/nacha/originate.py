"""Originates ACH files: PPD, CCD, CTX, WEB and TEL entries, prenotifications and reversals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from apps.core.money import Money
from apps.payments.formats.epc import to_epc_text
from apps.payments.formats.errors import FormatError
from apps.payments.formats.nacha.codes import CREDIT, DEBIT, check_digit, is_routing
from apps.payments.formats.nacha.records import Batch, Entry, NachaFile, Record
from apps.payments.formats.nacha.writer import write_nacha

ORIGINATED = ("PPD", "CCD", "CTX", "WEB", "TEL")
AMOUNT_MINOR_MAX = 9_999_999_999
_CODES = {"checking": "2", "savings": "3", "ledger": "4", "loan": "5"}
_ADDENDA_CHARS = 80


@dataclass(frozen=True, slots=True)
class AchEntry:
    """One entry to originate. `amount` is positive US dollars; zero makes a prenotification."""

    direction: str
    routing: str
    account: str
    amount: Money
    name: str
    individual_id: str = ""
    account_kind: str = "checking"
    addenda: tuple[str, ...] = ()
    payment_type: str = ""
    trace_sequence: int | None = None


@dataclass(frozen=True, slots=True)
class AchBatch:
    """Entries of one company, SEC code and day; `same_day_marker` gives a descriptive date of same-day intent."""

    company_name: str
    company_id: str
    sec_code: str
    entry_description: str
    effective_date: date
    odfi: str
    entries: tuple[AchEntry, ...]
    batch_number: int = 1
    first_trace_sequence: int = 1
    discretionary_data: str = ""
    descriptive_date: str = ""


@dataclass(frozen=True, slots=True)
class AchFile:
    """A file to originate; `created_at` is in the bank's time zone, `modifier` tells files of a day apart."""

    destination_routing: str
    origin: str
    created_at: datetime
    batches: tuple[AchBatch, ...]
    modifier: str = "A"
    destination_name: str = ""
    origin_name: str = ""
    reference: str = ""


def build_ach(file: AchFile) -> bytes:
    """Write an ACH file, checked against every rule. Raises FormatError that names the entry."""
    if not is_routing(file.destination_routing):
        raise FormatError("destination", "The destination is no routing number.", None, "file")
    batches = tuple(_batch(batch, f"batch[{at}]") for at, batch in enumerate(file.batches, start=1))
    return write_nacha(NachaFile(file_header(file), batches))


def trace_numbers(batch: AchBatch) -> tuple[str, ...]:
    """Return the trace number each entry of the batch gets: eight digits of the bank, seven of sequence."""
    first = batch.first_trace_sequence
    sequences = (
        entry.trace_sequence if entry.trace_sequence is not None else first + at
        for at, entry in enumerate(batch.entries)
    )
    return tuple(f"{batch.odfi[:8]}{sequence:07d}" for sequence in sequences)


def same_day_marker(at: datetime) -> str:
    """Return the descriptive date that states the intent of same-day settlement."""
    return f"SD{at:%H%M}"


def file_header(file: AchFile) -> Record:
    """Return the header record of a file."""
    origin = file.origin if len(file.origin) == 10 else f" {file.origin}"
    fields = {
        "priority": "01",
        "immediate_destination": f" {file.destination_routing}",
        "immediate_origin": origin,
        "creation_date": f"{file.created_at:%y%m%d}",
        "creation_time": f"{file.created_at:%H%M}",
        "file_id_modifier": file.modifier,
        "destination_name": plain(file.destination_name, 23),
        "origin_name": plain(file.origin_name, 23),
        "reference": plain(file.reference, 8),
    }
    return Record("file_header", fields)


def plain(text: str, chars_max: int) -> str:
    """Return the text in upper-case ASCII, cut to the field, as every operator accepts it."""
    return to_epc_text(text, chars_max=chars_max).upper()


def _batch(batch: AchBatch, place: str) -> Batch:
    if batch.sec_code not in ORIGINATED:
        raise FormatError("sec_code", f"{batch.sec_code} entries are read but not originated.", None, place)
    if not (len(batch.odfi) == 8 and batch.odfi.isascii() and batch.odfi.isdigit()):
        raise FormatError("odfi", "The originating bank is given by eight digits.", None, place)
    directions = {entry.direction for entry in batch.entries}
    service = "220" if directions == {CREDIT} else "225" if directions == {DEBIT} else "200"
    fields = {
        "service_class": service,
        "company_name": plain(batch.company_name, 16),
        "discretionary_data": plain(batch.discretionary_data, 20),
        "company_id": batch.company_id,
        "sec_code": batch.sec_code,
        "entry_description": plain(batch.entry_description, 10),
        "descriptive_date": batch.descriptive_date,
        "effective_date": f"{batch.effective_date:%y%m%d}",
        "originator_status": "1",
        "odfi": batch.odfi,
        "batch_number": str(batch.batch_number),
    }
    traces = trace_numbers(batch)
    entries = tuple(
        _entry(entry, batch.sec_code, trace, f"{place}.entry[{at}]")
        for at, (entry, trace) in enumerate(zip(batch.entries, traces, strict=True), start=1)
    )
    return Batch(Record("batch_header", fields), entries)


def transaction_code(entry: AchEntry, place: str) -> str:
    """Return the transaction code of an entry. Raises FormatError (direction, account_kind)."""
    if entry.direction not in (CREDIT, DEBIT):
        raise FormatError("direction", "An entry is a credit or a debit.", None, place)
    kind = _CODES.get(entry.account_kind)
    if kind is None or (kind == "5" and entry.direction == DEBIT):
        raise FormatError(
            "account_kind", "An entry of this direction cannot go to such an account.", None, place
        )
    prenote = entry.amount.minor == 0
    if entry.direction == CREDIT:
        return kind + ("3" if prenote else "2")
    return kind + ("8" if prenote else "7")


def _entry(entry: AchEntry, sec_code: str, trace: str, place: str) -> Entry:
    _check_entry(entry, place)
    code = transaction_code(entry, place)
    width = 16 if sec_code == "CTX" else 22
    fields: dict[str, str] = {
        "transaction_code": code,
        "rdfi": entry.routing[:8],
        "check_digit": check_digit(entry.routing[:8]),
        "account": entry.account,
        "amount": str(entry.amount.minor),
        "individual_id": entry.individual_id,
        "name": plain(entry.name, width),
        "discretionary_data": entry.payment_type,
        "addenda_indicator": "1" if entry.addenda else "0",
        "trace": trace,
    }
    if sec_code == "CTX":
        fields["addenda_count"] = str(len(entry.addenda))
    record = Record("ctx_entry" if sec_code == "CTX" else "entry", fields)
    return Entry(record, tuple(_addenda(text, at, trace) for at, text in enumerate(entry.addenda, start=1)))


def _check_entry(entry: AchEntry, place: str) -> None:
    if entry.amount.currency != "USD" or not 0 <= entry.amount.minor <= AMOUNT_MINOR_MAX:
        raise FormatError(
            "amount", "An ACH amount is in US dollars, of at most ten digits.", None, f"{place}.amount"
        )
    if not is_routing(entry.routing):
        raise FormatError(
            "check_digit", "The routing number fails its check digit.", None, f"{place}.routing"
        )


def _addenda(text: str, sequence: int, trace: str) -> Record:
    if len(text) > _ADDENDA_CHARS:
        raise FormatError("addenda", f"An addenda record holds {_ADDENDA_CHARS} characters.", None, "addenda")
    fields = {"information": text, "sequence": str(sequence), "entry_sequence": trace[-7:]}
    return Record("addenda05", fields)


def reversal_of(
    batch: AchBatch, *, effective_date: date, batch_number: int, first_trace_sequence: int
) -> AchBatch:
    """Return the batch that takes a batch back: opposite directions, description REVERSAL.

    The rules ask for it within five banking days; whether that is so is the caller's to know.
    """
    entries = tuple(
        replace(entry, direction=DEBIT if entry.direction == CREDIT else CREDIT, trace_sequence=None)
        for entry in batch.entries
    )
    return replace(
        batch,
        entries=entries,
        entry_description="REVERSAL",
        effective_date=effective_date,
        batch_number=batch_number,
        first_trace_sequence=first_trace_sequence,
    )
