"""What was approved before its account was blocked or closed does not leave, and goes once it is open again."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

from apps.accounts import public as accounts
from apps.core.commands import Command, Context, handles
from apps.payments.commands.checks import PAYS
from apps.payments.domain.lifecycle import Event, Kind, State
from apps.payments.lifecycle_store import Origin, advance_many
from apps.payments.models import Payment

OUTGOING = frozenset({Kind.PAYOUT, Kind.REFUND})
"""The kinds of payment that take money out of an account; a block lets everything else through."""
LET_GO_MAX = 5_000
"""How many payments one command lets go."""


def withhold_stopped(payments: list[Payment], context: Context) -> list[Payment]:
    """Withhold those of the payments whose account is not open; return the others, in their order.

    The payments are approved and locked. Locks their accounts, shared, until the transaction ends: a
    block that is being committed is waited for, a later one waits for these payments to be on their way.
    """
    leaving = {payment.account_id for payment in payments if payment.kind in OUTGOING}
    known = accounts.lock_payment_accounts(leaving)
    status = {key: known[key].status if key in known else "unknown" for key in leaving}
    stopped = [
        payment for payment in payments if payment.kind in OUTGOING and status[payment.account_id] not in PAYS
    ]

    def alike(payment: Payment) -> tuple[str, str]:
        return payment.kind, status[payment.account_id]

    for (_kind, word), group in groupby(sorted(stopped, key=alike), key=alike):
        origin = Origin("policy", reason=f"account_{word}")
        advance_many(list(group), Event.WITHHOLD, context, origin)
    return [payment for payment in payments if payment.state != State.WITHHELD]


@dataclass(frozen=True)
class LetGoWithheld(Command):
    """Let what was withheld of an account that is open again go its way, at most 5,000 payments at a time."""

    account_id: UUID


@handles(LetGoWithheld, name="payments.let_go_withheld", version=1, permission="payments.batch")
def let_go_withheld(command: LetGoWithheld, context: Context) -> dict[str, Any]:
    """Move them back to approved; "more" tells whether some are left. Nothing, if the account is not open.

    Lock order: payments by id → the account, shared, so that a new block comes before or after all of them.
    """
    assert command.organisation_id is not None
    rows = Payment.objects.select_for_update(no_key=True).filter(
        organisation_id=command.organisation_id, account_id=command.account_id, state=State.WITHHELD
    )
    withheld = list(rows.order_by("id")[:LET_GO_MAX])
    account = accounts.lock_payment_accounts({command.account_id}).get(command.account_id)
    if account is None or account.status not in PAYS:
        return {"let_go": 0, "more": False}
    for kind in sorted({payment.kind for payment in withheld}):
        alike = [payment for payment in withheld if payment.kind == kind]
        advance_many(alike, Event.LET_GO, context, Origin("policy", reason="account_open"))
    return {"let_go": len(withheld), "more": len(withheld) == LET_GO_MAX}
