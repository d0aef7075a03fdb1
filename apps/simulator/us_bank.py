"""A bank in the United States as its customers see it: NACHA files in; returns, changes and statements out.

It knows nothing of the platform but the files. Time is an argument, and all it remembers is one JSON-able
state. An entry settles on its effective date, or on the next day that the Reserve Banks are open. What an
entry's addenda or name says makes it misbehave: `simulate:return R03` comes back two banking days after
it has settled, `simulate:return R01 5` after five, `simulate:noc C01 98765` brings a notification of
change; corrected values that belong together are parted by spaces.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import holidays

from apps.core.money import Money
from apps.payments.public import formats

nacha = formats.nacha

EASTERN = ZoneInfo("America/New_York")
RETURN_AFTER_BANKING_DAYS = 2
SETTLED, RETURNED_IN, RETURNED_OUT = ("166", "466"), "257", "557"
"""BAI2 type codes: ACH settlement (credit, debit), a returned item that comes back as a credit or a debit."""

INSTANT_OUT = "495"
"""BAI2 names instant payments among outgoing transfers."""

_FAULT = re.compile(r"simulate:(?P<what>return|noc) (?P<code>[RC][0-9]{2})(?P<rest>(?: \S+)*)", re.IGNORECASE)
_CORRECTED = {
    "C01": ("account",),
    "C02": ("routing",),
    "C03": ("routing", "account"),
    "C04": ("name",),
    "C05": ("transaction_code",),
    "C06": ("account", "transaction_code"),
    "C07": ("routing", "account", "transaction_code"),
    "C09": ("individual_id",),
}


class DuplicateFile(Exception):
    """The file was taken before: same origin, day, time and modifier."""


@dataclass
class UsBooking:
    """An entry that the account's statement shows from a day on."""

    due: str  # a date
    amount_minor: int  # signed: negative left the account
    code: str
    reference: str
    text: str


@dataclass
class Answer:
    """A return or a notification of change that leaves on a day, about an entry as it came."""

    due: str
    code: str
    values: dict[str, str]  # what a notification corrects
    layout: str
    entry: dict[str, str]
    company_name: str
    company_id: str
    sec_code: str


@dataclass
class UsAccount:
    """An account: its closing balance, the number of its latest statement, what waits for its day."""

    currency: str = "USD"
    closing_minor: int = 0
    statement_number: int = 0
    bookings: list[UsBooking] = field(default_factory=list)


