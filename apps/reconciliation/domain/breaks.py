"""Which breaks stay, which are new, which went away: a comparison of two sets, without a database."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

S = TypeVar("S")
F = TypeVar("F")
About = tuple[UUID | None, UUID | None, str]
"""The line and the expectation that a break or a finding is about, and its reason."""


@dataclass(frozen=True, slots=True)
class Changes(Generic[S, F]):
    """What a run does to the open breaks of an account."""

    new: list[F]
    changed: list[tuple[S, F]]
    gone: list[S]
    kept: list[S]


def compare(
    stored: Iterable[S],
    found: Iterable[F],
    *,
    of_stored: Callable[[S], About],
    of_found: Callable[[F], About],
) -> Changes[S, F]:
    """Compare open breaks with findings. The same line and expectation are the same break.

    A break whose subjects changed (an expectation joined a line, say) is another break.
    """
    by_subject = {of_stored(one)[:2]: one for one in stored}
    new, changed, kept = [], [], []
    for finding in found:
        line_id, expectation_id, reason = of_found(finding)
        known = by_subject.pop((line_id, expectation_id), None)
        if known is None:
            new.append(finding)
        elif of_stored(known)[2] != reason:
            changed.append((known, finding))
        else:
            kept.append(known)
    return Changes(new, changed, list(by_subject.values()), kept)


AGE_BUCKETS: tuple[tuple[str, int], ...] = (("0-1", 1), ("2-3", 3), ("4-7", 7), ("8-30", 30))
"""Days a break may be old, by name; what is older is `30+`."""


def age_bucket(days: int) -> str:
    """Name the age of a break."""
    return next((name for name, days_max in AGE_BUCKETS if days <= days_max), "30+")
