"""A bank's file comes in: all of it or nothing, and only once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core.commands import Command, Context, handles
from apps.core.ids import public_id
from apps.core.money import Money
from apps.reconciliation.bank_formats import (
    FormatError,
    Statement,
    StatementFile,
    read_amount,
    read_statements,
)
from apps.reconciliation.domain.words import Proof
from apps.reconciliation.errors import DuplicateStatement, FutureDate, UnknownBankAccount
from apps.reconciliation.events import StatementImported
from apps.reconciliation.importing.accounts import account_of
from apps.reconciliation.importing.advices import open_advised_batches
from apps.reconciliation.importing.overlaps import known_lines
from apps.reconciliation.importing.pages import LAST, MORE, prove_pages
from apps.reconciliation.importing.retold import store_lines
from apps.reconciliation.importing.reversals import as_meant, suspect
from apps.reconciliation.lines import LineSource, booking_dates, content_id, lines_of, statement_day
from apps.reconciliation.models import BankAccount, StatementLine
from apps.reconciliation.models import Statement as StatementRow
from apps.reconciliation.models import StatementFile as FileRow
from apps.reconciliation.progress import tell
from apps.reconciliation.statement_store import KeptFile, kept_file

FINDINGS_KEPT = 50
ENTRIES_AT_ONCE = 5_000
"""Lines are made and stored in parts, so that a long statement is not held twice."""

CLOCK_SKEW = timedelta(days=1)
"""A bank east of us may already live in tomorrow."""


@dataclass(frozen=True)
class ImportStatement(Command):
    """Import a kept file of statements (camt.052/053/054, MT940/942, BAI2), told by its content.

    `sha256` names the file in the statement store, `name` is what the sender called it. `lenient`
    reads a file that breaks its schema, with the complaints as findings.
    """

    sha256: str
    name: str
    lenient: bool = False


@handles(
    ImportStatement, name="reconciliation.import_statement", version=1, permission="reconciliation.write"
)
def import_statement(command: ImportStatement, context: Context) -> dict[str, Any]:
    """Import every statement of the file, or none.

    The same bytes a second time change nothing and are answered as `already_imported`. Raises
    FormatError, UnknownBankAccount, DuplicateStatement, FutureDate, FileChanged.
    """
    assert command.organisation_id is not None
    known = FileRow.objects.filter(organisation_id=command.organisation_id, sha256=command.sha256).first()
    if known is not None:
        return {**_file_data(known, _statements_of(known)), "already_imported": True}
    kept = kept_file(command.sha256)
    _allow_time_to_read()
    parsed, lenient = _read(kept, command)
    file = FileRow.objects.create(
        id=context.new_id(),
        organisation_id=command.organisation_id,
        sha256=kept.sha256,
        format=parsed.format[:30],
        message_id=parsed.message_id[:140],
        name=command.name[-200:],
        size_bytes=kept.size_bytes,
        lenient=lenient,
        received_at=context.at,
        findings=[finding.as_dict() for finding in parsed.findings[:FINDINGS_KEPT]],
    )
    rows = [_import_one(one, page, file, context) for one, page in _number_repeats(parsed.statements)]
    prove_pages(rows)
    _open_advised_batches(rows)
    rows = _statements_of(file)
    context.note(
        "statement_file",
        file.sha256,
        format=file.format,
        statements=len(rows),
        lines=sum(row.line_count for row in rows),
    )
    return {**_file_data(file, rows), "already_imported": False}


def _open_advised_batches(rows: list[StatementRow]) -> None:
    """Let advices and statements that came in with this file find what they tell of each other."""
    days: dict[UUID, set[date]] = {}
    told = StatementLine.objects.filter(statement__in=[row.id for row in rows if row.kind != "interim"])
    batches = told.exclude(batch_id="", message_id="").values_list("bank_account_id", "booking_date")
    for account_id, day in batches.distinct():
        days.setdefault(account_id, set()).add(day)
    for account in BankAccount.objects.filter(id__in=days).order_by("id"):
        open_advised_batches(account, days[account.id])


def _allow_time_to_read() -> None:
    """Reading a long file takes longer than a web request may: nothing but this transaction waits."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('idle_in_transaction_session_timeout', '600000', true), "
            "set_config('statement_timeout', '600000', true)"
        )


