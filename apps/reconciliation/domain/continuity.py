"""Statements as a chain: each opens with what the one before closed with, and none is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Link:
    """One final statement in the chain of its account."""

    key: str
    bank_id: str
    day: date
    sequence: str
    opening_minor: int | None
    closing_minor: int | None


@dataclass(frozen=True, slots=True)
class Problem:
    """A place where the chain does not hold: `gap`, `overlap` or `opening_differs`."""

    kind: str
    day: date
    key: str
    expected: str
    found: str


def check_chain(links: Sequence[Link]) -> list[Problem]:
    """Find where a chain breaks, whatever order its links were imported in.

    A number that jumps within a year is a gap, one that repeats an overlap; banks begin again each
    year. Where the numbers say nothing, the balances do.
    """
    ordered = sorted(links, key=lambda link: (link.day, _number(link.sequence) or 0, link.bank_id, link.key))
    problems = []
    for before, after in pairwise(ordered):
        problems += _between(before, after)
    return problems


def _between(before: Link, after: Link) -> list[Problem]:
    problems = []
    former, latter = _number(before.sequence), _number(after.sequence)
    same_year = before.day.year == after.day.year
    if former is not None and latter is not None and same_year and latter != former + 1:
        kind = "overlap" if latter <= former else "gap"
        problems.append(Problem(kind, after.day, after.key, str(former + 1), after.sequence))
    opening, closing = after.opening_minor, before.closing_minor
    if opening is not None and closing is not None and opening != closing:
        problems.append(Problem("opening_differs", after.day, after.key, str(closing), str(opening)))
    return problems


def _number(sequence: str) -> int | None:
    head = sequence.split("/", maxsplit=1)[0]
    return int(head) if head.isascii() and head.isdigit() else None
