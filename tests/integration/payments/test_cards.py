"""Card payments from intent to payout, against a processor on HTTP. The numbers are the research's complaints."""

import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection

from apps.core import tenancy
from apps.core.errors import Conflict, Denied, Invalid, NotFound, Refusal
from apps.core.ids import parse_public_id, public_id
from apps.core.money import CurrencyMismatch, Money
from apps.payments import card_calls
from apps.payments import public as payments
from apps.payments.commands.card_disputes import TooLate
from apps.payments.commands.card_orders import NothingAuthorised, RetryAdvised
from apps.payments.commands.card_words import ApplyCardOutcome, MarkCardSent
from apps.payments.domain.card_numbers import BadCardToken, CardNumberRefused
from apps.payments.domain.cards import ExceedsAuthorised
from apps.payments.domain.machine import IllegalTransition
from apps.payments.domain.refunds import ExceedsRefundable
from apps.payments.models_cards import Attempt, CardProcessor, FeeRule, Operation
from apps.payments.rails import card
from apps.simulator.processor import Told
from tests import factories
from tests.factories import do
from tests.processor import PROVIDER, CardWorld, since

SENT = card.accept("dsp_1", "dp_1")


@pytest.fixture
def world(db):
    return CardWorld()


@pytest.fixture
def merchant(world):
    return factories.merchant(accounts_count=1)


def eur(minor):
    return Money(minor, "EUR")


class TestAnOrdinaryCard:
    def test_is_authorised_and_captured_at_once(self, world, merchant):
        key = world.pay(merchant)

        assert world.state(key) == "captured"
        assert [event.event for event in world.story(key)] == ["order", "authorise", "capture"]
        (attempt,) = world.attempts(key)
        assert [event.event for event in world.story(attempt.pk)] == ["prepare", "send", "authorise"]
        (capture,) = world.operations(key)
        assert (capture.state, capture.type, capture.amount) == ("succeeded", "capture", eur(10_000))
        assert world.of(merchant) == {"available": 0, "pending": 10_000, "owed": 0}
        world.verify()

    def test_is_captured_in_parts_when_the_merchant_says_so(self, world, merchant):
        key = world.pay(merchant, capture="manual")
        states = [world.state(key)]
        for minor in (2_000, 3_000, None):
            world.capture(merchant, key, minor)
            states.append(world.state(key))

        assert states == ["authorised", "partially_captured", "partially_captured", "captured"]
        assert world.of(merchant)["pending"] == 10_000

    def test_a_final_capture_gives_the_rest_up(self, world, merchant):
        key = world.pay(merchant, capture="manual")
        world.capture(merchant, key, 2_000, final=True)

        assert world.state(key) == "captured"
        with pytest.raises(NothingAuthorised):
            world.capture(merchant, key, 1)

    def test_what_is_captured_never_exceeds_what_is_authorised(self, world, merchant):
        key = world.pay(merchant, capture="manual")
        world.capture(merchant, key, 6_000)

        with pytest.raises(ExceedsAuthorised) as refusal:
            world.capture(merchant, key, 4_001)
        assert refusal.value.facts["capturable"] == 4_000
        with pytest.raises(CurrencyMismatch):
            do(payments.CaptureCardPayment(merchant.id, key, Money(1, "GBP")))
        with pytest.raises(Refusal):
            do(payments.CaptureCardPayment(merchant.id, key, eur(0)))

    def test_is_voided_when_the_merchant_cancels(self, world, merchant):
        key = world.pay(merchant, capture="manual")
        world.cancel(merchant, key)

        assert world.state(key) == "cancelled"
        assert [one.type for one in world.operations(key)] == ["void"]
        with pytest.raises(IllegalTransition):
            world.cancel(merchant, key)

    def test_a_void_after_a_part_was_captured_keeps_the_part(self, world, merchant):
        key = world.pay(merchant, capture="manual")
        world.capture(merchant, key, 4_000)
        world.cancel(merchant, key)

        assert world.state(key) == "captured"
        assert world.of(merchant)["pending"] == 4_000


class TestReserves:
    def test_are_pending_until_their_days_are_over(self, world, merchant):
        world.pay(merchant)
        world.pass_time(days=1)
        world.drive_due()
        before = world.of(merchant)
        world.pass_time(days=1, seconds=1)
        world.drive_due()
        world.drive_due()

        assert before == {"available": 0, "pending": 10_000, "owed": 0}
        assert world.of(merchant) == {"available": 10_000, "pending": 0, "owed": 0}

    def test_a_refund_takes_its_part_of_pending_first(self, world, merchant):
        key = world.pay(merchant)
        world.refund(merchant, key, 3_000)
        before = world.of(merchant)
        world.pass_time(days=3)
        world.drive_due()

        assert before == {"available": 0, "pending": 7_000, "owed": 0}
        assert world.of(merchant) == {"available": 7_000, "pending": 0, "owed": 0}


