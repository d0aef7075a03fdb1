"""Statements of payment accounts for their holders: camt.053, CSV and PDF from the ledger's entries.

A day is a day in UTC, by when an entry was recorded. The same past period always gives the same bytes.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from apps.accounts import public as accounts
from apps.core.errors import Invalid, Refusal
from apps.core.ids import BadId, parse_public_id
from apps.core.money import Money
from apps.core.pdf import Column, Table, document
from apps.ledger import public as ledger
from apps.payments.domain.fx import rate_text
from apps.payments.formats import (
    Balance,
    BankCode,
    References,
    Statement,
    StatementEntry,
    build_statements,
)
from apps.payments.models import Counterparty, Payment

DAYS_MAX, ENTRIES_MAX, PAGE = 400, 20_000, 1_000
FORMATS = {"camt053": "application/xml", "csv": "text/csv; charset=utf-8", "pdf": "application/pdf"}


class StatementTooLong(Refusal):
    code = "statement_too_long"
    title = "The period has too many entries for one statement; ask for a shorter one."


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as its holder reads it; who is at the other end is empty where nobody is."""

    booked_on: date
    value_on: date
    amount: Money
    balance: Money
    kind: str
    reference: str
    end_to_end_id: str = ""
    name: str = ""
    account: str = ""
    remittance: str = ""
    counter: Money | None = None  # what it was exchanged for, or came from, in the other currency
    rate: str = ""


@dataclass(frozen=True, slots=True)
class AccountStatement:
    """An account's entries of a period with what stood on it before and after."""

    account_id: str
    iban: str
    currency: str
    first: date
    last: date
    made_at: datetime
    opening: Money
    closing: Money
    lines: tuple[Line, ...]


def statement_of(account_id: UUID, *, first: date, last: date, at: datetime) -> AccountStatement:
    """Read a statement, both days included. Needs the scope of the account's organisation.

    Raises NotFound, Invalid for a period that cannot be meant, StatementTooLong, and the ledger's
    refusal of a moment that is archived.
    """
    if last < first or (last - first).days >= DAYS_MAX or not 2000 <= first.year <= last.year <= 2199:
        raise Invalid(field="to", reason="not a period of 1 to 400 days", days_max=DAYS_MAX)
    account = accounts.payment_account(account_id)
    start, end = (datetime.combine(day, time(), tzinfo=UTC) for day in (first, last + timedelta(days=1)))
    number = account.ledger_account_id
    opening = ledger.balance_at(number, recorded_at=start - timedelta(microseconds=1))
    entries = _entries(number, start, end)
    closing = opening + sum(entry.amount_minor for entry in entries)
    if entries and entries[-1].after_minor != closing:
        raise RuntimeError("the entries of a statement do not lead from its opening to its closing balance")
    return AccountStatement(
        account_id=account.public_id,
        iban=account.iban,
        currency=account.currency,
        first=first,
        last=last,
        made_at=min(end, at),
        opening=Money(opening, account.currency),
        closing=Money(closing, account.currency),
        lines=_lines(entries, account.currency),
    )


def _entries(number: int, start: datetime, end: datetime) -> list[ledger.Entry]:
    found: list[ledger.Entry] = []
    after = f"{start.isoformat()}/0"
    while True:
        page = ledger.statement(number, after=after, limit=PAGE)
        inside = [entry for entry in page if entry.recorded_at < end]
        found += inside
        if len(found) > ENTRIES_MAX:
            raise StatementTooLong(entries_max=ENTRIES_MAX)
        if len(page) < PAGE or len(inside) < len(page):
            return found
        after = page[-1].cursor


def _lines(entries: list[ledger.Entry], currency: str) -> tuple[Line, ...]:
    payments = _payments({entry.reference for entry in entries})
    ends = Counterparty.objects.in_bulk({row.counterparty_id for row in payments.values()} - {None})
    return tuple(_line(entry, currency, payments.get(entry.reference), ends) for entry in entries)


def _payments(references: set[str]) -> dict[str, Payment]:
    keys: dict[UUID, str] = {}
    for reference in references:
        try:
            keys[parse_public_id("pay", reference)] = reference
        except BadId:
            continue  # a journal of something else, such as a charge
    return {keys[key]: row for key, row in Payment.objects.in_bulk(list(keys)).items()}


def _line(
    entry: ledger.Entry, currency: str, payment: Payment | None, ends: dict[UUID, Counterparty]
) -> Line:
    end = ends.get(payment.counterparty_id) if payment is not None and payment.counterparty_id else None
    said = payment.remittance.shown() if payment is not None and payment.remittance is not None else ""
    return Line(
        booked_on=entry.recorded_at.astimezone(UTC).date(),
        value_on=entry.effective_date,
        amount=Money(entry.amount_minor, currency),
        balance=Money(entry.after_minor, currency),
        kind=entry.kind,
        reference=entry.reference,
        end_to_end_id=payment.end_to_end_id if payment is not None else "",
        name=end.name.shown() if end is not None else "",
        account=end.account.shown() if end is not None else "",
        remittance=said,
        counter=_counter(currency, payment),
        rate=rate_text(payment.exchange_rate) if payment is not None and payment.exchange_rate else "",
    )


