"""How much of a payment can still go back, and by which way."""

from __future__ import annotations

from collections.abc import Iterable

from apps.core.errors import Refusal
from apps.core.money import Money
from apps.payments.domain.lifecycle import State
from apps.payments.domain.routing import Speed

DEAD = frozenset({State.DECLINED, State.CANCELLED, State.REJECTED, State.RETURNED})
"""A refund in one of these states has not reached the payer, and never will."""


CAME_AT_ONCE = frozenset({"sepa_inst", "fednow"})
"""The rails of pay-ins that arrive within seconds."""
CAME_BY = {"EUR": ("sepa_ct", "sepa_inst"), "USD": ("ach", "fednow")}
"""By which rails a pay-in comes to our bank, by currency; the first, if nobody says."""


class ExceedsRefundable(Refusal):
    code = "exceeds_refundable"
    title = "This is more than can still be refunded."


def speed_back(came_by: str) -> Speed:
    """Return how soon a refund should arrive: at once, if what it gives back came at once."""
    return Speed.INSTANT if came_by in CAME_AT_ONCE else Speed.STANDARD


def leads_back(currency: str, *, to_routing_number: bool) -> bool:
    """Tell whether money of this currency can go back to such an account: euro to an IBAN, dollars in the US."""
    return {"EUR": not to_routing_number, "USD": to_routing_number}.get(currency, False)


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
