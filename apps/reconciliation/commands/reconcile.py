"""One run over one bank account: match, name what is left, write both down."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core.commands import Command, Context, handles
from apps.core.ids import public_id
from apps.reconciliation.domain.words import AccountRole, Method, Reason
from apps.reconciliation.errors import NoSuchObject
from apps.reconciliation.events import RunFinished
from apps.reconciliation.matching.bookings import book_line, is_charge, payin_target
from apps.reconciliation.matching.findings import Finding, count_expected, find
from apps.reconciliation.matching.passes import PASSES, run_passes
from apps.reconciliation.matching.proposals import propose
from apps.reconciliation.matching.record import record_breaks
from apps.reconciliation.models import BankAccount, Break, ReconRun, StatementLine
from apps.reconciliation.progress import tell

_STEPS_AFTER = 2  # reasons, and what is written of them


@dataclass(frozen=True)
class Reconcile(Command):
    """Match everything open on a bank account, as of a day, and name the breaks.

    Runs for the whole platform, since what is expected belongs to every organisation. What the matches
    do to payments and books follows, match by match, by ApplyMatch.
    """

    bank_account_id: UUID
    as_of: date

    def target(self) -> str:
        """Name the account: no two runs over it can wait for approval."""
        return str(self.bank_account_id)


@handles(Reconcile, name="reconciliation.reconcile", version=1, permission="reconciliation.write")
def reconcile_account(command: Reconcile, context: Context) -> dict[str, Any]:
    """Run the passes. Answers matches by method, open breaks by reason, and what is expected still."""
    started = time.monotonic()
    account = lock_account(command.bank_account_id)
    _allow_a_long_run()
    parameters = {
        "account": account.id,
        "organisation": account.organisation_id,
        "as_of": command.as_of,
        "actor": str(context.actor),
        "at": context.at,
    }
    matched: Counter[str] = Counter()
    steps = len(PASSES) + _STEPS_AFTER
    for done, (method, count) in enumerate(run_passes(parameters), start=1):
        matched[method.value] += count
        tell(done, steps)
    findings = find(parameters)
    if account.role == AccountRole.SETTLEMENT.value:
        findings = _book_what_explains_itself(findings, matched, context)
    tell(len(PASSES) + 1, steps)
    record_breaks(account, findings, context)
    propose(account, context)
    tell(steps, steps)
    return _finish(account, command, matched, count_expected(parameters), time.monotonic() - started, context)


def lock_account(bank_account_id: UUID) -> BankAccount:
    """Lock a bank account against other runs and resolutions. Raises NoSuchObject."""
    account = BankAccount.objects.select_for_update().filter(id=bank_account_id).first()
    if account is None:
        raise NoSuchObject(object="bank_account")
    return account


def _allow_a_long_run() -> None:
    """A run over a million lines takes longer than a web request, and its sorts need room.

    Its joins are between sets of like size, of which the planner knows little within a transaction: a
    loop over one of them for each row of the other is never what is wanted.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('statement_timeout', '600000', true), set_config('work_mem', '128MB', true), "
            "set_config('jit', 'off', true), set_config('enable_nestloop', 'off', true), "
            "set_config('plan_cache_mode', 'force_custom_plan', true)"
        )


def _book_what_explains_itself(
    findings: list[Finding], matched: Counter[str], context: Context
) -> list[Finding]:
    """Book charges and pay-ins among what nothing of ours explains; return the other findings."""
    unexplained = [one.line_id for one in findings if one.line_id and one.reason == Reason.UNEXPLAINED.value]
    booked: set[UUID] = set()
    for line in StatementLine.objects.filter(id__in=unexplained).order_by("id").iterator(chunk_size=500):
        method = _explains_itself(line)
        if method is not None:
            book_line(line, method, actor=context.actor, at=context.at)
            matched[method.value] += 1
            booked.add(line.id)
    return [one for one in findings if one.line_id not in booked]


def _explains_itself(line: StatementLine) -> Method | None:
    if is_charge(line):
        return Method.CHARGE
    return Method.PAYIN if payin_target(line) is not None else None


def _finish(
    account: BankAccount,
    command: Reconcile,
    matched: Counter[str],
    expected: int,
    seconds: float,
    context: Context,
) -> dict[str, Any]:
    reasons = Counter(
        Break.objects.filter(bank_account_id=account.id, state="open").values_list("reason", flat=True)
    )
    run = ReconRun.objects.create(
        id=context.new_id(),
        organisation_id=account.organisation_id,
        bank_account_id=account.id,
        as_of=command.as_of,
        matched=dict(matched),
        breaks=dict(reasons),
        expected_count=expected,
        seconds=round(seconds, 3),
        made_by=str(context.actor),
        at=context.at,
    )
    context.emit(
        RunFinished(
            run_id=public_id("run", run.id),
            bank_account_id=public_id("ban", account.id),
            as_of=command.as_of.isoformat(),
            match_count=sum(matched.values()),
            break_count=sum(reasons.values()),
        )
    )
    context.note(
        "bank_account",
        public_id("ban", account.id),
        as_of=command.as_of,
        matches=sum(matched.values()),
        breaks=sum(reasons.values()),
    )
    return {
        "id": public_id("run", run.id),
        "account": account.number,
        "currency": account.currency,
        "bank_account_id": public_id("ban", account.id),
        "as_of": command.as_of.isoformat(),
        "matched": {name: count for name, count in sorted(matched.items()) if count},
        "match_count": sum(matched.values()),
        "expected_count": expected,
        "breaks": dict(sorted(reasons.items())),
        "break_count": sum(reasons.values()),
    }
