"""Statements as a chain: each opens with what the one before closed with, and none is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby, pairwise


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
    problems = []
    for before, after in pairwise(_in_order(links)):
        problems += _between(before, after)
    return problems


def _in_order(links: Sequence[Link]) -> list[Link]:
    """Put the links of each day in the order of their numbers or, where one has none, of their balances."""
    ordered: list[Link] = []
    by_name = sorted(links, key=lambda link: (link.day, link.bank_id, link.key))
    for _day, group in groupby(by_name, key=lambda link: link.day):
        of_day = list(group)
        numbers = [_number(link.sequence) for link in of_day]
        if None in numbers:
            ordered += _chained(of_day, after=ordered[-1].closing_minor if ordered else None)
        else:
            ordered += sorted(of_day, key=lambda link: (_number(link.sequence) or 0, link.bank_id, link.key))
    return ordered


def _chained(links: list[Link], *, after: int | None) -> list[Link]:
    chain: list[Link] = []
    while links:
        closings = {link.closing_minor for link in links}
        follows = [link for link in links if after is not None and link.opening_minor == after]
        begins = [link for link in links if link.opening_minor not in closings]
        chosen = (follows or begins or links)[0]
        links.remove(chosen)
        chain.append(chosen)
        after = chosen.closing_minor
    return chain


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
