"""The US automated clearing house: NACHA files out, files of returns and changes back (Nacha Operating Rules)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import groupby
from zoneinfo import ZoneInfo

from apps.payments.domain.calendars import Calendar, CutOff, next_cut_off
from apps.payments.domain.us_accounts import ACCOUNT_KINDS, ACCOUNT_NUMBER_MAX
from apps.payments.formats.errors import FINDINGS_MAX, Finding, FormatError
from apps.payments.formats.nacha import (
    AchBatch,
    AchEntry,
    AchFile,
    AchReturn,
    Batch,
    Entry,
    NachaFile,
    NachaReading,
    NotificationOfChange,
    Record,
    build_ach,
    is_routing,
    read_nacha,
    refuse_change_entry,
    returns_of,
    same_day_marker,
    trace_numbers,
    write_nacha,
)
from apps.payments.formats.nacha.codes import CREDIT, DEBIT, SEC_CODES
from apps.payments.formats.nacha.originate import AMOUNT_MINOR_MAX, ORIGINATED, file_header, plain
from apps.payments.rails import ach_codes
from apps.payments.rails.base import (
    Built,
    Capabilities,
    Classified,
    Dates,
    InboundEvent,
    Instruction,
    Outgoing,
    Party,
    Told,
)

ZONE = "America/New_York"

OPERATOR_WINDOWS = (("morning", time(10, 30)), ("afternoon", time(14, 45)), ("evening", time(16, 45)))
"""Until when the Federal Reserve takes same-day files; they settle at 13:00, 17:00 and 18:00 Eastern."""

SAME_DAY_CUT_OFFS = (
    CutOff("same_day_morning", time(10, 0), ZONE, settles_same_day=True),
    CutOff("same_day_afternoon", time(14, 15), ZONE, settles_same_day=True),
    CutOff("same_day_evening", time(16, 15), ZONE, settles_same_day=True),
)
"""Until when our bank takes them, half an hour before the operator does; a profile may bring its own."""

CUT_OFFS = (*SAME_DAY_CUT_OFFS, CutOff("standard", time(17, 30), ZONE))

SAME_DAY_LIMITS_MINOR = (
    (date(2016, 9, 23), 2_500_000),
    (date(2020, 3, 20), 10_000_000),
    (date(2022, 3, 18), 100_000_000),
    (date(2027, 9, 17), 1_000_000_000),
)
"""The most one same-day entry may carry, in cents, from which day on (Nacha Operating Rules, 1.16)."""

LEAD_BANKING_DAYS = {CREDIT: 1, DEBIT: 1}
"""How many banking days after its file an entry takes effect."""

RETURN_BANKING_DAYS = 2
"""A return for lack of funds, a closed account and the like is here by then; silence means success.

An unauthorised debit to a person can still come back for sixty calendar days: a new claim then.
"""

PRENOTE_BANKING_DAYS = 3
"""How long after a prenote's settlement the first entry of money may follow."""

ADDENDA_CHARS, CTX_ADDENDA_MAX = 80, 9_999
FILES_PER_DAY_MAX = 36
MODIFIERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
TRACE_SEQUENCE_MAX, BATCH_NUMBER_MAX = 9_999_999, 9_999_999
PAYMENT, COLLECTION = "PAYMENT", "COLLECTION"

BORNE_IN_RETURNS = frozenset({"check_digit", "addenda_indicator", "category"})
"""Faults of a returned entry that are findings and do not keep it from being applied: its trace finds it."""


@dataclass(frozen=True, slots=True)
class AchReading:
    """What came in: the entries that can be applied, and what is wrong with the others."""

    events: tuple[InboundEvent, ...]
    findings: tuple[Finding, ...]
    message_id: str