class TestFees:
    def test_are_taken_from_the_capture_and_shared(self, world, merchant):
        rule = payments.SetFeeRule(
            merchant.id,
            "EUR",
            world.at.date(),
            flat_minor=25,
            percent_bp=150,
            shares=(("platform", 2), ("partner", 1)),
        )
        answer = do(rule, at=world.at)
        with tenancy.scope(merchant.id):
            stored = FeeRule.objects.get(organisation_id=merchant.id)
            incomes = [account for _, _, account in stored.shares]
        before = [world.balance(account) for account in incomes]
        key = world.pay(merchant)

        assert answer["version"] == 1
        assert world.of(merchant)["pending"] == 10_000 - 175
        assert [world.balance(a) - b for a, b in zip(incomes, before, strict=True)] == [117, 58]
        world.pass_time(days=3)
        world.drive_due()
        assert world.of(merchant) == {"available": 9_825, "pending": 0, "owed": 0}
        assert world.state(key) == "captured"

    def test_have_versions_that_hold_from_their_day(self, world, merchant):
        today = world.at.date()
        do(payments.SetFeeRule(merchant.id, "EUR", today, flat_minor=10), at=world.at)
        do(payments.SetFeeRule(merchant.id, "EUR", today + timedelta(days=1), flat_minor=20), at=world.at)
        world.pay(merchant)
        first = world.of(merchant)["pending"]
        world.pass_time(days=1)
        world.pay(merchant)

        assert (first, world.of(merchant)["pending"]) == (9_990, 19_970)

    def test_cannot_begin_in_the_past_nor_be_changed(self, world, merchant):
        with pytest.raises(Invalid):
            do(payments.SetFeeRule(merchant.id, "EUR", world.at.date() - timedelta(days=1)), at=world.at)
        do(payments.SetFeeRule(merchant.id, "EUR", world.at.date(), flat_minor=10), at=world.at)
        with pytest.raises(Exception, match="(?i)permission|append"), tenancy.scope(merchant.id):
            FeeRule.objects.filter(organisation_id=merchant.id).update(flat_minor=1)

    def test_are_set_by_the_operator_alone(self, world, merchant):
        with pytest.raises(Denied):
            do(
                payments.SetFeeRule(merchant.id, "EUR", world.at.date()),
                actor=merchant.client("payments.write"),
                at=world.at,
            )


class TestRefunds:
    def test_are_partial_and_several_and_never_exceed(self, world, merchant):  # 11, 12
        key = world.pay(merchant)
        first, second = world.refund(merchant, key, 3_000), world.refund(merchant, key, 6_000)

        with pytest.raises(ExceedsRefundable) as refusal:
            world.refund(merchant, key, 1_001)
        assert refusal.value.facts["refundable"] == 1_000
        assert world.state(key) == "captured"
        assert {one.pk: one.state for one in world.operations(key, "refund")} == {
            first: "succeeded",
            second: "succeeded",
        }
        assert len({one.external_id for one in world.operations(key, "refund")}) == 2

    def test_need_money_that_is_there(self, world, merchant):
        key = world.pay(merchant)
        world.pass_time(days=3)
        world.drive_due()
        other = factories.merchant(accounts_count=1)
        with pytest.raises(NotFound):
            do(payments.CreateRefund(other.id, key, eur(1)))
        spent = payments.CreatePayout(
            merchant.id, merchant.accounts[0], eur(9_000), factories.CreditorFactory()
        )
        do(spent)

        with pytest.raises(Refusal) as refusal:
            world.refund(merchant, key, 5_000)
        assert refusal.value.code == "insufficient_funds"
        assert world.operations(key, "refund") == []

    def test_that_never_left_fail_at_once_with_the_money_back(self, world, merchant):  # 1
        key = world.pay(merchant)
        refund = world.refund(merchant, key, 3_000, drive=False)
        reference = public_id("opr", refund)
        do(MarkCardSent(merchant.id, reference), at=world.at)
        held = world.of(merchant)
        do(ApplyCardOutcome(merchant.id, reference, "not_sent"), at=world.at)

        (row,) = world.operations(key, "refund")
        assert held["pending"] == 7_000
        assert (row.state, row.failure_code) == ("failed", "not_sent")
        assert sum(world.of(merchant).values()) == 10_000

    def test_that_the_processor_fails_later_give_the_money_back(self, world, merchant):
        before = world.clearing()
        key = world.pay(merchant, "tok_refund_fails")
        world.refund(merchant, key, 3_000)
        pending = world.operations(key, "refund")[0].state
        world.pass_time(seconds=61)
        world.tell_all(merchant)

        assert (pending, world.operations(key, "refund")[0].state) == ("pending", "failed")
        assert sum(world.of(merchant).values()) == 10_000
        assert since(before, world.clearing())["refunds"] == 0
        world.refund(merchant, key, 10_000, drive=False)

    def test_before_anything_was_captured_are_refused(self, world, merchant):
        key = world.pay(merchant, capture="manual")

        with pytest.raises(NothingAuthorised):
            world.refund(merchant, key, 1)


class TestDeclines:
    @pytest.mark.parametrize(
        ("code", "normalised"),
        [
            ("insufficient_funds", "insufficient_funds"),
            ("51", "insufficient_funds"),
            ("do_not_honor", "do_not_honor"),
            ("expired_card", "expired_card"),
            ("stolen_card", "stolen_card"),
            ("authentication_required", "authentication_required"),
            ("somethingnew", "declined"),
        ],
    )
    def test_fail_the_payment_with_a_code_that_is_the_same_everywhere(
        self, world, merchant, code, normalised
    ):
        key = world.pay(merchant, f"tok_decline_{code}")

        (attempt,) = world.attempts(key)
        assert world.state(key) == "failed"
        assert (attempt.state, attempt.code, attempt.failure_code) == ("declined", code, normalised)
        assert world.payment(key).failure_code == normalised

    def test_may_be_tried_again_with_another_card(self, world, merchant):
        key = world.pay(merchant, "tok_decline_insufficient_funds")
        answer = do(payments.RetryCardPayment(merchant.id, key, "tok_visa"), at=world.at)
        world.drive(merchant, answer)

        assert world.state(key) == "captured"
        assert [one.state for one in world.attempts(key)] == ["declined", "authorised"]
        world.verify()

    def test_say_when_the_same_card_may_be_tried(self, world, merchant):
        soft = world.pay(merchant, "tok_decline_insufficient_funds")
        hard = world.pay(merchant, "tok_decline_stolen_card")

        for key, token in ((soft, "tok_decline_insufficient_funds"), (hard, "tok_decline_stolen_card")):
            with pytest.raises(RetryAdvised):
                do(payments.RetryCardPayment(merchant.id, key, token), at=world.at)
        world.pass_time(days=1, seconds=1)
        do(payments.RetryCardPayment(merchant.id, soft, "tok_decline_insufficient_funds"), at=world.at)
        with pytest.raises(RetryAdvised):
            do(payments.RetryCardPayment(merchant.id, hard, "tok_decline_stolen_card"), at=world.at)

    def test_are_tried_a_few_times_only(self, world, merchant):
        key = world.pay(merchant, "tok_decline_expired_card")
        for _ in range(4):
            world.drive(
                merchant,
                do(payments.RetryCardPayment(merchant.id, key, "tok_decline_expired_card"), at=world.at),
            )
        with pytest.raises(Conflict):
            do(payments.RetryCardPayment(merchant.id, key, "tok_visa"), at=world.at)

    def test_an_unknown_token_is_refused_by_the_processor(self, world, merchant):
        key = world.pay(merchant, "tok_unknown")

        assert (world.state(key), world.payment(key).failure_code) == ("failed", "unknown_token")

    def test_what_is_no_order_changes_nothing(self, world, merchant):  # 2
        with tenancy.scope(merchant.id):
            before = Attempt.objects.count()
        for wrong in (
            {"card": "4111111111111111"},
            {"card": "visa"},
            {"minor": 0},
            {"capture": "sometimes"},
            {"return_url": "ftp://example.com"},
            {"return_url": "http://example.com"},
            {"return_url": "https://[bad"},
            {"reference": "4111 1111 1111 1111"},
            {"remittance": "pay with 5555555555554444"},
            {"return_url": "https://example.com/?card=4111111111111111"},
        ):
            with pytest.raises(Refusal):
                world.order(merchant, **wrong)
        with tenancy.scope(merchant.id):
            assert Attempt.objects.count() == before


