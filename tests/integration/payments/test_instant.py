"""Instant payouts: what is known is booked, what is not known stays open until somebody knows."""

import json
import socket
import threading
import uuid
from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.core import tenancy
from apps.core.actors import Actor
from apps.core.errors import Conflict, Denied, Invalid, NotFound, Refusal
from apps.core.events import StoredEvent
from apps.core.ids import parse_public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments import handlers, instant, tasks
from apps.payments import public as payments
from apps.payments.circuits import CircuitOpen
from apps.payments.commands import ApplyInstantStatus, SendInstant
from apps.payments.commands.instant import ForeignStatus
from apps.payments.domain.machine import IllegalTransition
from apps.payments.domain.routing import NoRail
from apps.payments.models import Payment
from apps.payments.models_instant import PayeeVerification, ProviderCircuit
from apps.payments.payee_verification import verify_payee
from apps.payments.transport import Reply
from apps.simulator.listening import listening
from tests import factories
from tests.factories import PayoutFactory, do
from tests.instants import URLS, Line, attempts, latest, stored
from tests.integration.payments import exchanging

TODAY = date(2026, 5, 4)


@pytest.fixture(autouse=True)
def connected(settings, db):
    """Reach the rails, with nothing held against them."""
    settings.PROVIDER_URLS = URLS
    with tenancy.scope(tenancy.PLATFORM):
        ProviderCircuit.objects.all().delete()


@pytest.fixture
def merchant(db):
    return factories.merchant(funded_minor=100_000, limit_minor=50_000)


@pytest.fixture
def line(db):
    return Line()


def payout(merchant, remittance="Invoice 4711", minor=2_500, speed="instant", **changes):
    command = PayoutFactory(
        organisation_id=merchant.id,
        account_id=merchant.accounts[0],
        amount=Money(minor, "EUR"),
        remittance=remittance,
        speed=speed,
        **changes,
    )
    answer = do(command, actor=merchant.client("payments.write"), key=uuid.uuid4().hex)
    return parse_public_id("pay", answer["id"])


def clearing_of(payment_id):
    """Return what the payment's own journals leave in clearing out: nothing once it is over."""
    row = stored(payment_id)
    with tenancy.scope(tenancy.PLATFORM):
        route = next(r for r in payments.settlement_accounts() if r.id == row.settlement_account_id)
        postings = [
            posting
            for journal in ledger.journals_by_reference(payments.payment_data(row)["id"])
            for posting in journal.postings
        ]
    credited = sum(p.amount_minor for p in postings if p.credit_id == route.clearing_out_id)
    return credited - sum(p.amount_minor for p in postings if p.debit_id == route.clearing_out_id)


def settle(payment_id, minor=2_500):
    row = stored(payment_id)
    return do(
        payments.SettlePayment(
            row.organisation_id, row.pk, Money(minor, "EUR"), TODAY, f"l-{uuid.uuid4().hex}"
        )
    )


def tell(payment_id, told="accepted", source="webhook", **changes):
    attempt = latest(payment_id)
    values = {
        "message_id": attempt.message_id,
        "end_to_end_id": stored(payment_id).end_to_end_id,
        "told": told,
        "source": source,
        "status_id": uuid.uuid4().hex,
    }
    return do(ApplyInstantStatus(None, **{**values, **changes}))


def verified():
    with tenancy.scope(tenancy.PLATFORM):
        return payments.verify(Payment.objects.filter(rail="sepa_inst"))[1]


