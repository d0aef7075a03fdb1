"""Pages of one statement find each other, whatever files they come in and whichever comes first."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from apps.reconciliation.domain.pages import Page, doubts_of_pages
from apps.reconciliation.domain.words import Proof
from apps.reconciliation.models import BankAccount, Statement

MORE, LAST = "more", "last"
DAYS_APART_MAX = 7
"""Numbers begin again each year: pages further apart than this are of different statements."""


def name_of(row: Statement) -> str:
    """Return what the pages of a statement have in common: its number, or its id where it has none."""
    return row.sequence.split("/", maxsplit=1)[0] or row.bank_id


def prove_pages(rows: Iterable[Statement]) -> None:
    """Prove, or doubt, each statement that a page among the rows belongs to, by all pages that are here.

    Locks the bank accounts, so that two pages that come at once do not miss each other.
    """
    paged = [row for row in rows if row.paging and row.kind == "statement"]
    ids = sorted({row.bank_account_id for row in paged})
    list(BankAccount.objects.select_for_update().filter(id__in=ids).order_by("id"))
    done: set[tuple[object, str]] = set()
    for row in paged:
        if (row.bank_account_id, name_of(row)) not in done:
            done.add((row.bank_account_id, name_of(row)))
            _prove(pages_of(row))


def pages_of(row: Statement) -> list[Statement]:
    """Return every page of the statement that a page belongs to, itself included, in their order."""
    near = timedelta(days=DAYS_APART_MAX)
    rows = Statement.objects.filter(
        bank_account_id=row.bank_account_id, kind=row.kind, day__range=(row.day - near, row.day + near)
    ).exclude(paging="")
    return sorted((one for one in rows if are_pages_of_one(row, one)), key=lambda one: (one.page, one.id))


def are_pages_of_one(one: Statement, other: Statement) -> bool:
    """Tell whether two pages of an account have one name and lie close enough to be of one statement."""
    return name_of(one) == name_of(other) and abs((one.day - other.day).days) <= DAYS_APART_MAX


def _prove(pages: list[Statement]) -> None:
    doubts = list(doubts_of_pages([_page(row) for row in pages]))
    proof = (Proof.UNPROVEN if doubts else Proof.PROVEN).value
    Statement.objects.filter(id__in=[row.id for row in pages]).update(proof=proof, proof_reasons=doubts)


def _page(row: Statement) -> Page:
    return Page(
        row.page,
        row.paging == LAST,
        row.opening_minor,
        row.closing_minor,
        row.booked_minor,
        row.entry_count,
        row.credit_minor,
        row.debit_minor,
        row.told_sums,
    )
