"""Runs over a settlement account: what is matched, what it does to payments and books, what people do."""

from datetime import timedelta

import pytest

from apps.core import tenancy
from apps.core.errors import Refusal
from apps.reconciliation.commands import (
    AcceptWithinTolerance,
    AssignBreak,
    BookBreakToSuspense,
    MatchByHand,
    NoteBreak,
    UndoMatch,
    WriteOffBreak,
)
from apps.reconciliation.models import Break, BreakEvent, Expectation, Match, StatementLine
from tests.integration.reconciliation.conftest import AT

DAY = AT.date()


class TestPayin:
    def test_that_names_an_account_is_booked_once(self, bank, merchant):
        bank.books(12_345, remittance=f"invoice 7 {merchant.account}")

        first, again = bank.reconcile(), bank.reconcile()

        assert first["matched"] == {"payin": 1} and first["applied"] == 1
        assert again["match_count"] == 0 and again["break_count"] == 0
        assert merchant.balance() == 12_345
        assert bank.cash() == bank.closing()

    def test_that_names_nobody_is_a_break_and_books_nothing(self, bank, merchant):
        bank.books(5_000, remittance="thanks")

        run = bank.reconcile()

        assert run["breaks"] == {"unexplained": 1}
        assert bank.cash() == bank.closing() - 5_000


class TestPayout:
    def test_is_settled_when_the_statement_shows_it(self, bank, merchant):
        bank.books(50_000, remittance=merchant.account)
        bank.reconcile()
        payment = merchant.pays_out(20_000)
        bank.books(-20_000, end_to_end=payment.end_to_end_id)

        run = bank.reconcile()

        assert run["matched"] == {"reference": 1} and run["refused"] == []
        assert merchant.payment_state(payment) == "settled"
        assert bank.cash() == bank.closing()

    def test_that_comes_back_is_returned(self, bank, merchant):
        bank.books(50_000, remittance=merchant.account)
        bank.reconcile()
        payment = merchant.pays_out(20_000)
        bank.books(-20_000, end_to_end=payment.end_to_end_id)
        bank.books(20_000, end_to_end=payment.end_to_end_id, return_reason="AC04")

        run = bank.reconcile()

        assert run["matched"] == {"reference": 1, "return": 1}
        assert merchant.payment_state(payment) == "returned"
        assert merchant.balance() == 50_000
        assert bank.cash() == bank.closing()

    def test_booked_with_another_amount_is_a_break_with_both_sides(self, bank, merchant):
        bank.books(50_000, remittance=merchant.account)
        bank.reconcile()
        payment = merchant.pays_out(20_000)
        bank.books(-20_050, end_to_end=payment.end_to_end_id)

        run = bank.reconcile()

        row = bank.only_break()
        assert run["breaks"] == {"over": 1}
        assert (row.difference_minor, row.expectation.payment_id) == (-50, payment.id)
        assert merchant.payment_state(payment) == "sent"

    def test_not_booked_in_time_is_missing_and_before_that_expected(self, bank, merchant):
        bank.books(50_000, remittance=merchant.account)
        bank.reconcile()
        merchant.pays_out(20_000)

        early = bank.reconcile()
        late = bank.reconcile(as_of=DAY + timedelta(days=30))

        assert early["breaks"] == {} and early["expected_count"] == 1
        assert late["breaks"] == {"missing": 1} and late["expected_count"] == 0


class TestDryRun:
    def test_says_what_would_happen_and_changes_nothing(self, bank, merchant):
        bank.books(12_345, remittance=merchant.account)

        dry = bank.reconcile(dry_run=True)

        assert dry["matched"] == {"payin": 1}
        assert merchant.balance() == 0
        assert bank.rows(Match) == []

    def test_knows_of_payments_that_no_event_has_told_of_yet(self, bank, merchant):
        bank.books(50_000, remittance=merchant.account)
        bank.reconcile()
        payment = merchant.pays_out(20_000)
        bank.books(-20_000, end_to_end=payment.end_to_end_id)

        would = bank.reconcile(dry_run=True)
        run = bank.reconcile()

        assert would["matched"] == run["matched"] == {"reference": 1} and would["applied"] == 0