class TestAnInstantPayout:
    def test_is_accepted_within_one_call_and_settled_by_the_statement(self, merchant, line):
        key = payout(merchant)

        answer = line.send(key)

        assert (answer["state"], answer["rail"], answer["applied"]) == ("accepted", "sepa_inst", True)
        assert (merchant.balance(0).posted, clearing_of(key)) == (97_500, 2_500)
        settle(key)
        assert (stored(key).state, clearing_of(key)) == ("settled", 0)
        assert verified() == []

    def test_shows_on_the_banks_statement(self, merchant, line):
        key = payout(merchant)
        line.send(key)

        data = line.bank.statement(factories.SETTLEMENT_IBANS["EUR"], day=line.at.date(), at=line.at)

        (statement,) = payments.formats.read_statements(data).statements
        assert [(e.amount.minor, e.details[0].refs.end_to_end) for e in statement.entries] == [
            (-2_500, stored(key).end_to_end_id)
        ]

    def test_that_the_bank_rejects_gives_the_money_back_with_the_code_and_advice(self, merchant, line):
        key = payout(merchant, "simulate:reject AC04")

        answer = line.send(key)

        assert (answer["state"], answer["failure_code"], answer["advice"]) == ("rejected", "AC04", "stop")
        assert (merchant.balance(0).posted, merchant.balance(0).available) == (100_000, 100_000)
        assert clearing_of(key) == 0

    def test_is_not_sent_before_it_is_approved_nor_twice(self, merchant, line):
        waiting = payout(merchant, minor=60_000)
        key = payout(merchant)
        line.send(key)

        for one in (waiting, key):
            with pytest.raises(IllegalTransition):
                line.send(one)
        assert len(line.calls) == 1

    def test_on_a_rail_of_files_is_not_sent_by_a_call(self, merchant, line):
        with pytest.raises(Conflict):
            line.send(payout(merchant, speed="standard"))

    def test_leaves_with_the_others_that_are_due(self, merchant, line):
        keys = [payout(merchant) for _ in range(3)]

        sent = instant.send_due(line.caller)

        assert sent >= 3
        assert {stored(key).state for key in keys} == {"accepted"}

    def test_that_cannot_be_written_is_never_called_out(self, merchant, line, settings):
        settings.INSTANT_BUDGET_S = -1  # our own part took too long

        answer = line.send(payout(merchant))

        assert (answer["state"], line.calls) == ("approved", [])


class TestSilence:
    def test_is_never_a_rejection(self, merchant, line):
        key = payout(merchant, "simulate:silence")

        answer = line.send(key)

        assert answer["state"] == "unknown"
        assert (merchant.balance(0).posted, clearing_of(key)) == (97_500, 2_500)

    def test_is_ended_by_the_answer_to_an_inquiry(self, merchant, line):
        key = payout(merchant, "simulate:silence")
        line.send(key)

        too_soon = line.inquire(key)
        told = line.later(30).inquire(key)

        assert (too_soon["asked"], too_soon["state"]) == (False, "unknown")
        assert (told["asked"], told["state"]) == (True, "accepted")
        assert b"pacs.028" in line.calls[-1][1]

    def test_is_asked_about_at_growing_intervals_and_then_left_to_people(self, merchant, line):
        key = payout(merchant, "simulate:late 99999")
        line.send(key)

        asked = []
        for wait_s in (19, 1, 119, 1, 600, 3_600, 100_000):
            line.later(wait_s)
            asked += [line.inquire(key)["asked"]]

        assert asked == [False, True, False, True, True, True, False]
        assert (stored(key).state, latest(key).inquire_at) == ("unknown", None)
        assert key in [row["id"] for row in instant.unanswered()]

    def test_and_a_late_acceptance_books_once(self, merchant, line):
        key = payout(merchant, "simulate:late 60")
        line.send(key)
        line.later(30)
        assert line.inquire(key)["state"] == "unknown"

        line.later(120)
        assert line.inquire(key)["state"] == "accepted"
        repeated = tell(key)

        assert (repeated["applied"], repeated["reason"]) == (False, "repeated")
        assert (merchant.balance(0).posted, clearing_of(key)) == (97_500, 2_500)

    def test_may_hide_behind_a_rejection_for_a_time_out(self, merchant, line):
        key = payout(merchant, "simulate:timeout")

        answer = line.send(key)
        told = line.later(90).inquire(key)

        assert (answer["state"], told["state"]) == ("unknown", "accepted")

    def test_may_end_with_the_statement(self, merchant, line):
        key = payout(merchant, "simulate:silence")
        line.send(key)

        settle(key)

        assert (stored(key).state, clearing_of(key)) == ("settled", 0)
        assert line.later(60).inquire(key)["asked"] is False

    def test_of_a_crash_between_commit_and_call_is_asked_about_and_never_sent_blindly(self, merchant, line):
        key = payout(merchant)
        do(SendInstant(None, key), at=line.at)  # and then the process dies

        instant.send_due(line.caller)
        assert latest(key).message_id.encode() not in b"".join(body for _, body in line.calls)
        told = line.later(31).inquire(key)

        # The bank never had it, says so, and only then a new message goes.
        assert told["state"] == "approved"
        assert line.send(key)["state"] == "accepted"
        assert [a.message_id[-2:] for a in attempts(key)] == ["-1", "-2"]
        assert [a.outcome for a in attempts(key)] == ["rejected", "accepted"]
        assert merchant.balance(0).posted == 97_500

    def test_of_a_crash_after_the_call_is_ended_by_the_inquiry(self, merchant, line):
        key = payout(merchant)
        line.trouble = [None]
        line.send(key)

        assert line.later(31).inquire(key)["state"] == "accepted"
        assert len(attempts(key)) == 1