class UsBank:
    """The accounts of one customer at a bank in the ACH, and the files it has taken."""

    def __init__(self, *, routing: str) -> None:
        self.routing = routing
        self.accounts: dict[str, UsAccount] = {}
        self.companies: dict[str, str] = {}  # company identification -> account
        self.seen: set[str] = set()
        self.answers: list[Answer] = []
        self.answered = 0  # files of returns so far
        self.traces = 0

    def open_account(self, number: str, company_id: str, opening: Money) -> None:
        """Open an account for a company in the ACH. An account that is open stays as it is."""
        self.accounts.setdefault(number, UsAccount(opening.currency, opening.minor))
        self.companies[company_id] = number

    def take_file(self, data: bytes, *, at: datetime) -> None:
        """Take a NACHA file. Raises FormatError for one that breaks a rule, DuplicateFile."""
        file = nacha.read_nacha(data).file
        header = file.header
        name = "-".join(
            header[part]
            for part in (
                "immediate_origin",
                "creation_date",
                "creation_time",
                "file_id_modifier",
                "reference",
            )
        )
        if name in self.seen:
            raise DuplicateFile(name)
        unknown = {batch.header["company_id"] for batch in file.batches} - set(self.companies)
        if unknown:
            raise formats.FormatError("company_id", "The company has no account here.", None, "batch_header")
        self.seen.add(name)
        for batch in file.batches:
            self._take_batch(batch, at)

    def _take_batch(self, batch: Any, at: datetime) -> None:
        header = batch.header
        settles = self._settles_on(header["effective_date"], at)
        account = self.accounts[self.companies[header["company_id"]]]
        net = sum(_signed(entry) for entry in batch.entries)
        self._settle(account, settles, net, header["discretionary_data"])
        for entry in batch.entries:
            self._misbehave(entry, header, account, settles)

    def _settles_on(self, written: str, at: datetime) -> date:
        today = at.astimezone(EASTERN).date()
        if not written.isdigit():
            return on_or_after(today)
        asked = date.fromisoformat(f"20{written[:2]}-{written[2:4]}-{written[4:]}")
        return on_or_after(max(asked, today))

    def _settle(self, account: UsAccount, day: date, net: int, reference: str) -> None:
        """Book a file's entries of a day as one amount, as banks do for an originator."""
        due = day.isoformat()
        for booking in account.bookings:
            if (booking.due, booking.reference, booking.text) == (due, reference, "ACH SETTLEMENT"):
                booking.amount_minor += net
                booking.code = SETTLED[booking.amount_minor < 0]
                return
        account.bookings.append(UsBooking(due, net, SETTLED[net < 0], reference, "ACH SETTLEMENT"))

    def _misbehave(self, entry: Any, header: Any, account: UsAccount, settles: date) -> None:
        told = " ".join([*(record["information"] for record in entry.addenda), entry.record["name"]])
        fault = _FAULT.search(told)
        if fault is None:
            return
        code, words = fault["code"].upper(), fault["rest"].split()
        is_return = fault["what"].lower() == "return"
        days = int(words[0]) if is_return and words and words[0].isdigit() else RETURN_AFTER_BANKING_DAYS
        due = add_banking_days(settles, days)
        self.answers.append(
            Answer(
                due.isoformat(),
                code,
                {} if is_return else dict(zip(_CORRECTED.get(code, ()), words, strict=False)),
                entry.record.layout,
                dict(entry.record.fields),
                header["company_name"],
                header["company_id"],
                header["sec_code"],
            )
        )
        back = -_signed(entry)
        if is_return and back:
            code_of_line = RETURNED_IN if back > 0 else RETURNED_OUT
            reference = entry.record["individual_id"].strip()
            account.bookings.append(
                UsBooking(due.isoformat(), back, code_of_line, reference, f"ACH RETURN {code}")
            )

    def answer(self, *, at: datetime, until: date | None = None) -> bytes | None:
        """Return the file of returns and changes that leaves now, or None when there is nothing to tell.

        `until` brings forward what is due by a later day.
        """
        today = (until or at.astimezone(EASTERN).date()).isoformat()
        due = [answer for answer in self.answers if answer.due <= today]
        if not due:
            return None
        self.answers = [answer for answer in self.answers if answer.due > today]
        self.answered += 1
        groups: dict[tuple[str, str, str], list[Answer]] = {}
        for answer in due:
            sec_code = "COR" if answer.code.startswith("C") else answer.sec_code
            groups.setdefault((sec_code, answer.company_id, answer.company_name), []).append(answer)
        batches = tuple(
            self._answer_batch(number, key, members, at)
            for number, (key, members) in enumerate(sorted(groups.items()), start=1)
        )
        return nacha.write_nacha(nacha.NachaFile(self._answer_header(at), batches))

    def _answer_header(self, at: datetime) -> Any:
        local = at.astimezone(EASTERN)
        return nacha.Record(
            "file_header",
            {
                "priority": "01",
                "immediate_destination": f" {self.routing}",
                "immediate_origin": f" {self.routing}",
                "creation_date": f"{local:%y%m%d}",
                "creation_time": f"{local:%H%M}",
                "file_id_modifier": "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[(self.answered - 1) % 36],
                "destination_name": "FIRST SIMULATED BANK",
                "origin_name": "ACH OPERATOR",
                "reference": f"{self.answered:08d}",
            },
        )

    def _answer_batch(
        self, number: int, key: tuple[str, str, str], members: list[Answer], at: datetime
    ) -> Any:
        sec_code, company_id, company_name = key
        entries = tuple(self._answer_entry(member) for member in members)
        header = nacha.Record(
            "batch_header",
            {
                "service_class": "200",
                "company_name": company_name,
                "company_id": company_id,
                "sec_code": sec_code,
                "entry_description": "RETURNS" if sec_code != "COR" else "CHANGES",
                "effective_date": f"{at.astimezone(EASTERN):%y%m%d}",
                "originator_status": "1",
                "odfi": self.routing[:8],
                "batch_number": f"{number:07d}",
            },
        )
        return nacha.Batch(header, entries)

    def _answer_entry(self, answer: Answer) -> Any:
        self.traces += 1
        entry = nacha.Entry(nacha.Record(answer.layout, answer.entry))
        trace = f"{answer.entry['rdfi']}{self.traces:07d}"
        if answer.code.startswith("C"):
            return nacha.change_entry(entry, code=answer.code, values=answer.values, trace=trace)
        return nacha.return_entry(entry, code=answer.code, trace=trace)

    def receive(self, number: str, amount: Money, *, day: date, text: str, reference: str = "") -> None:
        """Take in money from outside. Raises KeyError for an account that is not here."""
        self.accounts[number].bookings.append(
            UsBooking(day.isoformat(), amount.minor, "165", reference, text)
        )

    def book_out(
        self,
        number: str,
        amount: Money,
        *,
        end_to_end_id: str,
        name: str,
        to: str,
        remittance: str,
        message_id: str,
        at: datetime,
    ) -> None:
        """Book an instant payment that left. Raises KeyError for an account that is not here."""
        day = at.astimezone(EASTERN).date().isoformat()
        self.accounts[number].bookings.append(
            UsBooking(day, -amount.minor, INSTANT_OUT, end_to_end_id, "FEDNOW PAYMENT")
        )

    def has_news(self, number: str, *, day: date) -> bool:
        """Tell whether a statement of this day would show an entry."""
        return any(booking.due <= day.isoformat() for booking in self.accounts[number].bookings)

    def statement(self, number: str, *, day: date, at: datetime, until: date | None = None) -> bytes:
        """Close the account's day: book what is due and return the BAI2 file that shows it.

        `until` brings forward what is due by a later day.
        """
        account, last = self.accounts[number], (until or day).isoformat()
        due = [booking for booking in account.bookings if booking.due <= last]
        account.bookings = [booking for booking in account.bookings if booking.due > last]
        opening = account.closing_minor
        account.closing_minor += sum(booking.amount_minor for booking in due)
        account.statement_number += 1
        balances = (
            formats.Balance("OPBD", Money(opening, account.currency), day),
            formats.Balance("CLBD", Money(account.closing_minor, account.currency), day),
        )
        statement = formats.Statement(
            id=f"{number}-{account.statement_number:05d}",
            kind="statement",
            account=number,
            iban="",
            currency=account.currency,
            from_date=day,
            to_date=day,
            balances=balances,
            entries=tuple(
                _line(position, booking, account, day)
                for position, booking in enumerate([one for one in due if one.amount_minor], start=1)
            ),
        )
        return formats.build_bai2(
            sender=self.routing,
            receiver="OPERATOR",
            file_id=str(account.statement_number),
            created_at=at.astimezone(EASTERN),
            statements=(statement,),
        )

    def to_data(self) -> dict[str, Any]:
        """Return the whole state as JSON-able data."""
        return {
            "routing": self.routing,
            "companies": dict(self.companies),
            "seen": sorted(self.seen),
            "answered": self.answered,
            "traces": self.traces,
            "answers": [asdict(answer) for answer in self.answers],
            "accounts": {number: asdict(account) for number, account in self.accounts.items()},
        }

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> UsBank:
        """Make the bank again from its state."""
        bank = cls(routing=data["routing"])
        bank.companies, bank.seen = dict(data["companies"]), set(data["seen"])
        bank.answered, bank.traces = data["answered"], data["traces"]
        bank.answers = [Answer(**item) for item in data["answers"]]
        for number, account in data["accounts"].items():
            bookings = [UsBooking(**item) for item in account["bookings"]]
            bank.accounts[number] = UsAccount(**{**account, "bookings": bookings})
        return bank