class TestResolutions:
    def test_suspense_makes_cash_the_banks_cash_and_can_be_taken_back(self, bank):
        bank.books(5_000, remittance="thanks")
        bank.reconcile()
        row = bank.only_break()

        bank.do(BookBreakToSuspense(bank.operator_id, row.id))
        booked = bank.cash()
        (match,) = bank.rows(Match)
        bank.do(UndoMatch(bank.operator_id, match.id, reason="it was found"))

        assert booked == bank.closing()
        assert bank.cash() == bank.closing() - 5_000
        assert bank.only_break().id == row.id
        assert [event.action for event in bank.history(row)] == ["found", "resolved", "reopened"]

    def test_a_line_is_matched_by_hand_if_the_sums_agree(self, bank, merchant):
        bank.books(50_000, remittance=merchant.account)
        bank.reconcile()
        payment = merchant.pays_out(20_000)
        bank.books(-20_000, end_to_end="SOMETHING-ELSE")
        bank.reconcile()
        line, expectation = bank.only_break().line_id, bank.expectation_of(payment)

        bank.do(MatchByHand(bank.operator_id, bank.account_id, (line,), (expectation.id,), reason="by phone"))

        assert merchant.payment_state(payment) == "settled"
        assert bank.cash() == bank.closing()
        assert bank.open_breaks() == []

    def test_a_match_that_settled_payments_is_not_undone(self, bank, merchant):
        bank.books(50_000, remittance=merchant.account)
        bank.reconcile()
        (match,) = bank.rows(Match)

        with pytest.raises(Refusal) as caught:
            bank.do(UndoMatch(bank.operator_id, match.id, reason="wrong"))

        assert caught.value.code == "payments_settled"

    def test_a_small_difference_is_accepted_as_a_charge_and_a_large_one_refused(self, bank, merchant):
        bank.books(50_000, remittance=merchant.account)
        bank.reconcile()
        small, large = merchant.pays_out(20_000), merchant.pays_out(10_000)
        bank.books(-20_050, end_to_end=small.end_to_end_id)
        bank.books(-15_000, end_to_end=large.end_to_end_id)
        bank.reconcile()
        lines = {row.expectation.payment_id: row.line_id for row in bank.open_breaks()}

        def accept(payment):
            bank.do(
                AcceptWithinTolerance(
                    bank.operator_id,
                    bank.account_id,
                    (lines[payment.id],),
                    (bank.expectation_of(payment).id,),
                )
            )

        accept(small)
        with pytest.raises(Refusal) as caught:
            accept(large)

        assert caught.value.code == "sums_differ"
        assert merchant.payment_state(small) == "settled"
        assert bank.cash() == bank.closing() + 15_000

    def test_a_write_off_waits_for_a_second_person(self, bank):
        bank.books(-700, remittance="?")
        bank.reconcile()
        row = bank.only_break()

        outcome = bank.do(WriteOffBreak(bank.operator_id, row.id, reason="too small to chase"))
        waiting = bank.only_break()
        bank.do(
            WriteOffBreak(bank.operator_id, row.id, reason="too small to chase"), approved_by="staff:second"
        )

        assert outcome.status == "pending_approval" and waiting.state == "open"
        assert bank.open_breaks() == []
        assert bank.cash() == bank.closing()

    def test_notes_are_sealed_and_versions_count(self, bank):
        bank.books(5_000, remittance="thanks")
        bank.reconcile()
        row = bank.only_break()

        bank.do(AssignBreak(bank.operator_id, row.id, owner="staff:ada"))
        bank.do(NoteBreak(bank.operator_id, row.id, note="Ms Example called"))

        events = bank.history(row)
        assert [event.version for event in events] == [1, 2, 3]
        assert "Example" not in str(vars(events[-1]))
        with tenancy.scope(tenancy.PLATFORM):
            assert events[-1].note.reveal() == "Ms Example called"

    def test_a_break_of_another_organisation_is_not_there(self, bank, organisation_id):
        bank.books(5_000, remittance="thanks")
        bank.reconcile()

        with pytest.raises(Refusal) as caught:
            bank.do(AssignBreak(organisation_id, bank.only_break().id, owner="staff:ada"))

        assert caught.value.status == 404


class TestIsolation:
    def test_an_organisation_sees_its_expectations_and_nothing_else(self, bank, merchant):
        bank.books(50_000, remittance=merchant.account)
        bank.reconcile()
        merchant.pays_out(20_000)
        bank.reconcile()

        with tenancy.scope(merchant.organisation_id):
            seen = [model.objects.count() for model in (Expectation, StatementLine, Match, Break, BreakEvent)]

        assert seen == [1, 0, 0, 0, 0]