class TestNothingSent:
    def test_is_tried_again_later_with_a_new_message(self, merchant, line):
        key = payout(merchant)
        line.trouble = [Reply(reached=False, error="cannot_connect")]

        answer = line.send(key)

        assert (answer["state"], answer["rail"]) == ("approved", "sepa_inst")
        assert (merchant.balance(0).posted, merchant.balance(0).available) == (100_000, 97_500)
        with pytest.raises(Conflict):
            line.send(key)
        assert line.later(6).send(key)["state"] == "accepted"
        assert merchant.balance(0).posted == 97_500

    def test_keeps_what_was_bought_for_it_and_gives_it_back_when_it_fails(self, line):
        exchanging.list_rate(currency="GBP", rate="0.8440")
        one = exchanging.merchant(currency="GBP")
        do(payments.SetPayoutPolicy(one.id, Money(50_000, "EUR")))
        quote = exchanging.quote(one, Money(2_500, "EUR"), "GBP", "bought")
        key = payout(one, rail="sepa_inst", quote_id=exchanging.quote_id(quote))
        spent = Money.parse(quote["total"]["amount"], "GBP").minor
        line.trouble = [Reply(reached=False, error="cannot_connect")] * 3

        for wait_s in (0, 6):
            line.later(wait_s).send(key)
            assert (stored(key).state, one.balance(0).available) == ("approved", 100_000 - spent)
        line.later(61).send(key)

        assert (stored(key).state, one.balance(0).available) == ("rejected", 100_000)
        assert clearing_of(key) == 0
        assert verified() == []

    def test_again_and_again_goes_by_another_rail(self, merchant, line):
        key = payout(merchant)
        line.trouble = [Reply(reached=False, error="cannot_connect")] * 3

        for wait_s in (0, 6, 61):
            line.later(wait_s).send(key)

        row = stored(key)
        assert (row.state, row.rail, row.rail_fixed) == ("approved", "sepa_ct", False)
        assert merchant.balance(0).available == 97_500

    def test_is_rejected_in_the_end_when_the_order_names_its_rail(self, merchant, line):
        key = payout(merchant, rail="sepa_inst")
        line.trouble = [Reply(reached=False, error="cannot_connect")] * 3

        for wait_s in (0, 6, 61):
            line.later(wait_s).send(key)

        row = stored(key)
        assert (row.state, row.failure_code, merchant.balance(0).available) == (
            "rejected",
            "not_sent",
            100_000,
        )

    def test_but_silence_changes_no_rail(self, merchant, line):
        key = payout(merchant)
        line.trouble = [Reply(reached=True, error="http_503")]

        assert line.send(key)["state"] == "unknown"


