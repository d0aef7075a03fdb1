"""How much speaks for a line of the bank being something we expected."""

from __future__ import annotations

from collections.abc import Iterable

POINTS: dict[str, int] = {
    "same_amount": 50,
    "same_reference": 40,
    "same_payer": 30,
    "similar_name": 20,
    "in_its_time": 10,
}
"""What each reason counts for. The amount alone proposes; nothing here is enough to match by itself."""

SCORE_MAX = 100


def score_of(reasons: Iterable[str]) -> int:
    """Sum the points of the reasons, to 100 at most."""
    return min(sum(POINTS[reason] for reason in reasons), SCORE_MAX)
