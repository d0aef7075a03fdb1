"""How much speaks for a line of the bank being something we expected."""

from __future__ import annotations

from collections.abc import Iterable

POINTS: dict[str, int] = {
    "same_amount": 50,
    "same_reference": 40,
    "same_payer": 30,
    "close_amount": 25,
    "similar_name": 20,
    "in_its_time": 10,
}
"""What each reason counts for. The amount alone proposes; nothing here is enough to match by itself."""

CLOSE_PERCENT = 2
CLOSE_MINOR = 100

SCORE_MAX = 100


def score_of(reasons: Iterable[str]) -> int:
    """Sum the points of the reasons, to 100 at most."""
    return min(sum(POINTS[reason] for reason in reasons), SCORE_MAX)


def reach_of(amount_minor: int) -> int:
    """Say how far an amount may be from another, in minor units, to be close to it."""
    return max(abs(amount_minor) * CLOSE_PERCENT // 100, CLOSE_MINOR)


def is_close(theirs_minor: int, ours_minor: int) -> bool:
    """Tell whether two amounts of one sign differ, and by little: a fee kept back, a rounding, a slip."""
    if theirs_minor == ours_minor or (theirs_minor > 0) != (ours_minor > 0):
        return False
    return abs(theirs_minor - ours_minor) <= reach_of(theirs_minor)