class TestAuthentication:
    def test_sends_the_payer_to_a_page_and_goes_on_after_it(self, world, merchant):
        key = world.pay(merchant, "tok_3ds", return_url="https://shop.example/return")
        (attempt,) = world.attempts(key)
        waiting = world.state(key)
        world.processor.complete_action(attempt.external_id, succeeded=True, at=world.at)
        answers = world.tell_all(merchant)
        world.pass_time(seconds=11)
        world.drive_due()

        assert (waiting, attempt.state) == ("requires_action", "requires_action")
        assert attempt.action_url.startswith(world.server.url)
        assert {one["result"] for one in answers} <= {"applied", "ignored"}
        assert world.state(key) == "captured"

    def test_that_fails_fails_the_payment(self, world, merchant):
        key = world.pay(merchant, "tok_3ds")
        (attempt,) = world.attempts(key)
        world.processor.complete_action(attempt.external_id, succeeded=False, at=world.at)
        world.tell_all(merchant)

        assert (world.state(key), world.payment(key).failure_code) == ("failed", "authentication_failed")

    def test_is_found_by_an_inquiry_when_no_event_comes(self, world, merchant):
        key = world.pay(merchant, "tok_3ds")
        (attempt,) = world.attempts(key)
        world.processor.complete_action(attempt.external_id, succeeded=True, at=world.at)
        world.processor.take_events()
        world.pass_time(minutes=31)
        world.drive_due()

        assert world.state(key) == "captured"


class TestUnknown:
    def test_is_left_by_an_inquiry_which_completes_the_missing_id(self, world, merchant):  # 3, 8
        key = world.pay(merchant, "tok_timeout")
        (attempt,) = world.attempts(key)
        before = (world.state(key), attempt.state, attempt.external_id)
        world.drive_due()
        untouched = world.attempts(key)[0].state
        world.pass_time(seconds=31)
        world.drive_due()

        (attempt,) = world.attempts(key)
        assert (before, untouched) == (("created", "unknown", None), "unknown")
        assert (attempt.state, world.state(key)) == ("authorised", "captured")
        assert attempt.external_id.startswith("pi_")

    def test_is_left_by_a_late_event(self, world, merchant):
        key = world.pay(merchant, "tok_late_success")
        for seconds in (31, 20):
            world.pass_time(seconds=seconds)
            world.drive_due()
        still = world.attempts(key)[0].state
        world.pass_time(seconds=30)
        world.tell_all(merchant)

        assert (still, world.attempts(key)[0].state) == ("unknown", "authorised")

    def test_a_refund_is_found_again_with_its_id(self, world, merchant):  # 3
        key = world.pay(merchant, "tok_refund_timeout")
        world.refund(merchant, key, 2_000)
        (lost,) = world.operations(key, "refund")
        world.tell_all(merchant)
        (found,) = world.operations(key, "refund")

        assert (lost.state, lost.external_id) == ("unknown", None)
        assert found.state == "succeeded" and found.external_id.startswith("re_")

    def test_a_capture_is_asked_about_until_it_is_known(self, world, merchant):  # 6
        key = world.pay(merchant, "tok_capture_timeout")
        states = [world.operations(key)[0].state]
        world.processor.take_events()
        world.pass_time(seconds=31)
        world.drive_due()

        assert [*states, world.operations(key)[0].state] == ["unknown", "succeeded"]
        assert world.of(merchant)["pending"] == 10_000

    def test_a_lost_request_fails_once_it_cannot_come_any_more(self, world, merchant):
        key = world.pay(merchant, "tok_lost")
        world.pass_time(seconds=31)
        world.drive_due()
        early = world.attempts(key)[0].state
        for _ in range(3):
            world.pass_time(minutes=3)
            world.drive_due()

        (attempt,) = world.attempts(key)
        assert early == "unknown"
        assert (attempt.state, attempt.failure_code, world.state(key)) == ("failed", "not_received", "failed")

    def test_no_second_try_is_made_meanwhile(self, world, merchant):  # 8
        key = world.pay(merchant, "tok_timeout")

        with pytest.raises(IllegalTransition):
            do(payments.RetryCardPayment(merchant.id, key, "tok_visa"), at=world.at)

    def test_an_error_of_the_processor_is_no_decline(self, world, merchant):
        key = world.pay(merchant, "tok_error")

        assert (world.attempts(key)[0].state, world.state(key)) == ("unknown", "created")

    def test_a_request_that_nobody_sent_is_sent_by_the_job(self, world, merchant):
        key = world.order(merchant)
        world.drive_due()
        with tenancy.scope(merchant.id):
            early = Attempt.objects.get().state
        world.pass_time(seconds=11)
        world.drive_due()

        with tenancy.scope(merchant.id):
            assert (early, Attempt.objects.get().state) == ("prepared", "authorised")
        assert key["state"] == "created"

    def test_a_processor_that_is_away_fails_the_attempt_and_not_for_ever(self, world, merchant, settings):
        world.processor.events.clear()
        key = world.order(merchant)
        with tenancy.scope(merchant.id):
            attempt = Attempt.objects.get()
        do(MarkCardSent(merchant.id, public_id("att", attempt.pk)), at=world.at)
        do(ApplyCardOutcome(merchant.id, public_id("att", attempt.pk), "not_sent"), at=world.at)
        key = parse_public_id("pay", key["id"])
        failed = (world.state(key), world.payment(key).failure_code)
        world.pass_time(seconds=61)
        answer = do(payments.RetryCardPayment(merchant.id, key, "tok_visa"), at=world.at)
        world.drive(merchant, answer)

        assert (failed, world.state(key)) == (("failed", "not_sent"), "captured")


