"""Orders that nobody has approved in time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.core.commands import Command, Context, handles
from apps.payments import books
from apps.payments.domain.lifecycle import Event, State
from apps.payments.lifecycle_store import Origin, advance_many
from apps.payments.models import Payment

KINDS = ("payout", "refund")
"""The kinds of payment whose money is held while they wait for a second person."""

PAYMENTS_MAX = 1_000
REASON = "not_approved_in_time"


@dataclass(frozen=True)
class ExpireWaiting(Command):
    """Cancel payments ordered before a moment that still wait for a second person.

    Runs for the whole platform, at most 1,000 payments at a time.
    """

    ordered_before: datetime


@handles(ExpireWaiting, name="payments.expire_waiting", version=1, permission="payments.batch")
def expire_waiting_payments(command: ExpireWaiting, context: Context) -> dict[str, Any]:
    """Cancel them by policy and give their money free; a payment being approved now is left to that."""
    waiting = list(
        Payment.objects.select_for_update(skip_locked=True, no_key=True)
        .filter(state=State.ORDERED, kind__in=KINDS, hold_id__isnull=False)
        .filter(created_at__lt=command.ordered_before)
        .order_by("id")[:PAYMENTS_MAX]
    )
    cancelled = 0
    for kind in KINDS:
        payments = [payment for payment in waiting if payment.kind == kind]
        seqs = books.release_many(payments, context=context)
        origin = Origin("policy", reason=REASON)
        advance_many(payments, Event.CANCEL, context, origin, journal_seqs=seqs, failure_code=REASON)
        cancelled += len(payments)
    return {"cancelled": cancelled}