def _counter(currency: str, payment: Payment | None) -> Money | None:
    """Return the amount of an exchanged payment in the currency that is not the account's."""
    if payment is None or payment.source_amount is None:
        return None
    return payment.amount if payment.source_currency == currency else payment.source_amount


def written(statement: AccountStatement, form: str) -> bytes:
    """Write a statement as camt053 (camt.053.001.08), csv or pdf. Raises Invalid for another form."""
    if form not in FORMATS:
        raise Invalid(field="format", known=sorted(FORMATS))
    return {"camt053": _camt, "csv": _csv, "pdf": _pdf}[form](statement)


def file_name(statement: AccountStatement, form: str) -> str:
    """Return the name a statement's file has."""
    suffix = "xml" if form == "camt053" else form
    return f"{statement.account_id}_{statement.first}_{statement.last}.{suffix}"


def _camt(statement: AccountStatement) -> bytes:
    name = f"{statement.account_id[-10:].upper()}-{statement.first:%Y%m%d}-{statement.last:%Y%m%d}"
    balances = (
        Balance("OPBD", statement.opening, statement.first),
        Balance("CLBD", statement.closing, statement.last),
    )
    made = Statement(
        id=f"STM-{name}",
        kind="statement",
        account=statement.iban,
        iban=statement.iban,
        currency=statement.currency,
        from_date=statement.first,
        to_date=statement.last,
        balances=balances,
        entries=tuple(_camt_entry(place, line) for place, line in enumerate(statement.lines, 1)),
    )
    return build_statements(message_id=f"MSG-{name}", created_at=statement.made_at, statements=(made,))


def _camt_entry(position: int, line: Line) -> StatementEntry:
    return StatementEntry(
        position=position,
        amount=line.amount,
        status="BOOK",
        booking_date=line.booked_on,
        value_date=line.value_on,
        refs=References(end_to_end=line.end_to_end_id, acct_svcr=line.reference[:35]),
        bank_code=BankCode(proprietary=line.kind[:35]),
        counterparty_name=line.name,
        counterparty_iban=line.account,
        remittance_unstructured=line.remittance,
        info=f"Exchanged: {line.counter}, rate {line.rate}" if line.counter is not None else "",
    )


_HEADINGS = (
    "booked_on", "value_on", "amount", "currency", "balance", "kind", "reference", "end_to_end_id", "name",
    "account", "remittance", "counter_amount", "counter_currency", "rate",
)  # fmt: skip


def _csv(statement: AccountStatement) -> bytes:
    """Write RFC 4180 with a heading, an opening and a closing line."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\r\n")
    rows.writerow(_HEADINGS)
    currency = statement.currency
    rows.writerow([statement.first, "", "", currency, statement.opening.decimal_text(), "opening", *[""] * 8])
    for line in statement.lines:
        texts = (line.kind, line.reference, line.end_to_end_id, line.name, line.account, line.remittance)
        rows.writerow(
            [
                line.booked_on,
                line.value_on,
                line.amount.decimal_text(),
                currency,
                line.balance.decimal_text(),
                *(_harmless(text) for text in texts),
                line.counter.decimal_text() if line.counter is not None else "",
                line.counter.currency if line.counter is not None else "",
                line.rate,
            ]
        )
    rows.writerow([statement.last, "", "", currency, statement.closing.decimal_text(), "closing", *[""] * 8])
    return out.getvalue().encode("utf-8")


def _harmless(text: str) -> str:
    """Keep a spreadsheet from taking what somebody wrote for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _pdf(statement: AccountStatement) -> bytes:
    columns = (
        Column("Booked", 1.1),
        Column("Value", 1.1),
        Column("What", 4.2),
        Column("Amount", 1.5, figures=True),
        Column("Balance", 1.5, figures=True),
    )
    opening = (str(statement.first), "", "Opening balance", "", statement.opening.decimal_text())
    closing = (str(statement.last), "", "Closing balance", "", statement.closing.decimal_text())
    middle = [
        (
            str(line.booked_on),
            str(line.value_on),
            " · ".join(
                text
                for text in (
                    line.name or line.kind,
                    f"{line.counter} at {line.rate}" if line.counter is not None else "",
                    line.remittance,
                    line.end_to_end_id,
                )
                if text
            ),
            line.amount.decimal_text(),
            line.balance.decimal_text(),
        )
        for line in statement.lines
    ]
    rows = [opening, *middle, closing]
    return document(
        title="Account statement",
        subtitle=f"{statement.first} to {statement.last} (days in UTC)",
        created_at=statement.made_at,
        facts=[
            ("Account", statement.account_id),
            ("IBAN", statement.iban),
            ("Currency", statement.currency),
            ("Entries", str(len(statement.lines))),
        ],
        tables=[Table(columns, rows, strong=frozenset({0, len(rows) - 1}))],
        footer=f"{statement.iban} · {statement.first} to {statement.last}",
    )
