"""Exchanging currencies as pure arithmetic: rates are exact fractions, amounts whole minor units.

A rate is how many units of the bought currency one unit of the sold one gives, in major units. What is
rounded is rounded half to even, once, on the side that was not fixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal
from fractions import Fraction

from apps.core.errors import Invalid, Refusal
from apps.core.money import Money, exponent
from apps.payments.domain.fees import BASIS, half_even

SPREAD_BP_MAX = 2_000
FEE_MINOR_MAX = 1_000_000
RATE_DIGITS = 12
"""Significant digits of a rate that is shown; the quote keeps the exact fraction."""


class AmountTooSmall(Refusal):
    code = "amount_too_small"
    title = "The amount comes to nothing in the other currency."


@dataclass(frozen=True, slots=True)
class Terms:
    """What an exchange costs beside the rate: a spread in basis points and a fee in the sold currency."""

    spread_bp: int = 0
    fee_minor: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.spread_bp <= SPREAD_BP_MAX:
            raise Invalid(field="spread_bp", minimum=0, maximum=SPREAD_BP_MAX)
        if not 0 <= self.fee_minor <= FEE_MINOR_MAX:
            raise Invalid(field="fee_minor", minimum=0, maximum=FEE_MINOR_MAX)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is sold and bought. `spread` is the part of what is sold that the mid rate would not have cost."""

    sold: Money
    bought: Money
    spread: Money
    fee: Money
    mid: Fraction

    @property
    def total(self) -> Money:
        """Return what leaves the account: what is sold and the fee."""
        return self.sold + self.fee


@dataclass(frozen=True, slots=True)
class Listed:
    """A rate as a source lists it: one unit of `base` is `rate` units of `currency`."""

    source: str
    base: str
    currency: str
    rate: Decimal
    valid_from: datetime


def selling(amount: Money, currency: str, *, mid: Fraction, terms: Terms) -> Exchange:
    """Sell exactly this amount. Raises AmountTooSmall, Invalid for one currency."""
    scaled = _scaled(amount.currency, currency, mid)
    exact = amount.minor * scaled * _kept(terms)
    bought = Money(half_even(exact.numerator, exact.denominator), currency)
    return _exchange(amount, bought, mid, scaled, terms)


def buying(amount: Money, currency: str, *, mid: Fraction, terms: Terms) -> Exchange:
    """Buy exactly this amount with another currency. Raises AmountTooSmall, Invalid for one currency."""
    scaled = _scaled(currency, amount.currency, mid)
    exact = amount.minor / (scaled * _kept(terms))
    sold = Money(half_even(exact.numerator, exact.denominator), currency)
    return _exchange(sold, amount, mid, scaled, terms)


def rate_between(sold: str, bought: str, listed: list[Listed]) -> tuple[Fraction, tuple[Listed, ...]] | None:
    """Return the rate from sold to bought and the listed rates it comes from, or None.

    A pair that is listed, either way round, counts before a detour over a base that one source lists both
    currencies against. Among several the one whose oldest part is the newest is taken.
    """
    direct: list[tuple[Fraction, tuple[Listed, ...]]] = [
        (Fraction(one.rate) if one.base == sold else 1 / Fraction(one.rate), (one,))
        for one in listed
        if {one.base, one.currency} == {sold, bought}
    ]
    crossed: list[tuple[Fraction, tuple[Listed, ...]]] = [
        (Fraction(to.rate) / Fraction(of.rate), (of, to))
        for of in listed
        for to in listed
        if (of.source, of.base) == (to.source, to.base) and of.currency == sold and to.currency == bought
    ]
    found = direct or crossed
    return max(found, key=lambda item: (rate_age(item[1]), item[1][0].source), default=None)


def rate_age(parts: tuple[Listed, ...]) -> datetime:
    """Return since when the oldest of the listed rates has been valid."""
    return min(one.valid_from for one in parts)


def shown_rate(sold: Money, bought: Money) -> Decimal:
    """Return units bought for one unit sold, to twelve digits."""
    scale = Decimal(10) ** (exponent(sold.currency) - exponent(bought.currency))
    return (Context(prec=RATE_DIGITS).divide(Decimal(bought.minor), Decimal(sold.minor)) * scale).normalize()


def rate_text(rate: Decimal | Fraction) -> str:
    """Write a rate as a plain decimal of at most twelve digits."""
    if isinstance(rate, Fraction):
        rate = Context(prec=RATE_DIGITS).divide(Decimal(rate.numerator), Decimal(rate.denominator))
    return format(rate.normalize(), "f")


def _scaled(sold: str, bought: str, mid: Fraction) -> Fraction:
    """Return the rate in minor units."""
    if sold == bought:
        raise Invalid(field="currency", reason="two currencies")
    if mid <= 0:
        raise Invalid(field="rate", reason="not above zero")
    return mid * Fraction(10) ** (exponent(bought) - exponent(sold))


def _kept(terms: Terms) -> Fraction:
    return Fraction(BASIS - terms.spread_bp, BASIS)


def _exchange(sold: Money, bought: Money, mid: Fraction, scaled: Fraction, terms: Terms) -> Exchange:
    if sold.minor <= 0 or bought.minor <= 0:
        raise AmountTooSmall(sold_minor=sold.minor, bought_minor=bought.minor)
    worth = bought.minor / scaled
    # Rounding may favour the customer by less than a unit: then there is no spread, and never less than none.
    spread = max(0, sold.minor - half_even(worth.numerator, worth.denominator))
    return Exchange(sold, bought, Money(spread, sold.currency), Money(terms.fee_minor, sold.currency), mid)
