"""How much of a payment can still go back."""

from __future__ import annotations

from collections.abc import Iterable

from apps.core.errors import Refusal
from apps.core.money import Money
from apps.payments.domain.lifecycle import State

DEAD = frozenset({State.DECLINED, State.CANCELLED, State.REJECTED, State.RETURNED})
"""A refund in one of these states has not reached the payer, and never will."""


class ExceedsRefundable(Refusal):
    code = "exceeds_refundable"
    title = "This is more than can still be refunded."


def refundable(paid: Money, refunds: Iterable[tuple[State, Money]]) -> Money:
    """Return what was paid less what was, or is being, refunded."""
    for state, amount in refunds:
        if state not in DEAD:
            paid -= amount
    return paid


def check_refund(amount: Money, *, paid: Money, refunds: Iterable[tuple[State, Money]]) -> None:
    """Raise ExceedsRefundable when the amount is more than can still go back, CurrencyMismatch too."""
    left = refundable(paid, refunds)
    if amount > left:
        raise ExceedsRefundable(refundable=left.minor, asked=amount.minor, currency=amount.currency)