class TestAnotherRail:
    def test_takes_what_the_payees_bank_cannot_receive_at_once(self, merchant, line):
        key = payout(merchant, "simulate:reject CNOR")

        answer = line.send(key)

        assert (answer["state"], answer["rail"]) == ("approved", "sepa_ct")
        assert (merchant.balance(0).posted, merchant.balance(0).available) == (100_000, 97_500)
        assert clearing_of(key) == 0
        assert verified() == []

    def test_is_advised_when_the_order_names_its_rail(self, merchant, line):
        answer = line.send(payout(merchant, "simulate:reject CNOR", rail="sepa_inst"))

        assert (answer["state"], answer["failure_code"], answer["advice"]) == (
            "rejected",
            "CNOR",
            "other_rail",
        )

    def test_is_chosen_at_once_while_the_circuit_is_open(self, merchant, line):
        _open_circuit(merchant, line)

        later = stored(payout(merchant))

        assert later.rail == "sepa_ct"
        with pytest.raises(NoRail) as refusal:
            payout(merchant, rail="sepa_inst")
        assert refusal.value.facts["rails"] == {"sepa_inst": "unavailable"}


def _open_circuit(merchant, line):
    for _ in range(5):
        line.trouble = [Reply(reached=False, error="cannot_connect")]
        line.send(payout(merchant, minor=100))

    def test_takes_what_has_waited_a_minute_for_its_own_to_work_again(self, merchant, line):
        waiting, fixed = payout(merchant), payout(merchant, rail="sepa_inst")
        _open_circuit(merchant, line)

        rails = []
        for wait_s in (0, 61):
            line.later(wait_s)
            with tenancy.scope(tenancy.PLATFORM):
                ProviderCircuit.objects.update(open_until=line.at + timedelta(seconds=30))
            instant.send_due(line.caller)
            rails.append((stored(waiting).rail, stored(fixed).rail))

        assert rails == [("sepa_inst", "sepa_inst"), ("sepa_ct", "sepa_inst")]
        assert (stored(waiting).state, merchant.balance(0).posted) == ("approved", 100_000)
        with tenancy.scope(tenancy.PLATFORM):
            assert payments.events_of(waiting)[-1].reason == "other rail: sepa_ct"
        assert verified() == []


class TestTheCircuit:
    def test_opens_after_failures_lets_one_probe_pass_and_closes(self, merchant, line):
        waiting, second = payout(merchant), payout(merchant)
        _open_circuit(merchant, line)

        with pytest.raises(CircuitOpen):
            line.send(waiting)
        line.later(31)
        do(SendInstant(None, waiting), at=line.at)  # the probe, which has no answer yet
        with pytest.raises(CircuitOpen):
            line.send(second)
        line.later(61)
        assert line.send(second)["state"] == "accepted"
        with tenancy.scope(tenancy.PLATFORM):
            assert ProviderCircuit.objects.get(name="sepa_inst").opened == 0

    def test_takes_a_rejection_for_an_answer(self, merchant, line):
        for _ in range(6):
            line.send(payout(merchant, "simulate:reject AC04", minor=100))

        assert line.send(payout(merchant))["state"] == "accepted"


