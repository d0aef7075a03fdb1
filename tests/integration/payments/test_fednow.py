"""Instant payouts in US dollars, and what the rail of files takes over from them."""

import uuid
from datetime import UTC, datetime

import pytest

from apps.core import tenancy
from apps.core.ids import parse_public_id
from apps.core.money import Money
from apps.payments import public as payments
from apps.payments.domain.routing import NoRail
from apps.payments.models import SettlementAccount
from apps.payments.models_instant import ProviderCircuit
from apps.payments.rails.base import Told
from apps.payments.rails.fednow import FedNow
from tests.factories import do
from tests.instants import URLS, Line, attempts, stored
from tests.integration.payments import us_bank


@pytest.fixture(autouse=True)
def connected(settings, db):
    settings.PROVIDER_URLS = URLS
    with tenancy.scope(tenancy.PLATFORM):
        ProviderCircuit.objects.all().delete()


@pytest.fixture
def line(db):
    key = us_bank.open_us_bank()
    line = Line()
    with tenancy.scope(tenancy.PLATFORM):
        number = SettlementAccount.objects.get(pk=key).iban
    line.us_bank.open_account(number, "1234567890", Money.zero("USD"))
    line.number = number
    return line


@pytest.fixture
def merchant(line):
    return us_bank.merchant()


def payout(one, minor=2_500, remittance="Invoice 4711", speed="instant", **changes):
    command = payments.CreatePayout(
        one.id,
        one.accounts[0],
        Money(minor, "USD"),
        us_bank.payee(),
        remittance=remittance,
        speed=speed,
        **changes,
    )
    return parse_public_id("pay", do(command, key=uuid.uuid4().hex)["id"])


class TestFedNow:
    def test_takes_an_instant_payout_in_dollars_which_the_banks_statement_shows(self, merchant, line):
        key = payout(merchant)

        answer = line.send(key)

        assert (answer["state"], answer["rail"]) == ("accepted", "fednow")
        day = line.at.date()
        data = line.us_bank.statement(line.number, day=day, at=line.at, until=day)
        (statement,) = payments.formats.read_statements(data).statements
        assert [entry.amount.minor for entry in statement.entries] == [-2_500]
        assert stored(key).end_to_end_id.encode() in data

    def test_is_asked_no_sooner_than_25_seconds(self, merchant, line):
        key = payout(merchant, remittance="simulate:silence")
        line.send(key)  # waits for twenty

        assert line.inquire(key)["asked"] is False
        assert line.later(5).inquire(key)["asked"] is False  # at 25 s by the bank's clock, not yet by ours
        assert line.later(1).inquire(key) == {
            "message_id": attempts(key)[0].message_id,
            "state": "accepted",
            "asked": True,
        }

    def test_sends_again_with_a_new_message_after_a_time_out_that_the_inquiry_confirms(self, merchant, line):
        key = payout(merchant, remittance="simulate:lost")
        line.send(key)

        assert line.later(27).inquire(key)["state"] == "approved"
        line.send(key)
        assert [a.message_id.rsplit("-")[-1] for a in attempts(key)] == ["1", "2"]

    def test_leaves_what_is_over_its_limit_to_the_ach(self, merchant, line):
        assert stored(payout(merchant, minor=9_999_999, speed="instant")).rail == "fednow"
        with pytest.raises(NoRail) as refusal:
            payout(merchant, minor=50_000_001, rail="fednow")
        assert refusal.value.facts["rails"] == {"fednow": "amount"}

    def test_hands_what_the_payees_bank_cannot_receive_to_the_ach(self, merchant, line):
        answer = line.send(payout(merchant, remittance="simulate:reject AG11"))

        assert (answer["state"], answer["rail"]) == ("approved", "ach")

    def test_is_not_asked_for_where_the_speed_is_standard(self, merchant):
        assert stored(payout(merchant, speed="standard")).rail == "ach"


class TestOtherMessages:
    def test_of_recalls_and_returns_are_read(self):
        f = payments.formats
        at, ours, theirs = datetime(2026, 9, 1, tzinfo=UTC), f.Agent(member="1"), f.Agent(member="2")
        original = f.OriginalPayment(message_id="M", end_to_end_id="E", amount=Money(5, "USD"))
        recall = f.build_recall(f.RecallMessage("R", at, theirs, ours, (f.Recall("C", "FRAD", original),)))
        back = f.build_payment_return(
            f.ReturnMessage(
                "B", at, (f.PaymentReturn(Money(5, "USD"), "AC04", original),), format="pacs.004.001.10"
            )
        )
        answer = f.build_recall_answer(
            f.RecallAnswerMessage(
                "A", at, theirs, ours, "RJCR", (f.RecallAnswer("RJCR", "C", original, reason="NOAS"),)
            )
        )

        told = [FedNow().parse_inbound(data)[0] for data in (recall, back, answer)]

        assert [event.told for event in told] == [Told.RECALLED, Told.RETURNED, Told.RECALL_ANSWERED]
        assert {event.reference for event in told} == {"E"}
