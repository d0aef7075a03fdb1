"""What a payment would cost and when it would arrive, rail by rail, before anybody orders it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from apps.core.errors import Invalid
from apps.core.money import Money
from apps.payments.calendar import calendar
from apps.payments.rails import ADAPTERS
from apps.payments.rails.base import Instruction, Party

_NOBODY = Party("", "")


@dataclass(frozen=True, slots=True)
class Quote:
    """What a rail offers for an amount ordered at a moment; `reasons` say why it does not carry it."""

    rail: str
    possible: bool
    instant: bool
    cost: Money
    submit_by: datetime | None = None
    execution: date | None = None
    settlement: date | None = None
    final_on: date | None = None
    reasons: tuple[str, ...] = ()


def quote(rail: str, amount: Money, *, at: datetime) -> Quote:
    """Ask one rail. Raises Invalid for an unknown rail or an amount that is none, CalendarEnds."""
    known = ADAPTERS.get(rail)
    if known is None:
        raise Invalid(field="rail", known=sorted(ADAPTERS))
    if amount.minor <= 0:
        raise Invalid(field="amount", reason="not above zero")
    offer = known.capabilities()
    reasons = []
    if amount.currency not in offer.currencies:
        reasons.append("currency")
    elif amount.minor > offer.amount_max_minor:
        reasons.append("amount_above_limit")
    cost = Money(offer.cost_minor, amount.currency)
    if reasons:
        return Quote(rail, False, offer.instant, cost, reasons=tuple(reasons))
    dates = known.quote_dates(Instruction("", amount, _NOBODY, _NOBODY), at, calendar(offer.calendar))
    return Quote(
        rail,
        True,
        offer.instant,
        cost,
        submit_by=dates.submit_by,
        execution=dates.execution,
        settlement=dates.settlement,
        final_on=dates.final_on,
    )


def quotes(amount: Money, *, at: datetime) -> list[Quote]:
    """Ask every rail; those that carry it first, the earliest and then the cheapest first."""
    asked = [quote(rail, amount, at=at) for rail in sorted(ADAPTERS)]
    return sorted(asked, key=lambda one: (not one.possible, one.settlement or date.max, one.cost.minor))


def quote_data(one: Quote) -> dict[str, object]:
    """Return the JSON of a quote."""
    return {
        "rail": one.rail,
        "possible": one.possible,
        "reasons": list(one.reasons),
        "instant": one.instant,
        "cost": {"amount": one.cost.decimal_text(), "currency": one.cost.currency},
        "submit_by": one.submit_by.isoformat() if one.submit_by else None,
        "execution_date": one.execution.isoformat() if one.execution else None,
        "settlement_date": one.settlement.isoformat() if one.settlement else None,
        "final_on": one.final_on.isoformat() if one.final_on else None,
    }
