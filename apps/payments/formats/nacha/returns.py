"""Returns and notifications of change: a typed view of what partners send, and their making.

The makers serve the bank simulator and disputes: a return of an entry, its dishonour, the contest of
a dishonour, and the notification that an account has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from apps.core.money import Money
from apps.payments.formats.errors import FormatError
from apps.payments.formats.nacha.codes import (
    CHANGE_CODES,
    CONTESTED,
    CREDIT,
    DIRECTIONS,
    DISHONOURED,
    REFUSED_CHANGE_CODES,
    RETURN_CODES,
    classify_return,
)
from apps.payments.formats.nacha.records import Batch, Entry, NachaFile, Record


@dataclass(frozen=True, slots=True)
class AchReturn:
    """A returned entry. `kind` is return, dishonoured or contested; `action` what the code asks for."""

    kind: str
    code: str
    original_trace: str
    amount: Money
    direction: str
    account: str
    routing: str
    individual_id: str
    trace: str
    company_id: str
    information: str = ""
    action: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class NotificationOfChange:
    """A change to apply before the next entry. The corrected fields are None where they do not change."""

    code: str
    original_trace: str
    account: str | None
    routing: str | None
    name: str | None
    transaction_code: str | None
    individual_id: str | None
    corrected_data: str
    trace: str
    company_id: str
    refused: bool = False
    line: int | None = None


def returns_of(
    file: NachaFile, *, only: Callable[[Entry], bool] | None = None
) -> Iterator[AchReturn | NotificationOfChange]:
    """Yield the returns and notifications of a file, in its order.

    With `only=reading.is_sound`, those that can be applied; the others have findings on their lines.
    """
    for batch in file.batches:
        for entry in batch.entries:
            if only is not None and not only(entry):
                continue
            for record in entry.addenda:
                if record.layout.startswith("addenda99"):
                    yield _return(batch, entry, record)
                elif record.layout.startswith("addenda98"):
                    yield _change(batch, record)


def _return(batch: Batch, entry: Entry, record: Record) -> AchReturn:
    code = record["return_code"]
    return AchReturn(
        kind=entry.category,
        code=code,
        original_trace=record["original_trace"],
        amount=Money(entry.amount_minor, "USD"),
        direction=DIRECTIONS.get(entry.record["transaction_code"], ""),
        account=entry.record["account"].strip(),
        routing=entry.record["rdfi"] + entry.record["check_digit"],
        individual_id=entry.record["individual_id"].strip(),
        trace=entry.record["trace"],
        company_id=batch.header["company_id"].strip(),
        information=record["information"].strip(),
        action=classify_return(code),
        line=entry.record.line,
    )


def _change(batch: Batch, record: Record) -> NotificationOfChange:
    corrected = corrections(record["change_code"], record["corrected_data"])
    return NotificationOfChange(
        code=record["change_code"],
        original_trace=record["original_trace"],
        account=corrected.get("account"),
        routing=corrected.get("routing"),
        name=corrected.get("name"),
        transaction_code=corrected.get("transaction_code"),
        individual_id=corrected.get("individual_id"),
        corrected_data=record["corrected_data"].strip(),
        trace=record["trace"],
        company_id=batch.header["company_id"].strip(),
        refused=record.layout == "addenda98_refused",
        line=record.line,
    )


# Columns (from, to) of each corrected value inside the 29 characters of corrected data.
_CORRECTED = {
    "C01": {"account": (0, 17)},
    "C02": {"routing": (0, 9)},
    "C03": {"routing": (0, 9), "account": (12, 29)},
    "C04": {"name": (0, 22)},
    "C05": {"transaction_code": (0, 2)},
    "C06": {"account": (0, 17), "transaction_code": (20, 22)},
    "C07": {"routing": (0, 9), "account": (9, 26), "transaction_code": (26, 28)},
    "C09": {"individual_id": (0, 22)},
}


def corrections(code: str, data: str) -> dict[str, str]:
    """Cut corrected data into its values by change code; unknown layouts give none."""
    padded = data.ljust(29)
    values = {name: padded[a:b].strip() for name, (a, b) in _CORRECTED.get(code, {}).items()}
    return {name: value for name, value in values.items() if value}


def corrected_data(code: str, values: dict[str, str]) -> str:
    """Lay corrected values out for their change code. Raises FormatError (corrected_data)."""
    places = _CORRECTED.get(code)
    if places is None or set(values) != set(places):
        raise FormatError("corrected_data", "The change code asks for other values.", None, "addenda98")
    line = [" "] * 29
    for name, (first, last) in places.items():
        if len(values[name]) > last - first:
            raise FormatError("corrected_data", "A corrected value does not fit.", None, f"addenda98.{name}")
        line[first:last] = values[name].ljust(last - first)
    return "".join(line).rstrip()


def return_entry(
    entry: Entry, *, code: str, trace: str, information: str = "", date_of_death: str = ""
) -> Entry:
    """Make the return of a forward entry. Raises FormatError (return_code).

    The receiving bank becomes the sender: `trace` starts with its eight digits.
    """
    if code not in RETURN_CODES - DISHONOURED - CONTESTED:
        raise FormatError("return_code", "This is no code of a return.", None, "addenda99.return_code")
    original = entry.record
    fields = {
        "return_code": code,
        "original_trace": original["trace"],
        "date_of_death": date_of_death,
        "original_rdfi": original["rdfi"],
        "information": information,
        "trace": trace,
    }
    return Entry(_answered(original, trace), (Record("addenda99", fields),))


def _answered(original: Record, trace: str) -> Record:
    """Turn an entry into its return: the code of a return of the same account kind and direction."""
    code = original["transaction_code"]
    digit = "1" if DIRECTIONS.get(code) == CREDIT else "6"
    return Record(
        original.layout,
        original.fields | {"transaction_code": code[0] + digit, "addenda_indicator": "1", "trace": trace},
    )


def dishonour_entry(returned: Entry, *, code: str, trace: str, information: str = "") -> Entry:
    """Make the dishonour of a return (R61, R62, R67 to R70). Raises FormatError (return_code)."""
    if code not in DISHONOURED:
        raise FormatError(
            "return_code", "This is no code of a dishonoured return.", None, "addenda99.return_code"
        )
    addenda = returned.addenda[-1]
    fields = {
        "return_code": code,
        "original_trace": addenda["original_trace"],
        "original_rdfi": addenda["original_rdfi"],
        "return_trace": returned.record["trace"],
        "return_settlement_date": "",
        "return_reason": addenda["return_code"][1:],
        "information": information,
        "trace": trace,
    }
    record = Record(returned.record.layout, returned.record.fields | {"trace": trace})
    return Entry(record, (Record("addenda99_dishonoured", fields),))


def contest_entry(dishonoured: Entry, *, code: str, trace: str, returned_date: str = "") -> Entry:
    """Make the contest of a dishonoured return (R71 to R77). Raises FormatError (return_code)."""
    if code not in CONTESTED:
        raise FormatError(
            "return_code", "This is no code of a contested return.", None, "addenda99.return_code"
        )
    addenda = dishonoured.addenda[-1]
    fields = {
        "return_code": code,
        "original_trace": addenda["original_trace"],
        "returned_date": returned_date,
        "original_rdfi": addenda["original_rdfi"],
        "return_trace": addenda["return_trace"],
        "return_reason": addenda["return_reason"],
        "dishonoured_trace": dishonoured.record["trace"],
        "dishonoured_reason": addenda["return_code"][1:],
        "trace": trace,
    }
    record = Record(dishonoured.record.layout, dishonoured.record.fields | {"trace": trace})
    return Entry(record, (Record("addenda99_contested", fields),))


def change_entry(entry: Entry, *, code: str, values: dict[str, str], trace: str) -> Entry:
    """Make the notification of change for a forward entry; it belongs into a COR batch.

    Raises FormatError (change_code, corrected_data).
    """
    if code not in CHANGE_CODES:
        raise FormatError("change_code", "This is no code of a notification of change.", None, "addenda98")
    original = entry.record
    fields = {
        "change_code": code,
        "original_trace": original["trace"],
        "original_rdfi": original["rdfi"],
        "corrected_data": corrected_data(code, values),
        "trace": trace,
    }
    answered = _answered(original, trace)
    record = Record(answered.layout, answered.fields | {"amount": "0"})
    return Entry(record, (Record("addenda98", fields),))


def refuse_change_entry(change: Entry, *, code: str, trace: str) -> Entry:
    """Make the refusal of a notification of change (C61 to C69). Raises FormatError (change_code).

    The originating bank becomes the sender: `trace` starts with its eight digits.
    """
    if code not in REFUSED_CHANGE_CODES:
        raise FormatError("change_code", "This is no code of a refused notification.", None, "addenda98")
    told = change.addenda[-1]
    fields = {
        "change_code": code,
        "original_trace": told["original_trace"],
        "original_rdfi": told["original_rdfi"],
        "corrected_data": told["corrected_data"],
        "refused_code": told["change_code"],
        "trace_sequence": change.record["trace"][-7:],
        "trace": trace,
    }
    record = Record(change.record.layout, change.record.fields | {"trace": trace})
    return Entry(record, (Record("addenda98_refused", fields),))
