"""A whole run: look at payments, match, let the matches have their effect. Each step is a command."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from uuid import UUID

from apps.core import tenancy
from apps.core.actors import Actor
from apps.core.commands import execute
from apps.core.errors import Refusal
from apps.payments import public as payments
from apps.reconciliation.commands.effects import ApplyMatch, RecordRefusedEffect
from apps.reconciliation.commands.expectations import (
    AT_THE_BANK,
    KINDS,
    NEVER_COMES,
    PAYMENTS_MAX,
    ExpectPayments,
)
from apps.reconciliation.commands.reconcile import Reconcile
from apps.reconciliation.domain.words import AccountRole, MatchState, Method
from apps.reconciliation.models import BankAccount, Expectation, Match
from apps.reconciliation.preview import preview
from apps.reconciliation.progress import Progress, listening


def reconcile_accounts(
    *,
    as_of: date,
    actor: Actor,
    at: datetime,
    accounts: Iterable[BankAccount] | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Reconcile bank accounts (all settlement accounts if none are given) as of a day.

    Answers one dictionary an account: what Reconcile answers, with `applied` and `refused` effects.
    Safe to run again at any moment: what is done is not done twice.
    """
    chosen = settlement_bank_accounts() if accounts is None else list(accounts)
    if dry_run:
        before = _expecting(_to_look_at())
        return [_previewed(account, as_of, actor, at, before, progress) for account in chosen]
    catch_up_with_payments(actor=actor, at=at)
    return [_one(account, as_of, actor, at, progress) for account in chosen]


def settlement_bank_accounts() -> list[BankAccount]:
    """Return the accounts that the books mirror."""
    with tenancy.scope(tenancy.PLATFORM):
        return list(BankAccount.objects.filter(role=AccountRole.SETTLEMENT.value).order_by("number", "id"))


def _one(
    account: BankAccount, as_of: date, actor: Actor, at: datetime, progress: Progress | None
) -> dict[str, Any]:
    command = Reconcile(None, bank_account_id=account.id, as_of=as_of)
    with listening(progress):
        answer = execute(command, actor=actor, key=None, at=at).answer
    return {**answer, **apply_matches(account.id, actor=actor, at=at, progress=progress)}


def _previewed(
    account: BankAccount,
    as_of: date,
    actor: Actor,
    at: datetime,
    before: list[ExpectPayments],
    progress: Progress | None,
) -> dict[str, Any]:
    """Say what a run would find, with what payments tell by now; nothing is kept and nothing takes effect."""
    command = Reconcile(None, bank_account_id=account.id, as_of=as_of)
    with listening(progress):
        answer = preview(command, actor=actor, at=at, before=before)
    return {**answer, "applied": 0, "refused": []}


def apply_matches(
    bank_account_id: UUID, *, actor: Actor, at: datetime, progress: Progress | None = None
) -> dict[str, Any]:
    """Let every match that was made and not applied have its effect, settlements before returns.

    A refused effect is a break of its own and does not keep the others from happening.
    """
    with tenancy.scope(tenancy.PLATFORM):
        rows = list(
            Match.objects.filter(bank_account_id=bank_account_id, state=MatchState.MADE.value)
            .order_by("id")
            .values_list("id", "method")
        )
    ordered = sorted(rows, key=lambda row: row[1] == Method.RETURN.value)
    applied, refused = 0, []
    for number, (match_id, _method) in enumerate(ordered, start=1):
        try:
            execute(ApplyMatch(None, match_id), actor=actor, key=None, at=at)
            applied += 1
        except Refusal as refusal:
            refused.append({"match_id": str(match_id), "code": refusal.code})
            execute(RecordRefusedEffect(None, match_id, refusal.code), actor=actor, key=None, at=at)
        if progress is not None:
            progress(number, len(ordered))
    return {"applied": applied, "refused": refused}


def catch_up_with_payments(*, actor: Actor, at: datetime) -> int:
    """Expect every payment that is on its way at a bank, and no longer those that will not come.

    Events tell the same, sooner; a run does not depend on how far the relay is.
    """
    ids = _to_look_at()
    for command in _expecting(ids):
        execute(command, actor=actor, key=None, at=at)
    return len(ids)


def _to_look_at() -> list[UUID]:
    """Return the payments that are under way and not expected, or expected and never come."""
    with tenancy.scope(tenancy.PLATFORM):
        known = Expectation.objects.filter(payment_id__isnull=False)
        under_way = set(
            payments.payments(kinds=KINDS, states=sorted(AT_THE_BANK))
            .filter(settlement_account_id__isnull=False)
            .values_list("id", flat=True)
        )
        wanted = under_way - set(known.filter(payment_id__in=under_way).values_list("payment_id", flat=True))
        still_open = {
            key for key in known.filter(state="open").values_list("payment_id", flat=True) if key is not None
        }
        wanted |= set(
            payments.payments(states=sorted(NEVER_COMES))
            .filter(id__in=still_open)
            .values_list("id", flat=True)
        )
    return sorted(wanted)


def _expecting(ids: list[UUID]) -> list[ExpectPayments]:
    return [
        ExpectPayments(None, tuple(ids[start : start + PAYMENTS_MAX]), because="run")
        for start in range(0, len(ids), PAYMENTS_MAX)
    ]