class TestLateWords:
    def test_repeat_themselves_without_harm(self, world, merchant):  # 9, 12
        key = world.pay(merchant, "tok_twice")
        refund = world.refund(merchant, key, 2_500)
        before = (world.state(key), world.of(merchant))
        answers = world.tell_all(merchant)

        assert {one["result"] for one in answers} == {"ignored"}
        assert (world.state(key), world.of(merchant)) == before
        assert [one.pk for one in world.operations(key, "refund")] == [refund]
        world.verify()

    def test_in_reverse_lead_to_the_same_end(self, world, merchant):  # 10
        key = world.pay(merchant, "tok_backwards")
        world.tell_all(merchant)

        assert world.state(key) == "captured"

    def test_of_something_under_way_do_not_change_what_has_ended(self, world, merchant):  # 4
        key = world.pay(merchant, "tok_pending")
        world.pass_time(seconds=61)
        world.tell_all(merchant)
        (capture,) = world.operations(key)
        data = {**world.processor.objects[capture.external_id], "status": "pending"}
        late = world.tell(merchant, Told("", "evt_late", "card.capture.pending", data, world.at))

        assert (capture.state, late["result"]) == ("succeeded", "ignored")
        assert world.operations(key)[0].state == "succeeded"
        assert [event.applied for event in world.story(capture.pk)][-1] is False

    def test_a_failure_after_success_is_recorded_and_no_more(self, world, merchant):  # 9
        key = world.pay(merchant)
        (attempt,) = world.attempts(key)
        data = {**world.processor.objects[attempt.external_id], "status": "declined", "code": "51"}
        answer = world.tell(merchant, Told("", "evt_no", "card.authorisation.declined", data, world.at))

        assert answer["result"] == "ignored"
        assert world.state(key) == "captured"

    def test_an_authorisation_that_nobody_wants_any_more_is_voided(self, world, merchant):
        key = world.pay(merchant, "tok_late_success")
        world.cancel(merchant, key)
        world.pass_time(seconds=61)
        world.tell_all(merchant)
        world.pass_time(seconds=11)
        world.drive_due()

        (void,) = world.operations(key)
        assert (world.state(key), void.type, void.state) == ("cancelled", "void", "succeeded")

    def test_an_earlier_try_that_was_authorised_after_all_is_voided_and_changes_nothing(
        self, world, merchant
    ):
        key = world.pay(merchant, "tok_lost")
        for _ in range(3):
            world.pass_time(minutes=3)
            world.drive_due()
        world.drive(merchant, do(payments.RetryCardPayment(merchant.id, key, "tok_visa"), at=world.at))
        first = world.attempts(key)[0]
        body = {
            "reference": public_id("att", first.pk),
            "merchant": public_id("org", merchant.id),
            "amount": 10_000,
            "currency": "EUR",
            "card_token": "tok_visa",
        }
        world.processor.post("/v1/authorisations", body, key=body["reference"], at=world.at)
        world.tell_all(merchant)
        world.drive_due()

        assert [one.state for one in world.attempts(key)] == ["failed", "authorised"]
        assert sorted((one.type, one.state) for one in world.operations(key)) == [
            ("capture", "succeeded"),
            ("void", "succeeded"),
        ]
        assert world.state(key) == "captured"
        assert world.of(merchant)["pending"] == 10_000
        world.refund(merchant, key, 10_000)
        world.verify()

    def test_about_what_is_not_here_wait(self, world, merchant):
        key = world.pay(merchant)
        (event, *_) = world.events(merchant)
        strange = {**event.data, "id": "pi_99999999", "reference": ""}
        answer = world.tell(merchant, Told("", "evt_x", event.type, strange, world.at))
        foreign = world.tell(
            factories.merchant(accounts_count=1), Told("", "evt_x", event.type, event.data, world.at)
        )

        assert (answer["result"], foreign["result"]) == ("waiting", "waiting")
        assert world.state(key) == "captured"


