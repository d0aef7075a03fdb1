"""Joins the pages of a statement that a bank cut into several (camt pagination, MT940 60M/62M)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from apps.payments.formats.statements import (
    CLOSING_CODES,
    OPENING_CODES,
    Balance,
    Statement,
    Summary,
    number_occurrences,
)


def join_pages(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """Put complete runs of pages together; the joined statement can prove its day.

    A run is complete if its pages are 1, 2, … up to the last, each opening where the one before
    closed. Pages of an incomplete run stay as they are, with the doubt more_pages. The order of the
    first pages is kept.
    """
    runs: dict[tuple[str, ...], list[Statement]] = {}
    for statement in statements:
        runs.setdefault(_key(statement), []).append(statement)
    return tuple(joined for run in runs.values() for joined in _join(run))


def _key(statement: Statement) -> tuple[str, ...]:
    if statement.page == 1 and statement.last_page:
        return ("single", statement.id, statement.account, str(statement.line), str(id(statement)))
    number = statement.sequence or statement.legal_sequence or statement.id
    return ("paged", statement.kind, statement.account, statement.currency, number)


def _join(run: list[Statement]) -> list[Statement]:
    pages = sorted(run, key=lambda statement: statement.page)
    whole = [page.page for page in pages] == list(range(1, len(pages) + 1)) and pages[-1].last_page
    if len(pages) < 2 or not whole or any(page.last_page for page in pages[:-1]) or not _follow_on(pages):
        return run
    first, last = pages[0], pages[-1]
    entries = [entry for page in pages for entry in page.entries]
    numbered = [replace(entry, position=at, occurrence=1) for at, entry in enumerate(entries, start=1)]
    return [
        replace(
            first,
            last_page=True,
            to_date=last.to_date or first.to_date,
            balances=_balances(first, last),
            entries=number_occurrences(numbered, first.account),
            summary=first.summary if all(page.summary == first.summary for page in pages) else Summary(),
            findings=tuple(finding for page in pages for finding in page.findings),
        )
    ]


def _follow_on(pages: list[Statement]) -> bool:
    """Tell whether no page opens elsewhere than the one before closed; unstated balances do not object."""
    return all(
        before.closing is None or after.opening is None or before.closing == after.opening
        for before, after in pairwise(pages)
    )


def _balances(first: Statement, last: Statement) -> tuple[Balance, ...]:
    opening = [balance for balance in first.balances if balance.code in OPENING_CODES]
    closing = [balance for balance in last.balances if balance.code not in OPENING_CODES]
    if not any(balance.code in CLOSING_CODES for balance in closing):
        closing += [balance for balance in first.balances if balance.code in CLOSING_CODES]
    return tuple(opening + closing)
