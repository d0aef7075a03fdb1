"""Closing a day: nothing open, the statements prove it, the books agree; the evidence is sealed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from apps.core import tenancy
from apps.core.codec import canonical_json
from apps.core.commands import Command, Context, handles
from apps.core.ids import public_id
from apps.core.money import Money
from apps.reconciliation.commands.reconcile import lock_account
from apps.reconciliation.domain.words import AccountRole, BreakState, LineState, MatchState, Proof
from apps.reconciliation.errors import DayNotProven, NoSuchObject
from apps.reconciliation.events import DayClosed
from apps.reconciliation.lines import content_id
from apps.reconciliation.models import BankAccount, Break, DayClose, Match, Statement, StatementLine
from apps.reconciliation.queries import CashPosition, cash_position, chain_problems


@dataclass(frozen=True)
class CloseDay(Command):
    """Close a day of a bank account and seal what it was closed on. Closed again, it has a new version.

    `accept_breaks` closes although breaks are open on lines of the day; they are listed in the evidence.
    Nothing makes up for a statement that does not prove the day.
    """

    bank_account_id: UUID
    day: date
    accept_breaks: bool = False


@handles(CloseDay, name="reconciliation.close_day", version=1, permission="reconciliation.write")
def close_day(command: CloseDay, context: Context) -> dict[str, Any]:
    """Check, seal, and tell. Raises DayNotProven with every reason, NoSuchObject."""
    with tenancy.scope(tenancy.PLATFORM):
        account = lock_account(command.bank_account_id)
        if account.organisation_id != command.organisation_id:
            raise NoSuchObject(object="bank_account")
        statements = sorted(
            Statement.objects.select_related("file").filter(
                bank_account_id=account.id, day=command.day, kind="statement"
            ),
            key=lambda row: (len(row.sequence), row.sequence, row.page, row.id),
        )
        position = (
            cash_position(account, command.day) if account.role == AccountRole.SETTLEMENT.value else None
        )
        reasons = _reasons(account, command, statements, position)
        if reasons:
            raise DayNotProven(day=command.day.isoformat(), reasons=reasons)
        evidence = _evidence(account, command.day, statements, position, context)
        row = _seal(account, command.day, evidence, context)
    context.emit(
        DayClosed(
            bank_account_id=public_id("ban", account.id),
            day=command.day.isoformat(),
            version=row.version,
            sha256=row.sha256,
        )
    )
    context.note("bank_account", public_id("ban", account.id), day=command.day, sha256=row.sha256)
    return {"version": row.version, "sha256": row.sha256, "evidence": evidence}


def _reasons(
    account: BankAccount, command: CloseDay, statements: list[Statement], position: CashPosition | None
) -> list[str]:
    """Name everything that keeps the day open."""
    reasons = [] if statements else ["no_statement"]
    reasons += [f"unproven:{row.bank_id}" for row in statements if row.proof != Proof.PROVEN]
    reasons += [f"chain:{one.kind}" for one in chain_problems(account) if one.day == command.day]
    lines = StatementLine.objects.filter(
        bank_account_id=account.id, booking_date=command.day, state=LineState.OPEN.value
    )
    named = Break.objects.filter(state=BreakState.OPEN.value, line_id__in=lines.values("id"))
    if lines.exclude(id__in=named.values("line_id")).exists():
        reasons.append("not_reconciled")
    if named.exists() and not command.accept_breaks:
        reasons.append("breaks_open")
    if Match.objects.filter(
        bank_account_id=account.id, day=command.day, state=MatchState.MADE.value
    ).exists():
        reasons.append("effects_waiting")
    if position is not None and position.drift_minor:
        reasons.append("books_differ")
    return reasons


def _evidence(
    account: BankAccount,
    day: date,
    statements: list[Statement],
    position: CashPosition | None,
    context: Context,
) -> dict[str, Any]:
    def text(minor: int | None) -> str:
        return "" if minor is None else Money(minor, account.currency).decimal_text()

    matches = Match.objects.filter(bank_account_id=account.id, day=day).exclude(state=MatchState.UNDONE.value)
    by_method: dict[str, list[int]] = {}
    for method, minor in matches.order_by("id").values_list("method", "bank_minor"):
        by_method.setdefault(method, []).append(minor)
    breaks = Break.objects.filter(bank_account_id=account.id, day__lte=day, state=BreakState.OPEN.value)
    digest = hashlib.sha256()
    for key in matches.order_by("id").values_list("id", flat=True).iterator():
        digest.update(key.bytes)
    return {
        "account": account.number,
        "currency": account.currency,
        "day": day.isoformat(),
        "opening": text(statements[0].opening_minor),
        "closing": text(statements[-1].closing_minor),
        "books": text(position.books_minor) if position else "",
        "drift": text(position.drift_minor) if position else "",
        "statements": [
            {
                "id": public_id("stm", row.id),
                "bank_id": row.bank_id,
                "sequence": row.sequence,
                "entries": row.entry_count,
                "lines": row.line_count,
                "credit": text(row.credit_minor),
                "debit": text(row.debit_minor),
                "proof": row.proof,
                "file": row.file.sha256,
            }
            for row in statements
        ],
        "matches": {
            method: {"count": len(amounts), "sum": text(sum(amounts))}
            for method, amounts in by_method.items()
        },
        "matches_sha256": digest.hexdigest(),
        "breaks": [
            {
                "id": public_id("brk", row.id),
                "reason": row.reason,
                "owner": row.owner,
                "difference": text(row.difference_minor),
                "since": row.day.isoformat(),
            }
            for row in breaks.order_by("day", "id")
        ],
        "closed_by": str(context.actor),
        "closed_at": context.at.isoformat(),
    }


def _seal(account: BankAccount, day: date, evidence: dict[str, Any], context: Context) -> DayClose:
    body = canonical_json(evidence)
    version = 1 + DayClose.objects.filter(bank_account_id=account.id, day=day).count()
    return DayClose.objects.create(
        id=content_id(day, "close", str(account.id), str(version)),
        organisation_id=account.organisation_id,
        bank_account_id=account.id,
        day=day,
        version=version,
        evidence=body.decode(),
        sha256=hashlib.sha256(body).hexdigest(),
        closed_by=str(context.actor),
        closed_at=context.at,
    )
