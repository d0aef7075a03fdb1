"""Which of our own bank accounts money leaves from and comes in at."""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import UUID

from apps.core import tenancy
from apps.core.errors import Refusal
from apps.payments.models import SettlementAccount

_CACHE_S = 10.0
_cache: dict[str, tuple[float, SettlementRoute]] = {}


class NoRoute(Refusal):
    code = "no_route"
    title = "There is no bank account of ours through which money in this currency can travel."


@dataclass(frozen=True, slots=True)
class SettlementRoute:
    """One of our bank accounts, as postings need it: ledger account ids, and the bank's own names."""

    id: UUID
    organisation_id: UUID
    iban: str
    bic: str
    routing_number: str
    holder: str
    currency: str
    cash_id: int
    clearing_out_id: int
    clearing_in_id: int
    receivable_id: int
    suspense_id: int
    charges_id: int


def route_for(currency: str) -> SettlementRoute:
    """Return the account that pays out and collects in this currency. Raises NoRoute.

    The account is the operator's and invisible in a merchant's scope; it is read in the platform's
    and remembered for ten seconds. Needs an open transaction.
    """
    cached = _cache.get(currency)
    if cached is not None and time.monotonic() - cached[0] < _CACHE_S:
        return cached[1]
    with tenancy.scope(tenancy.PLATFORM):
        row = SettlementAccount.objects.filter(currency=currency, pays_out=True).first()
    if row is None:
        raise NoRoute(currency=currency)
    route = route_of(row)
    _cache[currency] = (time.monotonic(), route)
    return route


def route_by_id(settlement_account_id: UUID) -> SettlementRoute:
    """Return one of our bank accounts by its key. Raises NoRoute."""
    with tenancy.scope(tenancy.PLATFORM):
        row = SettlementAccount.objects.filter(pk=settlement_account_id).first()
    if row is None:
        raise NoRoute(id=str(settlement_account_id))
    return route_of(row)


def route_of(row: SettlementAccount) -> SettlementRoute:
    """Copy a row into a value that outlives its transaction."""
    return SettlementRoute(**{name: getattr(row, name) for name in SettlementRoute.__slots__})


def forget_routes() -> None:
    """Drop what is remembered, after a change."""
    _cache.clear()