def _read(kept: KeptFile, command: ImportStatement) -> tuple[StatementFile, bool]:
    """Read strictly, unless the command or every account's profile says that its bank bends the schema."""
    assert command.organisation_id is not None
    if command.lenient:
        return read_statements(kept.path, lenient=True), True
    try:
        return read_statements(kept.path), False
    except FormatError as strict:
        try:
            parsed = read_statements(kept.path, lenient=True)
        except FormatError:
            raise strict from None
        accounts = [account_of(command.organisation_id, statement) for statement in parsed.statements]
        if all(account is not None and account.lenient for account in accounts):
            return parsed, True
        raise


def _number_repeats(statements: tuple[Statement, ...]) -> list[tuple[Statement, int]]:
    """Number statements of one file that carry the same name, as parts of a day.

    Some banks put several messages of one number into a file, each with balances of its own.
    """
    seen: Counter[tuple[Any, ...]] = Counter()
    numbered = []
    for one in statements:
        name = (one.account, one.currency, one.kind, one.id, one.sequence, one.page, statement_day(one))
        seen[name] += 1
        numbered.append((one, one.page + seen[name] - 1))
    return numbered


def _import_one(statement: Statement, page: int, file: FileRow, context: Context) -> StatementRow:
    account = account_of(file.organisation_id, statement)
    if account is None:
        raise UnknownBankAccount(
            account=_masked(statement.account), currency=statement.currency, line=statement.line
        )
    day = statement_day(statement)
    if day is None:
        raise FormatError(
            "undated", "Nothing in the statement says which day it is of.", statement.line, "Stmt"
        )
    _refuse_future(statement, day, context.at.date())
    row = _statement_row(as_meant(statement, account), page, account, file, day, context)
    _refuse_duplicate(row)
    suspect(account, row)
    _add_lines(statement, row, account, file)
    context.emit(
        StatementImported(
            statement_id=public_id("stm", row.id),
            bank_account_id=public_id("ban", account.id),
            day=day.isoformat(),
            kind=row.kind,
            line_count=row.line_count,
            proof=row.proof,
        )
    )
    return row


def _refuse_future(statement: Statement, day: date, today: date) -> None:
    latest = today + CLOCK_SKEW
    if day > latest:
        raise FutureDate(date=day.isoformat(), line=statement.line)
    for booked, line in booking_dates(statement.entries):
        if booked > latest:
            raise FutureDate(date=booked.isoformat(), line=line)


def _statement_row(
    statement: Statement, page: int, account: BankAccount, file: FileRow, day: date, context: Context
) -> StatementRow:
    proof = statement.proof
    amounts = [entry.amount.minor for entry in statement.entries]
    key = (
        statement.kind,
        statement.id,
        statement.sequence,
        str(page),
        str(statement.from_date or ""),
        str(statement.to_date or ""),
    )
    return StatementRow(
        id=content_id(day, str(account.id), *key),
        organisation_id=file.organisation_id,
        bank_account_id=account.id,
        file_id=file.id,
        bank_id=statement.id[:140],
        kind=statement.kind,
        sequence=statement.sequence[:40],
        page=page,
        paging=_paging(statement),
        told_sums=_told_sums(statement),
        from_date=statement.from_date,
        to_date=statement.to_date,
        day=day,
        currency=statement.currency,
        opening_minor=_minor(statement.opening, account),
        closing_minor=_minor(statement.closing, account),
        booked_minor=proof.booked.minor if proof.booked else None,
        entry_count=len(amounts),
        line_count=0,
        known_count=0,
        credit_minor=sum(amount for amount in amounts if amount > 0),
        debit_minor=-sum(amount for amount in amounts if amount < 0),
        proof=(Proof.PROVEN if proof.proven else Proof.UNPROVEN).value,
        proof_reasons=list(proof.reasons),
        imported_at=context.at,
    )


