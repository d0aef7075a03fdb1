"""A statement that a bank cut into pages, perhaps in several files: its pages prove the day together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Page:
    """What one page says, in minor units; None where it says nothing, or (booked) mixes currencies."""

    number: int
    is_last: bool
    opening_minor: int | None
    closing_minor: int | None
    booked_minor: int | None
    entry_count: int
    credit_minor: int
    debit_minor: int
    told_sums: Mapping[str, int]  # entries, credit_minor, debit_minor, as far as the bank tells them


def doubts_of_pages(pages: Sequence[Page]) -> tuple[str, ...]:
    """Name what keeps pages from proving their day together; nothing if they prove it.

    `more_pages` while one is missing or there twice. Otherwise as for a statement of one piece: each
    page opens where the one before closed, and the first opening and all entries make the last closing.
    """
    ordered = sorted(pages, key=lambda page: page.number)
    if not _complete(ordered):
        return ("more_pages",)
    booked = [page.booked_minor for page in ordered if page.booked_minor is not None]
    if len(booked) < len(ordered):
        return ("mixed_currencies",)
    opening, closing = ordered[0].opening_minor, ordered[-1].closing_minor
    if opening is None or closing is None:
        return ("balances_missing",)
    doubts = []
    if opening + sum(booked) != closing or not _follow_on(ordered):
        doubts.append("balances_do_not_foot")
    if not _sums_agree(ordered):
        doubts.append("summary_disagrees")
    return tuple(doubts)


def _complete(ordered: Sequence[Page]) -> bool:
    numbered = [page.number for page in ordered] == list(range(1, len(ordered) + 1))
    return numbered and ordered[-1].is_last and not any(page.is_last for page in ordered[:-1])


def _follow_on(ordered: Sequence[Page]) -> bool:
    return all(
        before.closing_minor is None
        or after.opening_minor is None
        or before.closing_minor == after.opening_minor
        for before, after in pairwise(ordered)
    )


def _sums_agree(ordered: Sequence[Page]) -> bool:
    """Compare with the bank's own sums: some banks tell each page's, others the whole statement's on each."""
    told = [page.told_sums for page in ordered]
    of_the_whole = Page(
        1,
        True,
        None,
        None,
        None,
        sum(page.entry_count for page in ordered),
        sum(page.credit_minor for page in ordered),
        sum(page.debit_minor for page in ordered),
        told[0],
    )
    repeated = len(ordered) > 1 and all(one == told[0] for one in told)
    return all(_agrees(page) for page in ordered) or (repeated and _agrees(of_the_whole))


def _agrees(page: Page) -> bool:
    found = {
        "entries": page.entry_count,
        "credit_minor": page.credit_minor,
        "debit_minor": page.debit_minor,
    }
    return all(found[name] == value for name, value in page.told_sums.items())