class TestReview:
    @pytest.mark.parametrize(
        ("token", "reason"),
        [("tok_wrong_amount", "amount_differs"), ("tok_wrong_currency", "currency_differs")],
    )
    def test_takes_a_wrong_amount_or_currency_and_the_books_do_not(self, world, merchant, token, reason):  # 6
        key = world.pay(merchant, token)

        assert (world.state(key), world.payment(key).failure_code) == ("review", reason)
        assert world.attempts(key)[0].state == "sent"
        assert world.of(merchant) == {"available": 0, "pending": 0, "owed": 0}
        with pytest.raises(NothingAuthorised):
            world.capture(merchant, key, 1)

    def test_is_ended_by_a_person(self, world, merchant):
        key = world.pay(merchant, "tok_wrong_amount")
        with pytest.raises(Denied):
            do(
                payments.ResolveCardReview(merchant.id, key, "abandon", "not what we asked"),
                actor=merchant.client("payments.write"),
                at=world.at,
            )
        do(payments.ResolveCardReview(merchant.id, key, "abandon", "not what we asked"), at=world.at)

        assert world.state(key) == "cancelled"
        world.verify()

    def test_goes_on_where_the_rows_stand(self, world, merchant):
        key = world.pay(merchant)
        (capture,) = world.operations(key)
        wrong = {**world.processor.objects[capture.external_id], "amount": 9_999}
        world.tell(merchant, Told("", "evt_w", "card.capture.succeeded", wrong, world.at))
        under_review = (world.state(key), world.of(merchant)["pending"])
        with pytest.raises(Conflict):
            do(payments.ResolveCardReview(merchant.id, key, "abandon", "captured already"), at=world.at)
        do(payments.ResolveCardReview(merchant.id, key, "resume", "the processor was wrong"), at=world.at)

        assert under_review == ("review", 10_000)
        assert world.state(key) == "captured"

    def test_takes_a_second_id_for_the_same_request(self, world, merchant):
        key = world.pay(merchant)
        (attempt,) = world.attempts(key)
        other = {**world.processor.objects[attempt.external_id], "id": "pi_88888888"}
        world.tell(merchant, Told("", "evt_2", "card.authorisation.authorised", other, world.at))

        assert (world.state(key), world.payment(key).failure_code) == ("review", "external_id_differs")
        assert world.attempts(key)[0].external_id == attempt.external_id

    def test_refuses_a_decision_it_does_not_know(self, world, merchant):
        key = world.pay(merchant, "tok_wrong_amount")
        for decision, reason in (("book it", "why not"), ("resume", ""), ("resume", "4111111111111111")):
            with pytest.raises(Refusal):
                do(payments.ResolveCardReview(merchant.id, key, decision, reason), at=world.at)
        with pytest.raises(IllegalTransition):
            do(payments.ResolveCardReview(merchant.id, world.pay(merchant), "resume", "hm"), at=world.at)


class TestDisputes:
    def disputed(self, world, merchant, token="tok_dispute"):
        key = world.pay(merchant, token)
        world.pass_time(seconds=1)
        world.tell_all(merchant)
        return key

    def test_take_the_amount_from_the_merchant_while_they_are_open(self, world, merchant):
        before = world.clearing()
        key = self.disputed(world, merchant)

        (dispute,) = world.disputes(key)
        assert (dispute.state, world.state(key)) == ("opened", "captured")
        assert world.of(merchant) == {"available": 0, "pending": 0, "owed": 0}
        assert since(before, world.clearing())["disputes"] == 10_000

    def test_leave_nothing_to_refund(self, world, merchant):  # 5
        key = self.disputed(world, merchant)

        with pytest.raises(ExceedsRefundable) as refusal:
            world.refund(merchant, key, 1)
        assert refusal.value.facts["refundable"] == 0

    def test_take_what_is_there_and_the_rest_is_owed_and_paid_first(self, world, merchant):
        key = world.pay(merchant)
        world.refund(merchant, key, 6_000)
        (attempt,) = world.attempts(key)
        world.processor.open_dispute(attempt.external_id, 10_000, at=world.at)
        world.tell_all(merchant)
        owing = world.of(merchant)
        world.pay(merchant, minor=8_000)
        world.pass_time(days=3)
        world.drive_due()

        assert owing == {"available": 0, "pending": 0, "owed": -6_000}
        assert world.of(merchant) == {"available": 2_000, "pending": 0, "owed": 0}

    def test_that_are_won_give_it_back(self, world, merchant):  # 7
        before = world.clearing()
        key = self.disputed(world, merchant, "tok_dispute_won")
        (dispute,) = world.disputes(key)
        answer = do(
            payments.ContestDispute(merchant.id, dispute.pk, "Here is the proof\nof delivery"), at=world.at
        )
        world.drive(merchant, answer)
        contested = world.disputes(key)[0].state
        world.pass_time(seconds=61)
        world.tell_all(merchant)

        (dispute,) = world.disputes(key)
        assert (answer["state"], contested, dispute.state) == ("contested", "contested", "won")
        assert dispute.ask_at is None
        assert world.of(merchant)["available"] == 10_000
        assert since(before, world.clearing())["disputes"] == 0
        world.verify()

    def test_that_are_accepted_are_lost(self, world, merchant):
        before = world.clearing()
        key = self.disputed(world, merchant)
        (dispute,) = world.disputes(key)
        world.drive(merchant, do(payments.AcceptDispute(merchant.id, dispute.pk), at=world.at))
        world.tell_all(merchant)

        assert world.disputes(key)[0].state == "lost"
        assert since(before, world.clearing()) == {
            "receivable": 0,
            "refunds": 0,
            "disputes": 0,
            "clearing_in": 0,
        }
        with pytest.raises(IllegalTransition):
            do(payments.AcceptDispute(merchant.id, dispute.pk), at=world.at)

    def test_that_are_lost_may_be_given_back_after_all(self, world, merchant):
        key = self.disputed(world, merchant)
        (dispute,) = world.disputes(key)
        world.processor.decide_dispute(dispute.external_id, "lost", at=world.at)
        (lost,) = world.events(merchant)
        world.processor.decide_dispute(dispute.external_id, "reversed", at=world.at)
        (given_back,) = world.events(merchant)
        early = world.tell(merchant, given_back)
        results = [world.tell(merchant, event)["result"] for event in (lost, given_back, lost)]

        assert early["result"] == "waiting"
        assert results == ["applied", "applied", "ignored"]
        assert (world.disputes(key)[0].state, world.of(merchant)["available"]) == ("reversed", 10_000)

    def test_an_inquiry_moves_no_money(self, world, merchant):
        key = self.disputed(world, merchant, "tok_inquiry")
        asked = (world.disputes(key)[0].state, world.of(merchant)["pending"])
        world.pass_time(seconds=61)
        world.tell_all(merchant)

        assert asked == ("inquiry", 10_000)
        assert world.disputes(key)[0].state == "closed"

    def test_more_than_was_captured_is_for_a_person(self, world, merchant):
        key = world.pay(merchant)
        (attempt,) = world.attempts(key)
        world.processor.open_dispute(attempt.external_id, 10_001, at=world.at)
        world.tell_all(merchant)

        assert (world.state(key), world.disputes(key)) == ("review", [])

    def test_evidence_is_sealed_in_time_once_and_holds_no_card(self, world, merchant, owner_sql):
        key = self.disputed(world, merchant)
        (dispute,) = world.disputes(key)
        with pytest.raises(CardNumberRefused):
            do(payments.ContestDispute(merchant.id, dispute.pk, "card 4111 1111 1111 1111"), at=world.at)
        for text in ("", " \n ", "x" * 4_001):
            with pytest.raises(Invalid):
                do(payments.ContestDispute(merchant.id, dispute.pk, text), at=world.at)
        with pytest.raises(TooLate):
            do(
                payments.ContestDispute(merchant.id, dispute.pk, "late"),
                at=world.at + timedelta(days=8),
            )
        with pytest.raises(NotFound):
            other = factories.merchant(accounts_count=1)
            do(payments.ContestDispute(other.id, dispute.pk, "not mine"), at=world.at)
        do(payments.ContestDispute(merchant.id, dispute.pk, "Ada Example signed for it"), at=world.at)
        with pytest.raises(IllegalTransition):
            do(payments.ContestDispute(merchant.id, dispute.pk, "more"), at=world.at)
        stored = owner_sql("SELECT text FROM payments_disputeevidence WHERE dispute_id = %s", [dispute.pk])
        assert b"Ada" not in bytes(stored[0][0])


