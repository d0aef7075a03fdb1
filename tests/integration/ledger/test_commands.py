"""What accountants do to the books by hand: asked for by one, done when another agrees."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.accounts import public as accounts
from apps.compliance import public as compliance
from apps.core import clock
from apps.core.actors import Actor
from apps.core.commands import Command, Outcome, execute
from apps.core.errors import Denied, Invalid
from apps.core.ids import uuid7
from apps.core.money import Money
from apps.ledger import public as ledger
from tests.console.world import staff

from .conftest import DAY, Book


@pytest.fixture
def accountant(db: None) -> Actor:
    return accounts.staff_actor(staff("ledger_accountant", with_device=False))


@pytest.fixture
def approver(db: None) -> Actor:
    return accounts.staff_actor(staff("approver", with_device=False))


def ask(command: Command, actor: Actor) -> Outcome:
    return execute(command, actor=actor, key=None, at=clock.database_now())


def agree(outcome: Outcome, book: Book, actor: Actor) -> dict[str, Any]:
    assert outcome.status == "pending_approval"
    approval_id = outcome.answer["approval_id"]
    return ask(compliance.ApproveRequest(book.organisation_id, approval_id), actor).answer


def balance(book: Book, code: str) -> int:
    with book.scope():
        return ledger.balance(book[code]).posted


def manual(
    book: Book, minor: int = 30, reason: str = "rounding of the old system"
) -> ledger.PostManualJournal:
    line = ledger.ManualPosting(book["alice"], book["bob"], Money(minor, "EUR"))
    return ledger.PostManualJournal(book.organisation_id, (line,), DAY, reason)


class TestAManualJournal:
    def test_is_posted_when_a_second_person_agrees(
        self, funded: Book, accountant: Actor, approver: Actor
    ) -> None:
        before = balance(funded, "bob")
        outcome = ask(manual(funded), accountant)
        waiting = balance(funded, "bob")

        agree(outcome, funded, approver)

        assert (waiting, balance(funded, "bob")) == (before, before + 30)
        with funded.scope():
            (journal, *_) = ledger.latest_journals(limit=1)
        assert (journal.kind, journal.metadata["reason"]) == ("ledger.manual", "rounding of the old system")
        assert journal.metadata["approved_by"] == str(approver)

    def test_is_not_approved_by_who_asked(self, funded: Book, accountant: Actor) -> None:
        outcome = ask(manual(funded), accountant)

        with pytest.raises(Denied):
            agree(outcome, funded, accountant)

    def test_says_what_the_books_refuse_and_waits_on(
        self, funded: Book, accountant: Actor, approver: Actor
    ) -> None:
        outcome = ask(manual(funded, minor=10**12), accountant)

        with pytest.raises(ledger.InsufficientFunds):
            agree(outcome, funded, approver)

    def test_needs_a_reason(self, funded: Book, accountant: Actor, approver: Actor) -> None:
        with pytest.raises(Invalid):
            agree(ask(manual(funded, reason="  "), accountant), funded, approver)

    def test_is_not_for_operators(self, funded: Book) -> None:
        operator = accounts.staff_actor(staff("operator", with_device=False))

        with pytest.raises(Denied):
            ask(manual(funded), operator)


class TestAReversal:
    def test_undoes_a_journal_once(self, funded: Book, accountant: Actor, approver: Actor) -> None:
        before = balance(funded, "bob")
        posted = funded.post(("alice", "bob", 7))
        command = ledger.ReverseJournal(funded.organisation_id, posted.seq, "posted twice by hand")

        agree(ask(command, accountant), funded, approver)

        assert balance(funded, "bob") == before
        with pytest.raises(ledger.ReversalExceeded):
            agree(ask(command, accountant), funded, approver)


class TestAnAccount:
    def test_is_frozen_at_once_and_unfrozen_by_two(
        self, funded: Book, accountant: Actor, approver: Actor
    ) -> None:
        ask(ledger.FreezeAccount(funded.organisation_id, funded["alice"], "court order"), accountant)
        with pytest.raises(ledger.AccountFrozen):
            funded.post(("alice", "bob", 1))

        unfreeze = ledger.UnfreezeAccount(funded.organisation_id, funded["alice"], "order lifted")
        agree(ask(unfreeze, accountant), funded, approver)

        assert funded.post(("alice", "bob", 1)).seq

    def test_gets_limits_by_two(self, funded: Book, accountant: Actor, approver: Actor) -> None:
        limits = ledger.SetAccountLimits(funded.organisation_id, funded["alice"], -5_000, None, "credit line")

        agree(ask(limits, accountant), funded, approver)

        with funded.scope():
            assert ledger.balance(funded["alice"]).floor == -5_000

    def test_of_another_organisation_is_not_touched(self, funded: Book, accountant: Actor) -> None:
        stranger = uuid7(clock.database_now())

        with pytest.raises(ledger.UnknownAccount):
            ask(ledger.FreezeAccount(stranger, funded["alice"], "by mistake"), accountant)


class TestAPeriod:
    def test_is_closed_by_two_and_never_opens_again(
        self, funded: Book, accountant: Actor, approver: Actor
    ) -> None:
        agree(ask(ledger.ClosePeriod(funded.organisation_id, DAY), accountant), funded, approver)

        with pytest.raises(ledger.PeriodClosed):
            funded.post(("alice", "bob", 1), effective_date=DAY)
        assert funded.post(("alice", "bob", 1), effective_date=DAY + timedelta(days=1)).seq

    def test_that_is_not_over_stays_open(self, funded: Book, accountant: Actor, approver: Actor) -> None:
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)

        with pytest.raises(Invalid):
            agree(ask(ledger.ClosePeriod(funded.organisation_id, tomorrow), accountant), funded, approver)