def _signed(entry: Any) -> int:
    """Return what an entry moves, seen from the originator's account: a credit to others leaves it."""
    credit = nacha.codes.DIRECTIONS[entry.record["transaction_code"]] == nacha.codes.CREDIT
    return -entry.amount_minor if credit else int(entry.amount_minor)


def _line(position: int, booking: UsBooking, account: UsAccount, day: date) -> formats.StatementEntry:
    return formats.StatementEntry(
        position=position,
        amount=Money(booking.amount_minor, account.currency),
        status="BOOK",
        booking_date=day,
        value_date=day,
        refs=formats.References(
            end_to_end=booking.reference,
            acct_svcr=f"{day:%y%m%d}{account.statement_number:05d}{position:05d}",
        ),
        bank_code=formats.BankCode(proprietary=booking.code),
        remittance_unstructured=booking.text,
    )


def is_banking_day(day: date) -> bool:
    """Tell whether the Reserve Banks are open."""
    return day.weekday() < 5 and day not in holidays.financial_holidays("FED", years=day.year)


def on_or_after(day: date) -> date:
    """Return the first banking day that is not before a day."""
    while not is_banking_day(day):
        day += timedelta(days=1)
    return day


def add_banking_days(day: date, count: int) -> date:
    """Return the banking day so many after a day."""
    for _ in range(count):
        day = on_or_after(day + timedelta(days=1))
    return day