class TestSettlement:
    def test_pays_out_net_and_leaves_nothing_in_clearing(self, world, merchant):
        before = world.clearing()
        first, second = world.pay(merchant), world.pay(merchant, minor=5_000)
        world.refund(merchant, second, 2_000)
        disputed = TestDisputes().disputed(world, merchant)
        (dispute,) = world.disputes(disputed)
        world.drive(merchant, do(payments.AcceptDispute(merchant.id, dispute.pk), at=world.at))
        world.tell_all(merchant)
        costs = world.balance(world.route.costs_id)
        cash = world.balance(self_cash := world.bank.cash_id)
        answer = world.settle()

        fees = 25 + 140 + 25 + 70 + 25 + 140 + 1_500
        assert (answer["settled"], answer["booked"], answer["unknown"], answer["differ"]) == (4, 1, 0, 0)
        assert [world.state(key) for key in (first, second, disputed)] == ["settled"] * 3
        assert since(before, world.clearing()) == {
            "receivable": 0,
            "refunds": 0,
            "disputes": 0,
            "clearing_in": 0,
        }
        assert world.balance(world.route.costs_id) - costs == -fees
        assert world.balance(self_cash) - cash == -(10_000 + 5_000 - 2_000 - fees)
        world.verify()

    def test_applied_twice_changes_nothing(self, world, merchant):
        world.pay(merchant)
        report, _, _ = world.processor.pay_out("EUR", at=world.at)
        first = world.apply_report(report)
        after = world.clearing()
        second = world.apply_report(report)

        assert (first["settled"], second["settled"], second["known"]) == (1, 0, 1)
        assert world.clearing() == after

    def test_is_the_strongest_word_for_a_capture_nobody_answered(self, world, merchant):
        key = world.pay(merchant, "tok_capture_timeout")
        with tenancy.scope(merchant.id):
            # The answer was lost, and with it the id that the report names.
            external = next(
                one["id"]
                for one in world.processor.objects.values()
                if one["reference"] == public_id("opr", world.operations(key)[0].pk)
            )
            Operation.objects.filter(payment_id=key).update(external_id=external)
        world.settle()

        assert (world.operations(key)[0].state, world.state(key)) == ("settled", "settled")

    def test_of_another_amount_or_of_nobody_stays_out_of_the_books(self, world, merchant):
        key = world.pay(merchant)
        before = world.clearing()
        (capture,) = world.operations(key)
        wrong = payments.SettledCard(
            capture.external_id, "payment", eur(9_999), eur(0), "po_x", world.at.date()
        )
        nobody = payments.SettledCard("cap_77777777", "payment", eur(500), eur(0), "po_x", world.at.date())
        answer = do(payments.SettleCards(None, PROVIDER, (wrong, nobody)), at=world.at)

        assert (answer["differ"], answer["unknown"], answer["settled"]) == (1, 1, 0)
        assert world.state(key) == "review"
        assert world.clearing() == before

    def test_before_the_last_capture_leaves_the_payment_captured_in_part(self, world, merchant):
        key = world.pay(merchant, capture="manual")
        world.capture(merchant, key, 4_000)
        world.settle()
        in_part = world.state(key)
        world.cancel(merchant, key)

        assert (in_part, world.state(key)) == ("partially_captured", "settled")