class TestAnswersThatDoNotFit:
    @pytest.mark.parametrize("fault", ["huge", "foreign"])
    def test_are_silence(self, merchant, line, fault):
        key = payout(merchant, f"simulate:{fault}")

        assert line.send(key)["state"] == "unknown"
        assert line.later(31).inquire(key)["state"] == "accepted"

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{}",
            b"<a/>",
            b"\x00" * 100,
            b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>",
            b"<" * 200_000,
            b"<x>" * 90_000,
        ],
    )
    def test_are_silence_whatever_they_are(self, merchant, line, body):
        line.trouble = [Reply(reached=True, body=body)]

        assert line.send(payout(merchant))["state"] == "unknown"

    def test_in_amount_go_to_review_and_never_into_the_books(self, merchant, line):
        key = payout(merchant, "simulate:wrong")

        answer = line.send(key)

        assert (answer["state"], clearing_of(key)) == ("review", 2_500)
        assert tell(key)["applied"] is False

    @pytest.mark.parametrize("amount", [Money(2_501, "EUR"), Money(2_500, "USD")])
    def test_in_amount_or_currency_go_to_review_even_after_acceptance(self, merchant, line, amount):
        key = payout(merchant)
        line.send(key)

        assert tell(key, amount=amount)["state"] == "review"

    def test_in_amount_end_no_silence(self, merchant, line):
        key = payout(merchant, "simulate:silence")
        line.send(key)

        assert tell(key, source="inquiry", amount=Money(2_499, "EUR"))["state"] == "review"
        assert (merchant.balance(0).posted, clearing_of(key)) == (97_500, 2_500)

    def test_about_another_payment_are_refused(self, merchant, line):
        one, other = payout(merchant), payout(merchant)
        line.send(one)

        with pytest.raises(ForeignStatus):
            tell(one, end_to_end_id=stored(other).end_to_end_id)
        with pytest.raises(NotFound):
            tell(one, message_id="NOBODY-1")
        assert stored(other).state == "approved"

    def test_twice_count_once(self, merchant, line):
        key = payout(merchant, "simulate:twice")

        assert line.send(key)["state"] == "accepted"
        assert clearing_of(key) == 2_500

    def test_that_call_it_a_duplicate_reject_nothing(self, merchant, line):
        key = payout(merchant)
        do(SendInstant(None, key), at=line.at)

        assert tell(key, "rejected", "inquiry", code="DUPL")["state"] == "unknown"

    def test_that_accept_what_was_rejected_before_the_next_attempt_go_to_review(self, merchant, line):
        key = payout(merchant)
        do(SendInstant(None, key), at=line.at)
        tell(key, "rejected", "inquiry", code="NOOR")
        assert stored(key).state == "approved"

        assert tell(key)["state"] == "review"
        assert (merchant.balance(0).posted, clearing_of(key)) == (97_500, 2_500)
        with pytest.raises(IllegalTransition):
            line.send(key)


class TestReview:
    RESOLVER = Actor("staff", "resolver", None, frozenset({"payments.resolve"}))

    @pytest.fixture
    def doubted(self, merchant, line):
        key = payout(merchant, "simulate:wrong")
        line.send(key)
        return key

    def test_is_decided_by_a_person_for_the_bank(self, merchant, doubted):
        answer = do(payments.ResolveReview(merchant.id, doubted, True, "bank confirmed"), actor=self.RESOLVER)

        assert (answer["state"], clearing_of(doubted)) == ("accepted", 2_500)

    def test_is_decided_by_a_person_against_the_bank(self, merchant, doubted):
        answer = do(payments.ResolveReview(merchant.id, doubted, False, "never left"), actor=self.RESOLVER)

        assert (answer["state"], clearing_of(doubted), merchant.balance(0).posted) == ("rejected", 0, 100_000)

    def test_ends_with_the_statement_too(self, doubted):
        settle(doubted)

        assert (stored(doubted).state, clearing_of(doubted)) == ("settled", 0)

    def test_is_not_decided_by_whoever_ordered_nor_without_the_permission(self, merchant, doubted):
        owner = Actor("api", "client", merchant.id, frozenset({"payments.resolve"}))
        for actor in (owner, merchant.client("payments.write", "payments.approve", name="another")):
            with pytest.raises(Denied):
                do(payments.ResolveReview(merchant.id, doubted, True, "trust me"), actor=actor)

    def test_is_nothing_for_another_organisation(self, doubted, make_organisation):
        with pytest.raises(NotFound):
            do(payments.ResolveReview(make_organisation().id, doubted, True, "mine"), actor=self.RESOLVER)

    def test_leaves_unknown_alone(self, merchant, line):
        key = payout(merchant, "simulate:silence")
        line.send(key)

        with pytest.raises(IllegalTransition):
            do(payments.ResolveReview(merchant.id, key, False, "impatient"), actor=self.RESOLVER)


