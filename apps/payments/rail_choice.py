"""Choosing a payout's rail with what the database and the settings know (see `domain.routing`)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from apps.core import tenancy
from apps.core.money import Money
from apps.payments import circuits, transport
from apps.payments.domain.routing import PAYOUT_RAILS, Candidate, Speed, choose
from apps.payments.models import SettlementAccount
from apps.payments.rails import ADAPTERS


def choose_rail(
    amount: Money, *, speed: Speed, rail: str = "", tried: Collection[str] = (), at: datetime
) -> str:
    """Return the rail that a payout of this amount takes now. Raises NoRail.

    Needs an open transaction.
    """
    return choose(candidates(at=at), amount=amount, speed=speed, rail=rail, tried=tried)


def candidates(*, at: datetime) -> list[Candidate]:
    """Return every rail of payouts with its health at this moment. Needs an open transaction."""
    known = [ADAPTERS[name].capabilities() for name in PAYOUT_RAILS if name in ADAPTERS]
    healthy = circuits.passable([item.rail for item in known], at=at)
    ours = _our_currencies()
    return [
        Candidate(
            rail=item.rail,
            currencies=item.currencies,
            amount_max_minor=item.amount_max_minor,
            instant=item.instant,
            cost_minor=item.cost_minor,
            connected=bool(item.currencies & ours) and (item.files or transport.is_connected(item.rail)),
            healthy=healthy[item.rail],
        )
        for item in known
    ]


def _our_currencies() -> frozenset[str]:
    """Return the currencies in which we have a bank account that pays out."""
    with tenancy.scope(tenancy.PLATFORM):
        return frozenset(SettlementAccount.objects.filter(pays_out=True).values_list("currency", flat=True))