class TestExpiry:
    def expire(self, world):
        return do(payments.ExpireIntents(None), at=world.at)["expired"]

    def test_ends_what_nobody_captured(self, world, merchant):
        key = world.pay(merchant, capture="manual")
        world.pass_time(days=7, seconds=1)

        assert public_id("pay", key) in self.expire(world)
        assert world.state(key) == "expired"
        assert public_id("pay", key) not in self.expire(world)

    def test_ends_what_nobody_authenticated_and_voids_what_comes_later(self, world, merchant):
        key = world.pay(merchant, "tok_3ds")
        (attempt,) = world.attempts(key)
        world.pass_time(hours=1, seconds=1)
        self.expire(world)
        states = (world.state(key), world.attempts(key)[0].state)
        world.processor.complete_action(attempt.external_id, succeeded=True, at=world.at)
        world.tell_all(merchant)
        world.pass_time(seconds=11)
        world.drive_due()

        assert states == ("expired", "failed")
        assert [one.state for one in world.operations(key, "void")] == ["succeeded"]
        assert world.state(key) == "expired"

    def test_keeps_what_was_captured_in_part(self, world, merchant):
        key = world.pay(merchant, capture="manual")
        world.capture(merchant, key, 100)
        world.pass_time(days=8)
        self.expire(world)

        assert world.state(key) == "captured"

    def test_leaves_what_nobody_knows_for_later(self, world, merchant):
        key = world.pay(merchant, "tok_timeout")
        world.pass_time(hours=2)
        self.expire(world)

        assert world.state(key) == "created"


class TestAtTheSameMoment:
    def test_captures_never_exceed_the_authorised_amount(self, world, merchant, in_threads):
        key = world.pay(merchant, capture="manual")
        command = payments.CaptureCardPayment(merchant.id, key, eur(4_000))
        answers = in_threads(lambda _: do(command, at=world.at), range(5))

        assert sum(isinstance(answer, dict) for answer in answers) == 2
        assert all(isinstance(answer, (dict, Refusal)) for answer in answers)
        for answer in answers:
            if isinstance(answer, dict):
                world.drive(merchant, answer)
        assert world.of(merchant)["pending"] == 8_000

    def test_refunds_never_exceed_what_was_captured(self, world, merchant, in_threads):
        key = world.pay(merchant)
        command = payments.CreateRefund(merchant.id, key, eur(4_000))
        answers = in_threads(lambda _: do(command, at=world.at), range(5))

        assert sum(isinstance(answer, dict) for answer in answers) == 2
        assert world.of(merchant)["pending"] == 2_000

    def test_of_two_who_send_one_does(self, world, merchant, in_threads):
        answer = world.order(merchant)
        before = len(world.server.desk.calls)
        in_threads(
            lambda _: card_calls.drive(answer["next"], organisation_id=merchant.id, at=world.at), range(4)
        )

        sent = [one for one in world.server.desk.calls[before:] if one == "POST /v1/authorisations"]
        assert len(sent) == 1

    def test_the_answer_and_the_event_may_race(self, world, merchant, in_threads):  # 9
        for _ in range(3):
            key = world.pay(merchant, "tok_pending")
            world.pass_time(seconds=61)
            told = [one for one in world.events(merchant) if one.type.startswith("card.capture")]
            results = in_threads(lambda event: world.tell(merchant, event), told * 2)

            assert not [one for one in results if isinstance(one, Exception)]
            assert world.state(key) == "captured"
        assert world.of(merchant)["pending"] == 30_000


class TestTheTables:
    def test_belong_to_one_organisation(self, world, merchant):
        key = world.pay(merchant)
        other = factories.merchant(accounts_count=1)
        for command in (
            payments.CaptureCardPayment(other.id, key),
            payments.CancelPayment(other.id, key),
            payments.CreateRefund(other.id, key, eur(1)),
            payments.RetryCardPayment(other.id, key, "tok_visa"),
            payments.ResolveCardReview(other.id, key, "resume", "mine now"),
            MarkCardSent(other.id, public_id("att", world.attempts(key)[0].pk)),
        ):
            with pytest.raises(NotFound):
                do(command, at=world.at)
        with tenancy.scope(other.id):
            assert Attempt.objects.count() == Operation.objects.count() == 0

    def test_keep_what_was_asked(self, world, merchant):
        key = world.pay(merchant)
        for model in (Attempt, Operation):
            with pytest.raises(IntegrityError), tenancy.scope(merchant.id):
                model.objects.filter(payment_id=key).update(amount_minor=1)
            with pytest.raises(IntegrityError), tenancy.scope(merchant.id):
                model.objects.filter(payment_id=key).delete()
            with pytest.raises(IntegrityError), tenancy.scope(merchant.id):
                model.objects.filter(payment_id=key).update(external_id="other")

    def test_have_no_room_for_a_card_number(self, world, merchant):
        key = world.pay(merchant)
        with pytest.raises(IntegrityError), tenancy.scope(merchant.id), connection.cursor() as cursor:
            cursor.execute(
                "UPDATE payments_attempt SET card_token = %s WHERE payment_id = %s", ["4111111111111111", key]
            )

    def test_one_processor_takes_a_currency(self, world):
        with pytest.raises(Invalid):
            do(
                payments.AddCardProcessor(
                    None, factories.operator(), "another", "EUR", "https://pay.example", world.bank.id
                )
            )
        with tenancy.scope(tenancy.PLATFORM):
            assert CardProcessor.objects.filter(currency="EUR").count() == 1
        for wrong in (
            {"name": "No"},
            {"base_url": "ftp://x"},
            {"base_url": "https://"},
            {"reserve_days": 999},
            {"currency": "GBP"},
        ):
            good = {
                "operator_id": factories.operator(),
                "name": "another",
                "currency": "EUR",
                "base_url": "https://pay.example",
                "settlement_account_id": world.bank.id,
            }
            with pytest.raises(Refusal):
                do(payments.AddCardProcessor(None, **{**good, **wrong}))

    def test_nothing_of_a_card_number_is_ever_written_down(self, world, merchant, caplog, owner_sql):
        for wrong in ({"card": "4111111111111111"}, {"reference": "4111111111111111"}):
            with pytest.raises((CardNumberRefused, BadCardToken)):
                world.order(merchant, **wrong)

        assert "4111111111111111" not in caplog.text
        for table in ("core_storedanswer", "core_outboxevent"):
            assert owner_sql(f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%%4111111111111111%%'") == [
                (0,)
            ]