def late_status(key, line, **changes):
    """Write the pacs.002 by which the bank tells of a payment on its own account."""
    formats, row = payments.formats, stored(key)
    values = {
        "status": "ACSC",
        "end_to_end_id": row.end_to_end_id,
        "amount": row.amount,
        "original_message_id": latest(key).message_id,
    }
    line_of = formats.TransactionStatus(**{**values, **changes})
    at = line.at.replace(microsecond=0)
    report = formats.StatusReport(
        "pacs.002.001.10", f"LATE-{uuid.uuid4().hex[:20]}", at, transactions=(line_of,)
    )
    return formats.build_status_report(report)


class TestALateMessage:
    @pytest.fixture
    def key(self, merchant, line):
        key = payout(merchant, "simulate:silence")
        line.send(key)
        return key

    def webhook(self, organisation_id, message, **changes):
        return do(
            payments.ApplyProviderEvent(
                organisation_id,
                "ourbank",
                f"evt_{uuid.uuid4().hex}",
                "bank.message",
                {"rail": "sepa_inst", "message": message, **changes},
                datetime.now(UTC),
            )
        )

    def test_is_applied_by_the_same_way(self, key, line):
        (answer,) = instant.take_status("sepa_inst", late_status(key, line), line.caller)

        assert (answer["state"], answer["applied"]) == ("accepted", True)

    def test_may_come_as_a_webhook_of_our_bank(self, key, line):
        message = late_status(key, line).decode()

        first, again = (self.webhook(factories.operator(), message) for _ in range(2))

        assert (first["result"], first["object_id"]) == ("applied", payments.payment_data(stored(key))["id"])
        assert (again["result"], again["reason"]) == ("ignored", "repeated")
        assert stored(key).state == "accepted"

    def test_is_not_believed_from_a_merchants_own_source(self, merchant, key, line):
        message = late_status(
            key, line, status="RJCT", reasons=(payments.formats.StatusReason(code="AC04"),)
        ).decode()

        answer = self.webhook(merchant.id, message)

        assert (answer["result"], stored(key).state) == ("ignored", "unknown")

    @pytest.mark.parametrize(
        ("message", "changes"),
        [("", {}), ("<x/>", {}), (None, {}), ("<x/>", {"rail": "ach"}), ("<x/>", {"rail": []})],
    )
    def test_that_is_none_is_refused(self, db, message, changes):
        with pytest.raises(Invalid):
            self.webhook(factories.operator(), message, **changes)


class TestAtTheSameTime:
    def test_two_workers_send_a_payment_once(self, merchant, line, in_threads):
        key = payout(merchant)

        outcomes = in_threads(lambda _: line.send(key), [1, 2])

        assert sorted(isinstance(outcome, Refusal) for outcome in outcomes) == [False, True]
        assert (len(line.calls), len(attempts(key))) == (1, 1)

    def test_an_answer_and_an_inquiry_book_once(self, merchant, line, in_threads):
        key = payout(merchant)
        do(SendInstant(None, key), at=line.at)

        in_threads(lambda source: tell(key, source=source), ["answer", "inquiry", "webhook"])

        assert (stored(key).state, clearing_of(key), verified()) == ("accepted", 2_500, [])


