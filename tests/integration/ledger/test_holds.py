"""Holds: place, increase, capture in parts, release, expire; and reversals."""

import datetime as dt
import uuid

import pytest

from apps.core.money import Money
from apps.ledger import public as ledger

from .conftest import DAY, Book

NOW = dt.datetime(2026, 11, 2, 12, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(days=400)


def euros(minor: int) -> Money:
    return Money(minor, "EUR")


class TestHolds:
    def test_a_hold_counts_in_what_is_available(self, funded: Book) -> None:
        funded.hold("alice", 700)

        with pytest.raises(ledger.InsufficientFunds) as refused:
            funded.post(("alice", "bob", 301))

        assert (refused.value.facts["available"], refused.value.facts["held"]) == (300, 700)
        assert funded.balance("alice").available == 300

    def test_it_cannot_reserve_more_than_is_available(self, funded: Book) -> None:
        funded.hold("alice", 700)

        with pytest.raises(ledger.InsufficientFunds):
            funded.hold("alice", 301)

    def test_it_is_captured_in_parts_to_more_than_one_account(self, funded: Book) -> None:
        hold = funded.hold("alice", 700)
        with funded.scope():
            ledger.capture_hold(**funded.act(hold), amount=euros(200))
            ledger.capture_hold(**funded.act(hold), amount=euros(100), counter_id=funded["bob"])
            with pytest.raises(ledger.HoldExceeded) as refused:
                ledger.capture_hold(**funded.act(hold), amount=euros(401))
            ledger.capture_hold(**funded.act(hold), amount=euros(50), final=True)
            after = ledger.hold(hold.id)

        assert refused.value.facts["remaining"] == 400
        assert (after.captured_minor, after.released_minor, after.remaining_minor) == (350, 350, 0)
        assert (funded.balance("alice").posted, funded.balance("alice").held) == (650, 0)
        assert funded.balance("bob").posted == 100

    def test_it_can_be_increased_within_what_is_available(self, funded: Book) -> None:
        hold = funded.hold("alice", 700)
        with funded.scope():
            ledger.increase_hold(**funded.act(hold), amount=euros(300))
            with pytest.raises(ledger.InsufficientFunds):
                ledger.increase_hold(**funded.act(hold), amount=euros(1))

        assert funded.balance("alice").available == 0

    def test_it_is_released_in_parts_and_whole(self, funded: Book) -> None:
        hold = funded.hold("alice", 700)
        with funded.scope():
            ledger.release_hold(**funded.act(hold), amount=euros(100))
            assert ledger.hold(hold.id).remaining_minor == 600
            ledger.release_hold(**funded.act(hold))
            with pytest.raises(ledger.HoldClosed):
                ledger.release_hold(**funded.act(hold))

        assert funded.balance("alice").available == 1000

    def test_every_call_about_a_hold_can_be_repeated(self, funded: Book) -> None:
        hold = funded.hold("alice", 700)
        capture = funded.act(hold)
        with funded.scope():
            first = ledger.capture_hold(**capture, amount=euros(10))
            again = ledger.capture_hold(**capture, amount=euros(10))
            with pytest.raises(ledger.KeyConflict):
                ledger.capture_hold(**capture, amount=euros(11))

        assert (again.seq, again.replayed) == (first.seq, True)

    def test_a_currency_other_than_the_accounts_is_refused(self, funded: Book) -> None:
        with pytest.raises(ledger.LedgerRefusal) as refused:
            funded.hold("alice", 1, amount=Money(1, "USD"))

        assert refused.value.code == "currency_mismatch"

    def test_a_hold_of_another_organisation_is_unknown(self, funded: Book) -> None:
        from apps.core import tenancy

        hold = funded.hold("alice", 1)
        stranger = uuid.uuid4()
        with tenancy.scope(stranger), pytest.raises(ledger.UnknownHold):
            ledger.release_hold(**funded.act(hold, organisation_id=stranger))


class TestExpiry:
    def test_an_expired_hold_does_not_count_for_a_posting(self, funded: Book) -> None:
        hold = funded.hold("alice", 700, expires_at=NOW + dt.timedelta(hours=1), at=NOW)

        funded.post(("alice", "bob", 1000), at=LATER)

        with funded.scope():
            assert ledger.hold(hold.id).remaining_minor == 0
        assert funded.balance("alice").held == 0

    def test_it_counts_until_the_moment_it_expires(self, funded: Book) -> None:
        moment = LATER
        funded.hold("alice", 700, expires_at=moment, at=NOW)

        with pytest.raises(ledger.InsufficientFunds):
            funded.post(("alice", "bob", 1000), at=moment - dt.timedelta(microseconds=1))
        funded.post(("alice", "bob", 1000), at=moment)

    def test_it_can_no_longer_be_captured_but_be_released(self, funded: Book) -> None:
        hold = funded.hold("alice", 700, expires_at=NOW + dt.timedelta(hours=1), at=NOW)
        with funded.scope():
            with pytest.raises(ledger.HoldExpired):
                ledger.capture_hold(**funded.act(hold), amount=euros(1), at=LATER)
            ledger.release_hold(**funded.act(hold), at=LATER)

    def test_it_does_not_count_in_a_balance_read(self, funded: Book) -> None:
        past = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
        funded.hold("alice", 700, expires_at=past, at=past - dt.timedelta(hours=1))

        assert funded.balance("alice").available == 1000

    def test_it_cannot_be_placed_expired(self, funded: Book) -> None:
        with pytest.raises(ledger.HoldExpired):
            funded.hold("alice", 1, expires_at=NOW, at=NOW)

    def test_expiry_and_capture_race_to_one_end(self, funded: Book, in_threads) -> None:
        hold = funded.hold("alice", 1000, expires_at=LATER, at=NOW)

        def work(which: int) -> str:
            with funded.scope():
                if which:
                    return ledger.post_many([funded.draft(("alice", "bob", 1000), at=LATER)])[0].code.name
                capture = ledger.CaptureDraft(
                    **funded.act(hold),
                    at=LATER - dt.timedelta(seconds=1),
                    postings=(ledger.Posting(debit=None, credit=None, amount=euros(1000)),),
                )
                return ledger.post_many([capture])[0].code.name

        assert sorted(in_threads(work, [0, 1])) in (
            ["HOLD_CLOSED", "POSTED"],
            ["INSUFFICIENT_FUNDS", "POSTED"],
        )
        assert funded.balance("alice").posted == 0


class TestReversals:
    def reverse(self, book: Book, seq: int, amounts: dict[int, Money] | None = None) -> ledger.PostedJournal:
        with book.scope():
            return ledger.reverse(
                key=uuid.uuid4(),
                organisation_id=book.organisation_id,
                seq=seq,
                effective_date=DAY,
                actor="system:test",
                amounts=amounts,
            )

    def test_it_undoes_a_journal_once(self, funded: Book) -> None:
        posted = funded.post(("alice", "bob", 100), ("bob", "cash", 40))

        self.reverse(funded, posted.seq)

        assert (funded.balance("alice").posted, funded.balance("bob").posted) == (1000, 0)
        with pytest.raises(ledger.LedgerRefusal) as refused:
            self.reverse(funded, posted.seq)
        assert refused.value.code in ("reversal_exceeded", "insufficient_funds")

    def test_parts_sum_to_no_more_than_the_original(self, funded: Book) -> None:
        posted = funded.post(("alice", "bob", 100))
        self.reverse(funded, posted.seq, {1: euros(60)})

        with pytest.raises(ledger.ReversalExceeded) as refused:
            self.reverse(funded, posted.seq, {1: euros(41)})
        self.reverse(funded, posted.seq, {1: euros(40)})

        assert refused.value.facts["open_minor"] == 40
        assert funded.balance("alice").posted == 1000

    def test_a_reversal_is_not_reversed(self, funded: Book) -> None:
        back = self.reverse(funded, funded.post(("alice", "bob", 100)).seq)

        with pytest.raises(ledger.LedgerRefusal) as refused:
            self.reverse(funded, back.seq)
        assert refused.value.code == "not_reversible"

    def test_a_race_reverses_once(self, funded: Book, in_threads) -> None:
        funded.post(("cash", "bob", 5000))
        posted = funded.post(("alice", "bob", 100))

        def work(_: int) -> str:
            try:
                self.reverse(funded, posted.seq)
                return "done"
            except ledger.ReversalExceeded:
                return "refused"

        assert sorted(in_threads(work, range(6))) == ["done"] + ["refused"] * 5
        assert funded.balance("alice").posted == 1000


def test_the_proofs_hold_after_all_this(book: Book) -> None:
    report = ledger.check()

    assert report.ok, [proof for proof in report.proofs if proof.violations]