class Ach:
    """The rail of the automated clearing house. It pays (credits) and pulls (debits)."""

    name = "ach"

    def __init__(
        self,
        *,
        cut_offs: tuple[CutOff, ...] = CUT_OFFS,
        limits: tuple[tuple[date, int], ...] = SAME_DAY_LIMITS_MINOR,
        cost_minor: int = 25,
    ) -> None:
        self.cut_offs, self.limits, self.cost_minor = cut_offs, limits, cost_minor

    @property
    def same_day(self) -> tuple[CutOff, ...]:
        """Return the windows whose entries settle on the same day; none, where the bank has none."""
        return tuple(window for window in self.cut_offs if window.settles_same_day)

    @property
    def standard(self) -> tuple[CutOff, ...]:
        """Return the windows of ordinary files; without any, the last of the day."""
        ordinary = tuple(window for window in self.cut_offs if not window.settles_same_day)
        return ordinary or (max(self.cut_offs, key=lambda window: window.at),)

    def capabilities(self) -> Capabilities:
        """Return what the clearing house carries: US dollars, in files, on the Federal Reserve's days."""
        return Capabilities(
            rail=self.name,
            currencies=frozenset({"USD"}),
            amount_max_minor=AMOUNT_MINOR_MAX,
            calendar="FED",
            files=True,
            collects=True,
            cut_offs=self.cut_offs,
            cost_minor=self.cost_minor,
        )

    def same_day_limit_minor(self, day: date) -> int:
        """Return the most a same-day entry may carry on a day, in cents; 0 before there were any."""
        return max((minor for since, minor in self.limits if since <= day), default=0)

    def validate(self, instruction: Instruction) -> list[Finding]:
        """Check currency, amount, the receiver's account, its SEC code and what the addenda can carry.

        `options["on"]`, a date, is needed to check the limit of an entry that goes the same day.
        """
        return [Finding(code, message, place=place) for code, message, place in self._wrong(instruction)]

    def _wrong(self, instruction: Instruction) -> Iterator[tuple[str, str, str]]:
        amount, options, receiver = instruction.amount, instruction.options, receiver_of(instruction)
        if amount.currency != "USD":
            yield "currency", "ACH entries are in US dollars.", "amount"
        least = 0 if options.get("prenote") else 1
        if not least <= amount.minor <= AMOUNT_MINOR_MAX:
            yield "amount", "The amount is not between 0.01 and 99,999,999.99.", "amount"
        on = options.get("on")
        if options.get("same_day") and on is not None and amount.minor > self.same_day_limit_minor(on):
            yield "same_day_limit", "This is more than one entry may carry on the same day.", "amount"
        if not is_routing(receiver.bank):
            yield "creditor_routing", "The routing number fails its check digit.", "routing_number"
        if not 0 < len(receiver.account) <= ACCOUNT_NUMBER_MAX or not receiver.account.isascii():
            yield "creditor_account", "The account number has not 1 to 17 signs.", "account_number"
        if options.get("account_kind", "checking") not in ACCOUNT_KINDS:
            yield "account_kind", "The account is neither checking nor savings.", "account_kind"
        if not plain(receiver.name, 22).strip(" 0."):
            yield "name", "The name has no letter that the operator carries.", "name"
        yield from _wrong_class(instruction)

    def quote_dates(self, instruction: Instruction, now: datetime, calendar: Calendar) -> Dates:
        """Say when an entry ordered now takes effect: always on a banking day.

        Same day where it is asked for, the amount is within the limit and a cut-off is ahead (one that
        is exactly reached has passed); otherwise one banking day after its file. It settles on that
        day, and is final when no return came within two banking days.
        """
        direction = instruction.options.get("direction", CREDIT)
        today = bank_day(now)
        window = self.same_day_window(now, calendar)
        if instruction.options.get("same_day") and self._may_go_same_day(instruction, today) and window:
            return _dates(window.on(today), today, calendar)
        window, day = next_cut_off(self.standard, calendar, now)
        return _dates(window.on(day), calendar.add(day, LEAD_BANKING_DAYS[direction]), calendar)

    def effective_date(self, now: datetime, calendar: Calendar, direction: str = CREDIT) -> date:
        """Return when the entries of a standard file written now take effect."""
        _, day = next_cut_off(self.standard, calendar, now)
        return calendar.add(day, LEAD_BANKING_DAYS[direction])

    def same_day_window(self, now: datetime, calendar: Calendar) -> CutOff | None:
        """Return the window in which a file can still go today, or None."""
        if not self.same_day:
            return None
        window, day = next_cut_off(self.same_day, calendar, now)
        return window if day == bank_day(now) else None

    def _may_go_same_day(self, instruction: Instruction, today: date) -> bool:
        return 0 < instruction.amount.minor <= self.same_day_limit_minor(today)

    def build(self, outgoing: Outgoing) -> Built:
        """Write a NACHA file. Raises FormatError.

        `outgoing.options` are the profile (company, origin, destination), the file id modifier, the first
        batch number, whether debits and credits go apart, and whether the file is for the same day. Each
        instruction's name its SEC code, direction, description and trace sequence.
        """
        options = outgoing.options
        created = outgoing.created_at.astimezone(ZoneInfo(ZONE))
        batches = tuple(
            self._batch(outgoing, created, number, key, members)
            for number, (key, members) in enumerate(_grouped(outgoing), start=options["first_batch_number"])
        )
        file = self._file(outgoing, created, batches)
        references = {
            entry.reference: trace
            for (_, members), batch in zip(_grouped(outgoing), batches, strict=True)
            for entry, trace in zip(members, trace_numbers(batch), strict=True)
        }
        return Built(build_ach(file), ".ach", references)

    def _file(self, outgoing: Outgoing, created: datetime, batches: tuple[AchBatch, ...]) -> AchFile:
        options = outgoing.options
        return AchFile(
            destination_routing=options["destination"],
            destination_name=options["destination_name"],
            origin=options["origin"],
            origin_name=options["origin_name"],
            created_at=created,
            batches=batches,
            modifier=options["modifier"],
            reference=outgoing.message_id[-8:],
        )

    def _batch(
        self, outgoing: Outgoing, created: datetime, number: int, key: _Key, members: list[Instruction]
    ) -> AchBatch:
        options = outgoing.options
        sec_code, description, _ = key
        return AchBatch(
            company_name=options["company_name"],
            company_id=options["company_id"],
            sec_code=sec_code,
            entry_description=description,
            effective_date=outgoing.execution_date,
            odfi=options["odfi"],
            entries=tuple(_entry(instruction, sec_code) for instruction in members),
            batch_number=number,
            discretionary_data=outgoing.message_id,
            descriptive_date=same_day_marker(created) if options.get("same_day") else "",
        )

    def parse_inbound(self, data: bytes) -> list[InboundEvent]:
        """Read the returns and changes that can be applied. Raises FormatError for what is no NACHA file."""
        return list(self.read(data).events)

    def read(self, data: bytes) -> AchReading:
        """Read a file of returns and changes with what is wrong in it.

        Raises FormatError if nothing in it can be applied, and something is wrong.
        """
        reading = read_nacha(data, lenient=True)
        message_id = _name_of(reading)
        told = returns_of(reading.file, only=lambda entry: _can_be_applied(entry, reading))
        events = tuple(_event(one, message_id) for one in told)
        if not events and not reading.report.valid:
            raise FormatError.of(list(reading.findings))
        return AchReading(events, tuple(reading.findings), message_id)

    def refuse_changes(self, data: bytes, refused: Mapping[int, str], outgoing: Outgoing) -> bytes:
        """Write the file that refuses notifications of change: codes C61 to C69 by the line they were on.

        `outgoing` names us and the numbers that the file gets, as for `build`. Raises FormatError.
        """
        options = outgoing.options
        created = outgoing.created_at.astimezone(ZoneInfo(ZONE))
        reading = read_nacha(data, lenient=True)
        found = (entry for batch in reading.file.batches for entry in batch.entries if entry.addenda)
        told = [(entry, refused.get(entry.addenda[-1].line or 0, "")) for entry in found]
        entries = tuple(
            refuse_change_entry(entry, code=code, trace=f"{options['odfi']}{sequence:07d}")
            for sequence, (entry, code) in enumerate(
                (one for one in told if one[1]), start=options["first_trace"]
            )
        )
        header = Record(
            "batch_header",
            {
                "service_class": "200",
                "company_name": options["company_name"],
                "company_id": options["company_id"],
                "sec_code": "COR",
                "entry_description": "REFUSED",
                "effective_date": f"{outgoing.execution_date:%y%m%d}",
                "originator_status": "1",
                "odfi": options["odfi"],
                "batch_number": f"{options['first_batch_number']:07d}",
            },
        )
        return write_nacha(
            NachaFile(file_header(self._file(outgoing, created, ())), (Batch(header, entries),))
        )

    def inquire(self, reference: str, original: Outgoing, *, message_id: str, at: datetime) -> bytes | None:
        """Return None: silence means success, there is no question."""
        return None

    def classify(self, code: str) -> Classified:
        """Say what a return or change code means and what to do about it."""
        return ach_codes.classify(code)