class TestTheRealLine:
    """The bank's own HTTP side and our own client, with a socket between them."""

    @pytest.fixture
    def bank(self, merchant, settings):
        class Desk:
            def __init__(self):
                self.line = Line()
                self.line.counter.directory = {"NL91ABNA0417164300": "Example Supplies BV"}

            def serve(self, path, body):
                if path == "/payee_verification":
                    return self.line.counter.verify(body)
                return self.line.counter.take(path.strip("/"), body, at=self.line.at).body

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        stop = threading.Event()
        with listening(Desk(), port=port, stop=stop):
            settings.PROVIDER_URLS = {name: f"http://127.0.0.1:{port}/{name}" for name in URLS}
            yield instant.Caller(factories.SYSTEM)
            stop.set()

    def test_carries_a_payment_and_its_answer(self, merchant, bank):
        key = payout(merchant)

        assert instant.send(key, bank)["state"] == "accepted"

    def test_carries_a_verification(self, merchant, bank):
        key, _ = verify_payee(
            merchant.id,
            name="Example Supplies",
            iban="NL91ABNA0417164300",
            actor=merchant.client("payments.write"),
            key=None,
        )

        with tenancy.scope(merchant.id):
            assert PayeeVerification.objects.get(pk=key).result == "match"

    def test_brings_a_megabyte_no_further_than_the_limit(self, merchant, bank):
        assert instant.send(payout(merchant, "simulate:huge"), bank)["state"] == "unknown"


class TestInquireUnknown:
    def test_tells_what_it_would_ask_and_fails_when_something_is_left_for_people(self, merchant, line):
        key = payout(merchant, "simulate:late 99999")
        line.send(key)
        line.later(-7_200)

        out = StringIO()
        try:
            call_command("inquire_unknown", "--dry-run", "--json", stdout=out)
            left = False
        except CommandError as error:
            left = error.returncode == 1

        told = json.loads(out.getvalue())
        assert set(told) == {"inquiries", "for_people"} and left == bool(told["for_people"])


class TestTenancy:
    def test_keeps_attempts_apart(self, merchant, line, make_organisation):
        from apps.payments.models_instant import InstantAttempt

        key = payout(merchant)
        line.send(key)

        with tenancy.scope(make_organisation().id):
            assert not InstantAttempt.objects.filter(payment_id=key).exists()
        with tenancy.scope(merchant.id):
            assert InstantAttempt.objects.filter(payment_id=key).count() == 1


def test_only_the_platform_sends(merchant, line):
    with pytest.raises(Refusal):
        do(SendInstant(None, payout(merchant)), actor=merchant.client("payments.write"))


class TestAnApprovedPayment:
    """What wakes the workers; the clock would do it too, later."""

    @pytest.mark.parametrize(("speed", "rung"), [("instant", True), ("standard", False)])
    def test_wakes_the_senders_of_its_rail(self, merchant, monkeypatch, speed, rung):
        rings = []
        monkeypatch.setattr(handlers._BELL, "ring", lambda: rings.append(1))
        key = payout(merchant, speed=speed)
        told = payments.payment_data(stored(key))
        at = datetime.now(UTC)

        handlers.wake_senders(
            StoredEvent(
                uuid.uuid4(),
                merchant.id,
                "payments.payment_approved",
                1,
                "payment",
                told["id"],
                {"rail": told["rail"]},
                "",
                at,
                at,
            )
        )

        assert bool(rings) is rung

    def test_is_sent_by_the_task(self, merchant, line, monkeypatch):
        caller = line.caller
        monkeypatch.setattr(tasks.instant, "Caller", lambda actor: caller)
        key = payout(merchant)

        tasks.send_instants.apply()

        assert stored(key).state == "accepted"

    def test_without_an_answer_is_asked_about_by_the_task(self, merchant, line, monkeypatch):
        key = payout(merchant, "simulate:silence")
        line.send(key)
        caller = line.later(60).caller
        monkeypatch.setattr(tasks.instant, "Caller", lambda actor: caller)

        tasks.inquire_unknown.apply()

        assert stored(key).state == "accepted"
