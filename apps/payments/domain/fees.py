"""Fees as pure rules: flat, percentage, least and most, and how a fee is shared.

Whole minor units throughout. A percentage is in basis points (hundredths of a percent) and is rounded
half to even, once, at the end. A fee is never more than the amount it is taken from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol, TypeVar

from apps.core.errors import Invalid
from apps.core.money import Money

BASIS = 10_000
SHARES_MAX, PARTS_MAX = 10, 10_000
PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Share:
    """Who gets how many parts of a fee."""

    name: str
    parts: int


@dataclass(frozen=True, slots=True)
class Fee:
    """A rule of one version. Amounts are minor units; `max_minor` None is no upper limit.

    Raises Invalid for what no fee can be.
    """

    currency: str
    flat_minor: int = 0
    percent_bp: int = 0
    min_minor: int = 0
    max_minor: int | None = None
    shares: tuple[Share, ...] = field(default=(Share(PLATFORM, 1),))

    def __post_init__(self) -> None:
        if not 0 <= self.percent_bp <= BASIS:
            raise Invalid(field="percent_bp", minimum=0, maximum=BASIS)
        if self.flat_minor < 0 or self.min_minor < 0:
            raise Invalid(field="flat_minor" if self.flat_minor < 0 else "min_minor", minimum=0)
        if self.max_minor is not None and self.max_minor < self.min_minor:
            raise Invalid(field="max_minor", minimum=self.min_minor)
        names = [share.name for share in self.shares]
        if not 1 <= len(names) <= SHARES_MAX or len(set(names)) != len(names):
            raise Invalid(field="shares", reason="one to ten, each named once")
        if any(not 1 <= share.parts <= PARTS_MAX for share in self.shares):
            raise Invalid(field="shares", reason="parts", minimum=1, maximum=PARTS_MAX)

    def of(self, amount: Money) -> Money:
        """Return the fee of an amount. Raises Invalid for an amount below zero or another currency."""
        if amount.currency != self.currency or amount.minor < 0:
            raise Invalid(field="amount", expected=self.currency)
        wanted = self.flat_minor + half_even(amount.minor * self.percent_bp, BASIS)
        wanted = max(wanted, self.min_minor)
        if self.max_minor is not None:
            wanted = min(wanted, self.max_minor)
        return Money(min(wanted, amount.minor), self.currency)

    def split(self, fee: Money) -> tuple[tuple[str, Money], ...]:
        """Share a fee out; the sum is the fee to the last cent, and the first share gets the remainder."""
        parts = sum(share.parts for share in self.shares)
        cut = [fee.minor * share.parts // parts for share in self.shares]
        cut[0] += fee.minor - sum(cut)
        return tuple(
            (share.name, Money(minor, fee.currency)) for share, minor in zip(self.shares, cut, strict=True)
        )


class Dated(Protocol):
    """A stored version of a rule."""

    version: int
    effective_from: date


D = TypeVar("D", bound=Dated)


def in_force(versions: Iterable[D], day: date) -> D | None:
    """Return the version that holds on a day: of those effective by then, the one that starts last.

    Of two that start on the same day the later version holds.
    """
    begun = [one for one in versions if one.effective_from <= day]
    return max(begun, key=lambda one: (one.effective_from, one.version), default=None)


def half_even(numerator: int, denominator: int) -> int:
    """Divide whole numbers and round half to even, exactly."""
    quotient, rest = divmod(numerator, denominator)
    doubled = 2 * rest
    if doubled > denominator or (doubled == denominator and quotient % 2):
        quotient += 1
    return quotient


def shares_of(pairs: Sequence[Sequence[object]]) -> tuple[Share, ...]:
    """Read shares as they are stored: [name, parts] pairs. Raises Invalid."""
    try:
        return tuple(Share(str(name), int(str(parts))) for name, parts in pairs)
    except ValueError:
        raise Invalid(field="shares") from None