class TestTheWire:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"object": "payment"},
            {"status": "fine"},
            {"amount": "100"},
            {"amount": 1.5},
            {"amount": True},
            {"amount": 0},
            {"amount": -1},
            {"amount": 10**15},
            {"currency": "EURO"},
            {"currency": None},
            {"id": ""},
            {"id": "a b"},
            {"id": "x" * 101},
            {"id": 7},
            {"reference": "../x"},
            {"code": "x" * 41},
            {"code": "<script>"},
            {"action_url": "javascript:alert(1)"},
            {"action_url": "https://[x"},
            {"action_url": "https://x/\n"},
            {"expires_at": "tomorrow"},
            {"expires_at": "2026-01-01"},
            {"expires_at": "9999-01-01T00:00:00+00:00"},
        ],
    )
    def test_refuses_what_cannot_be_right(self, world, merchant, wrong):
        good = {
            "object": "authorisation",
            "id": "pi_1",
            "reference": "",
            "status": "authorised",
            "amount": 100,
            "currency": "EUR",
        }
        assert card.read_word(good).amount == eur(100)
        with pytest.raises(Invalid):
            card.read_word({**good, **wrong})
        if any(isinstance(value, float) for value in wrong.values()):
            return  # commands hold none
        with pytest.raises(Invalid):
            world.tell(
                merchant, Told("", "evt", "card.authorisation.authorised", {**good, **wrong}, world.at)
            )

    def test_passes_over_what_is_no_event_of_cards(self, world, merchant):
        world.pay(merchant)
        (event, *_) = world.events(merchant)

        for name in ("card.updated", "card.", "card.refund.authorised", "cards.capture.succeeded"):
            answer = world.tell(merchant, Told("", "evt", name, event.data, world.at))
            assert (answer["result"], answer["reason"]) == ("ignored", "unknown event type")

    def test_refuses_a_type_that_its_object_denies(self, world, merchant):
        world.pay(merchant)
        (event, *_) = world.events(merchant)
        with pytest.raises(Invalid):
            world.tell(merchant, Told("", "evt", "card.refund.succeeded", event.data, world.at))

    def test_treats_garbage_as_no_answer(self, world, merchant):
        key = world.order(merchant)
        key = parse_public_id("pay", key["id"])
        reference = public_id("att", world.attempts(key)[0].pk)
        do(MarkCardSent(merchant.id, reference), at=world.at)
        do(ApplyCardOutcome(merchant.id, reference, "answered", word={"object": "?"}), at=world.at)

        assert world.attempts(key)[0].state == "unknown"

    @pytest.mark.parametrize(
        ("behaviour", "expected"),
        [
            (b"", "no"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]", "no"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{x", "no"),
            (b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n{}", "no"),
            (b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 2\r\n\r\n{}", 302),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}", "no"),
            (b"nonsense\r\n\r\n", "no"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 200),
        ],
    )
    def test_tells_an_answer_from_none(self, behaviour, expected):
        import socket

        from apps.payments import processor

        listener = socket.create_server(("127.0.0.1", 0))

        def serve():
            peer, _ = listener.accept()
            peer.recv(65_536)
            peer.sendall(behaviour)
            peer.close()

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            if expected == "no":
                with pytest.raises(processor.NoAnswer):
                    processor.call(url, SENT, api_key="k", timeout_s=20)
            else:
                answer = processor.call(url, SENT, api_key="k", timeout_s=20)
                assert answer.status == expected
        finally:
            thread.join()
            listener.close()
        with pytest.raises(processor.NotSent):
            processor.call(url, SENT, api_key="k", timeout_s=20)


class TestAFrozenAccount:
    def freeze(self, merchant):
        from apps.ledger import public as ledger

        with tenancy.scope(merchant.id):
            ledger.freeze_account(account_id=merchant.ledger_id(), actor="tests")

    def thaw(self, merchant):
        from apps.ledger import public as ledger

        with tenancy.scope(merchant.id):
            ledger.unfreeze_account(account_id=merchant.ledger_id(), actor="tests")

    def test_holds_up_nobody_elses_reserve(self, world, merchant):
        other = factories.merchant(accounts_count=1)
        world.pay(merchant)
        world.pay(other)
        self.freeze(merchant)
        world.pass_time(days=3)
        world.drive_due()
        frozen, free = world.of(merchant), world.of(other)
        self.thaw(merchant)
        world.pass_time(hours=1, seconds=1)
        world.drive_due()

        assert frozen["pending"] == free["available"] == 10_000
        assert world.of(merchant)["available"] == 10_000

    def test_lets_a_failed_refund_wait_and_go_on(self, world, merchant):
        key = world.pay(merchant, "tok_refund_fails")
        world.pass_time(days=3)
        world.drive_due()
        world.refund(merchant, key, 4_000)
        self.freeze(merchant)
        world.pass_time(seconds=61)
        world.processor.take_events()
        world.drive_due()
        waiting = world.operations(key, "refund")[0].state
        self.thaw(merchant)
        world.pass_time(hours=1)
        world.drive_due()

        assert (waiting, world.operations(key, "refund")[0].state) == ("pending", "failed")
        assert world.of(merchant)["available"] == 10_000

    def test_does_not_keep_a_dispute_out_of_the_books(self, world, merchant):
        key = world.pay(merchant)
        world.pass_time(days=3)
        world.drive_due()
        self.freeze(merchant)
        (attempt,) = world.attempts(key)
        world.processor.open_dispute(attempt.external_id, 2_000, at=world.at)
        world.tell_all(merchant)

        assert world.of(merchant) == {"available": 10_000, "pending": 0, "owed": -2_000}
