"""Which card processor takes a payment, and the ledger accounts that mirror it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import UUID

from apps.core import tenancy
from apps.core.errors import Refusal
from apps.payments.models_cards import CardProcessor

_CACHE_S = 10.0
_cache: dict[str | UUID, tuple[float, ProcessorRoute]] = {}


class NoProcessor(Refusal):
    code = "no_card_processor"
    title = "There is no card processor for this currency."


@dataclass(frozen=True, slots=True)
class ProcessorRoute:
    """A processor as calls and postings need it: its address, and ledger account ids."""

    id: UUID
    organisation_id: UUID
    name: str
    currency: str
    base_url: str
    settlement_account_id: UUID
    reserve_days: int
    receivable_id: int
    costs_id: int
    refunds_id: int
    disputes_id: int


def processor_for(currency: str) -> ProcessorRoute:
    """Return the processor that takes cards in this currency. Raises NoProcessor.

    The row is the operator's and invisible in a merchant's scope; it is read in the platform's and
    remembered for ten seconds. Needs an open transaction.
    """
    return _known(currency, active=True, currency=currency)


def processor_by_id(processor_id: UUID) -> ProcessorRoute:
    """Return a processor by its key, whether or not it still takes new payments. Raises NoProcessor."""
    return _known(processor_id, pk=processor_id)


def processor_named(name: str, currency: str) -> ProcessorRoute:
    """Return a processor by name and currency. Raises NoProcessor."""
    return _known(f"{name}:{currency}", name=name, currency=currency)


def forget_processors() -> None:
    """Drop what is remembered, after a change."""
    _cache.clear()


def _known(key: str | UUID, **wanted: object) -> ProcessorRoute:
    cached = _cache.get(key)
    if cached is not None and time.monotonic() - cached[0] < _CACHE_S:
        return cached[1]
    with tenancy.scope(tenancy.PLATFORM):
        row = CardProcessor.objects.filter(**wanted).first()
    if row is None:
        raise NoProcessor(processor=str(key))
    route = ProcessorRoute(**{name: getattr(row, name) for name in ProcessorRoute.__slots__})
    _cache[key] = (time.monotonic(), route)
    return route