def bank_day(now: datetime) -> date:
    """Return the day that it is at the Reserve Banks."""
    return now.astimezone(ZoneInfo(ZONE)).date()


def sec_code_for(
    *, direction: str, payer: str, payee: str, remittance: str = "", authorised_by: str = ""
) -> str:
    """Choose the entry class by who pays whom: `person` or `company`.

    Credits: WEB from person to person, PPD to a person, CCD to a company, CTX if its text takes more
    than one addenda. Debits: CCD from a company; from a person WEB or TEL as they authorised it
    (`internet`, `phone`), otherwise PPD (on paper).
    """
    if direction == DEBIT:
        by = {"internet": "WEB", "phone": "TEL"}.get(authorised_by, "PPD")
        return "CCD" if payer == "company" else by
    if payee == "company":
        return "CCD" if len(remittance) <= ADDENDA_CHARS else "CTX"
    return "WEB" if payer == "person" else "PPD"


def receiver_of(instruction: Instruction) -> Party:
    """Return whose account the entry is for: the creditor of a credit, the debtor of a debit."""
    debit = instruction.options.get("direction", CREDIT) == DEBIT
    return instruction.debtor if debit else instruction.creditor


_Key = tuple[str, str, str]


def _grouped(outgoing: Outgoing) -> list[tuple[_Key, list[Instruction]]]:
    """Part the entries into batches: one SEC code and description, and if asked, one direction, each.

    Inside a batch the traces ascend.
    """
    apart = outgoing.options.get("segregate", False)

    def key(one: Instruction) -> _Key:
        direction = one.options.get("direction", CREDIT) if apart else ""
        return one.options["sec_code"], one.options.get("description", PAYMENT), direction

    ordered = sorted(outgoing.instructions, key=lambda one: (key(one), one.options["trace_sequence"]))
    return [(group, list(members)) for group, members in groupby(ordered, key=key)]