def _paging(statement: Statement) -> str:
    if statement.page == 1 and statement.last_page:
        return ""
    return LAST if statement.last_page else MORE


def _told_sums(statement: Statement) -> dict[str, int]:
    """Keep what the bank says its entries count and sum up to, as far as it is said and can be read."""
    told = statement.summary
    kept = {} if told.entries is None else {"entries": told.entries}
    for name, written in (("credit_minor", told.credit_sum), ("debit_minor", told.debit_sum)):
        if written:
            try:
                kept[name] = read_amount(written, statement.currency).minor
            except FormatError:
                kept[name] = -1  # it agrees with nothing
    return kept


def _minor(amount: Money | None, account: BankAccount) -> int | None:
    """Keep a balance in the account's currency; one in another currency proves nothing."""
    return amount.minor if amount is not None and amount.currency == account.currency else None


def _refuse_duplicate(row: StatementRow) -> None:
    twin = StatementRow.objects.filter(
        bank_account_id=row.bank_account_id,
        kind=row.kind,
        bank_id=row.bank_id,
        sequence=row.sequence,
        page=row.page,
        from_date=row.from_date,
        to_date=row.to_date,
        day=row.day,
    ).first()
    if twin is not None:
        raise DuplicateStatement(
            statement=row.bank_id,
            sequence=row.sequence,
            day=row.day.isoformat(),
            imported_as=public_id("stm", twin.id),
        )


def _add_lines(statement: Statement, row: StatementRow, account: BankAccount, file: FileRow) -> None:
    source = LineSource(account, row.id, file.id, row.day, final=statement.kind == "statement")
    known = known_lines(statement, row, account)
    taken = set(known.only_alike)
    row.save(force_insert=True)
    for start in range(0, len(statement.entries), ENTRIES_AT_ONCE):
        entries = statement.entries[start : start + ENTRIES_AT_ONCE]
        lines = [line for entry in entries for line in lines_of(entry, source, taken=taken)]
        row.line_count += len(lines)
        row.known_count += sum(1 for line in lines if line.fingerprint in known.same)
        store_lines(lines, row, account, same=known.same)
        tell(min(start + ENTRIES_AT_ONCE, len(statement.entries)), len(statement.entries))
    row.save(update_fields=["line_count", "known_count"])


def _statements_of(file: FileRow) -> list[StatementRow]:
    return list(StatementRow.objects.filter(file_id=file.id).order_by("day", "id"))


def _file_data(file: FileRow, rows: list[StatementRow]) -> dict[str, Any]:
    accounts = {
        account.id: account
        for account in BankAccount.objects.filter(id__in={row.bank_account_id for row in rows})
    }
    return {
        "sha256": file.sha256,
        "format": file.format,
        "lenient": file.lenient,
        "findings": file.findings,
        "statements": [statement_data(row, accounts[row.bank_account_id]) for row in rows],
    }


def statement_data(row: StatementRow, account: BankAccount) -> dict[str, Any]:
    """Describe a statement as JSON-able data, with amounts as decimal text."""

    def text(minor: int | None) -> str | None:
        return None if minor is None else Money(minor, row.currency).decimal_text()

    return {
        "id": public_id("stm", row.id),
        "bank_id": row.bank_id,
        "kind": row.kind,
        "account": account.number,
        "currency": row.currency,
        "sequence": row.sequence,
        "page": row.page,
        "day": row.day.isoformat(),
        "entries": row.entry_count,
        "lines": row.line_count,
        "known_lines": row.known_count,
        "credit": text(row.credit_minor),
        "debit": text(row.debit_minor),
        "opening": text(row.opening_minor),
        "closing": text(row.closing_minor),
        "proof": row.proof,
        "reasons": row.proof_reasons,
    }


def _masked(number: str) -> str:
    """Show enough of an unknown account's number to recognise it, and not all of it."""
    return f"{number[:4]}…{number[-4:]}" if len(number) > 10 else "…" + number[-3:]
