"""Which rate holds between two currencies at a moment, from the table of listed rates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from django.conf import settings
from django.db.models import Q

from apps.core.errors import Conflict, Refusal
from apps.payments.domain.fx import Listed, rate_age, rate_between
from apps.payments.models_fx import FxRate


class NoRate(Refusal):
    code = "no_rate"
    title = "There is no rate between these currencies."


class RateStale(Conflict):
    code = "rate_stale"
    title = "The latest rate between these currencies is too old to be quoted."


@dataclass(frozen=True, slots=True)
class MidRate:
    """An exact rate, whose it is, and since when its oldest part has been valid."""

    rate: Fraction
    source: str
    since: datetime


def mid_rate(sold: str, bought: str, *, at: datetime) -> MidRate:
    """Return units bought for one unit sold at a moment. Raises NoRate, RateStale."""
    found = rate_between(sold, bought, _listed({sold, bought}, at))
    if found is None:
        raise NoRate(sold=sold, bought=bought)
    rate, parts = found
    since = rate_age(parts)
    oldest = at - timedelta(seconds=settings.FX_RATE_AGE_MAX_S)
    if since < oldest:
        raise RateStale(sold=sold, bought=bought, valid_from=since.isoformat(), source=parts[0].source)
    return MidRate(rate, parts[0].source, since)


def _listed(currencies: set[str], at: datetime) -> list[Listed]:
    """Return the newest valid rate of each pair and source that names one of the currencies."""
    rows = (
        FxRate.objects.filter(Q(currency__in=currencies) | Q(base__in=currencies), valid_from__lte=at)
        .order_by("base", "currency", "source", "-valid_from")
        .distinct("base", "currency", "source")
    )
    return [row.listed for row in rows if row.valid_until is None or row.valid_until > at]