def _entry(instruction: Instruction, sec_code: str) -> AchEntry:
    options, receiver = instruction.options, receiver_of(instruction)
    return AchEntry(
        direction=options.get("direction", CREDIT),
        routing=receiver.bank,
        account=receiver.account,
        amount=instruction.amount,
        name=receiver.name,
        individual_id=instruction.reference[:15],
        account_kind=options.get("account_kind", "checking"),
        addenda=() if options.get("prenote") else tuple(_addenda(instruction.remittance, sec_code)),
        payment_type=options.get("payment_type", "S") if sec_code in ("WEB", "TEL") else "",
        trace_sequence=options["trace_sequence"],
    )


def _addenda(text: str, sec_code: str) -> Iterator[str]:
    """Cut what the receiver reads into addenda of eighty characters."""
    written = plain(text, ADDENDA_CHARS * SEC_CODES[sec_code].addenda_max)
    for start in range(0, len(written), ADDENDA_CHARS):
        yield written[start : start + ADDENDA_CHARS]


def _wrong_class(instruction: Instruction) -> Iterable[tuple[str, str, str]]:
    sec_code = instruction.options.get("sec_code", "")
    if not sec_code:
        return
    if sec_code not in ORIGINATED:
        yield "sec_code", f"{sec_code} entries are read but not originated.", "sec_code"
        return
    rules = SEC_CODES[sec_code]
    if rules.debit_only and instruction.options.get("direction", CREDIT) != DEBIT:
        yield "sec_code", f"{sec_code} entries are debits.", "sec_code"
    most = ADDENDA_CHARS * min(rules.addenda_max, CTX_ADDENDA_MAX)
    if len(instruction.remittance) > most:
        yield "remittance", f"A {sec_code} entry carries {most} characters.", "remittance"


def _dates(submit_by: datetime, effective: date, calendar: Calendar) -> Dates:
    return Dates(submit_by, effective, effective, calendar.add(effective, RETURN_BANKING_DAYS))


def _can_be_applied(entry: Entry, reading: NachaReading) -> bool:
    """Tell whether nothing is wrong with an entry, or only what partners get wrong and we do not go by."""
    if reading.is_sound(entry):
        return True
    if len(reading.findings) >= FINDINGS_MAX:
        return False  # not every fault is listed: take none for harmless
    lines = {entry.record.line, *(record.line for record in entry.addenda)}
    wrong = {item.code for item in reading.findings if item.severity == "error" and item.line in lines}
    return wrong <= BORNE_IN_RETURNS


def _name_of(reading: NachaReading) -> str:
    header = reading.file.header
    parts = ("immediate_origin", "creation_date", "creation_time", "file_id_modifier")
    return "-".join(header[part].strip() for part in parts)


def _event(told: AchReturn | NotificationOfChange, message_id: str) -> InboundEvent:
    if isinstance(told, AchReturn):
        return InboundEvent(
            told=Told.RETURNED,
            reference=told.original_trace,
            message_id=message_id,
            code=told.code,
            amount=told.amount,
            data={
                "kind": told.kind,
                "direction": told.direction,
                "individual_id": told.individual_id,
                "trace": told.trace,
                "company_id": told.company_id,
                "line": told.line,
            },
        )
    return InboundEvent(
        told=Told.CHANGED,
        reference=told.original_trace,
        message_id=message_id,
        code=told.code,
        data={
            "kind": "refused_change" if told.refused else "change",
            "trace": told.trace,
            "company_id": told.company_id,
            "line": told.line,
            "corrected": {
                name: value
                for name in ("account", "routing", "name", "transaction_code", "individual_id")
                if (value := getattr(told, name)) is not None
            },
        },
    )
