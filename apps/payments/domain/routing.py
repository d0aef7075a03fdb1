"""Choosing the rail of a payout: by currency, amount, the speed wanted, cost and health.

The speed is a wish: rails that fulfil it come first, cheaper ones before dearer ones, and another rail is
better than none. A rail that the order names is a demand: it is that one or a refusal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from apps.core.errors import Refusal
from apps.core.money import Money

PAYOUT_RAILS = ("sepa_ct", "sepa_inst", "ach", "fednow")
"""The rails that carry money out to an account at another bank."""


class Speed(StrEnum):
    """How soon the money should be there."""

    INSTANT = "instant"
    STANDARD = "standard"


class NoRail(Refusal):
    code = "no_rail"
    title = "No rail can carry this payment now."


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rail as the choice sees it. `connected`: we have a bank account and a way to reach it."""

    rail: str
    currencies: frozenset[str]
    amount_max_minor: int
    instant: bool
    cost_minor: int
    connected: bool = True
    healthy: bool = True


def choose(
    candidates: Iterable[Candidate],
    *,
    amount: Money,
    speed: Speed,
    rail: str = "",
    tried: Collection[str] = (),
) -> str:
    """Return the rail to use. Raises NoRail, which says for each rail why not.

    `rail` is what the order demands; `tried` are rails that have failed to carry this payment.
    """
    known = [item for item in candidates if not rail or item.rail == rail]
    refused = {item.rail: _why_not(item, amount, tried) for item in known}
    if rail and not known:
        refused[rail] = "unknown"
    possible = [item for item in known if not refused[item.rail]]
    if not possible:
        raise NoRail(currency=amount.currency, speed=speed.value, rails=refused)
    wanted = speed is Speed.INSTANT
    return min(possible, key=lambda item: (item.instant != wanted, item.cost_minor, item.rail)).rail


def _why_not(item: Candidate, amount: Money, tried: Collection[str]) -> str:
    """Return why a rail cannot carry the amount, or nothing."""
    if amount.currency not in item.currencies:
        return "currency"
    if amount.minor > item.amount_max_minor:
        return "amount"
    if item.rail in tried:
        return "tried"
    if not item.connected:
        return "not_connected"
    return "" if item.healthy else "unavailable"
