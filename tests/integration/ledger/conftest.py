"""A small book for the ledger's tests: an operator with shared cash, an organisation with customers."""

import datetime as dt
import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest

from apps.core import tenancy
from apps.core.money import Money
from apps.ledger import public as ledger

DAY = dt.date(2026, 11, 2)


@dataclass
class Book:
    """Accounts of one organisation, and shared cash of an operator."""

    organisation_id: uuid.UUID
    operator_id: uuid.UUID
    accounts: dict[str, int] = field(default_factory=dict)

    def __getitem__(self, code: str) -> int:
        return self.accounts[code]

    def draft(
        self, *moves: tuple[str, str, int], currency: str = "EUR", **changes: Any
    ) -> ledger.JournalDraft:
        """Write a journal of (debit, credit, minor) moves."""
        postings = tuple(
            ledger.Posting(debit=self[debit], credit=self[credit], amount=Money(minor, currency))
            for debit, credit, minor in moves
        )
        fields = {
            "key": uuid.uuid4(),
            "kind": "test.move",
            "organisation_id": self.organisation_id,
            "postings": postings,
            "effective_date": DAY,
            "actor": "system:test",
            "reference": "",
        }
        return ledger.JournalDraft(**(fields | changes))

    def post(self, *moves: tuple[str, str, int], **changes: Any) -> ledger.PostedJournal:
        """Post such a journal in the organisation's scope."""
        with self.scope():
            return ledger.post(self.draft(*moves, **changes))

    def hold(self, account: str, minor: int, **changes: Any) -> ledger.Hold:
        """Reserve an amount for cash."""
        fields = {
            "key": uuid.uuid4(),
            "account_id": self[account],
            "counter_id": self["cash"],
            "amount": Money(minor, "EUR"),
            "expires_at": None,
            "organisation_id": self.organisation_id,
            "effective_date": DAY,
            "actor": "system:test",
        }
        with self.scope():
            return ledger.place_hold(**(fields | changes))

    def act(self, hold: ledger.Hold, **changes: Any) -> dict[str, Any]:
        """Return the arguments of a call about a hold."""
        return {
            "key": uuid.uuid4(),
            "organisation_id": self.organisation_id,
            "hold_id": hold.id,
            "effective_date": DAY,
            "actor": "system:test",
        } | changes

    def balance(self, code: str) -> ledger.Balance:
        """Return a balance, whoever's account it is."""
        with tenancy.scope(tenancy.PLATFORM):
            return ledger.balance(self[code])

    def open(self, code: str, **changes: Any) -> int:
        """Open a liability account with a floor of zero."""
        fields = {"name": code.title(), "kind": "liability", "currency": "EUR", "floor_minor": 0}
        with self.scope():
            opened = ledger.open_account(
                organisation_id=self.organisation_id, code=code, **(fields | changes)
            )
        self.accounts[code] = opened.id
        return opened.id

    def scope(self) -> Any:
        """Open the organisation's scope."""
        return tenancy.scope(self.organisation_id)


def make_book(organisation_id: uuid.UUID, operator_id: uuid.UUID) -> Book:
    """Open the accounts."""
    book = Book(organisation_id, operator_id)
    with tenancy.scope(operator_id):
        for code, shared in (("cash", True), ("private", False)):
            book.accounts[code] = ledger.open_account(
                organisation_id=operator_id,
                code=f"{code}:{organisation_id}",
                name=code,
                kind="asset",
                currency="EUR",
                shared=shared,
            ).id
    book.open("alice")
    book.open("bob")
    book.open("dollars", currency="USD", floor_minor=None)
    return book


@pytest.fixture
def book(db: None) -> Book:
    """Give a book whose organisations are this test's alone; the ledger needs no more of them than an id."""
    return make_book(uuid.uuid4(), uuid.uuid4())


@pytest.fixture
def funded(book: Book) -> Book:
    """Give a book in which Alice has 10.00."""
    book.post(("cash", "alice", 1000))
    return book
