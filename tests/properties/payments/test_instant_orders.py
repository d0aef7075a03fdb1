"""Whatever order a bank's words arrive in: one state, balanced books, each booked once."""

import uuid
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core import clock, tenancy
from apps.core.ids import parse_public_id
from apps.core.money import Money
from apps.payments import public as payments
from apps.payments.commands import ApplyInstantStatus, NoteSilence, PlanInquiry, SendInstant
from apps.payments.models import Payment
from apps.payments.models_instant import ProviderCircuit
from tests import factories
from tests.factories import PayoutFactory, do
from tests.instants import URLS, latest, stored

MINOR = 1_000


@pytest.fixture(scope="module")
def merchants():
    return {}


@pytest.fixture
def merchant(db, merchants, settings):
    settings.PROVIDER_URLS = URLS
    with tenancy.scope(tenancy.PLATFORM):
        ProviderCircuit.objects.all().delete()
    if "one" not in merchants:
        merchants["one"] = factories.merchant(funded_minor=10_000_000, limit_minor=MINOR)
    return merchants["one"]


def sent(merchant):
    answer = do(
        PayoutFactory(
            organisation_id=merchant.id,
            account_id=merchant.accounts[0],
            amount=Money(MINOR, "EUR"),
            speed="instant",
            rail="sepa_inst",
        ),
        key=uuid.uuid4().hex,
    )
    key = parse_public_id("pay", answer["id"])
    do(SendInstant(None, key))
    return key


def status(key, told, source, code=""):
    command = ApplyInstantStatus(
        None, latest(key).message_id, stored(key).end_to_end_id, told, source, uuid.uuid4().hex, code
    )
    return do(command)


def silence(key):
    return do(NoteSilence(None, latest(key).message_id))


def question(key):
    at = clock.database_now() + timedelta(hours=1)
    return do(PlanInquiry(None, latest(key).message_id), at=at)


def settle(key):
    row = stored(key)
    amount, line = Money(MINOR, "EUR"), f"line-{uuid.uuid4().hex}"
    return do(payments.SettlePayment(row.organisation_id, key, amount, date(2026, 9, 1), line))


ACCEPTED = {
    "answer": lambda key: status(key, "accepted", "answer"),
    "inquiry": lambda key: status(key, "accepted", "inquiry"),
    "webhook": lambda key: status(key, "accepted", "webhook"),
    "pending": lambda key: status(key, "pending", "webhook"),
    "time-out": lambda key: status(key, "rejected", "answer", "AB05"),
    "silence": silence,
    "question": question,
}
REJECTED = {
    "answer": lambda key: status(key, "rejected", "answer", "AC04"),
    "inquiry": lambda key: status(key, "rejected", "inquiry", "AC04"),
    "webhook": lambda key: status(key, "rejected", "webhook", "AC04"),
    "pending": lambda key: status(key, "pending", "webhook"),
    "silence": silence,
    "question": question,
}


def live(merchant, words, happen):
    """Let the words happen to a new payment. Returns its state, and by how much the account fell."""
    key = sent(merchant)
    before = merchant.balance(0).posted + MINOR  # what sending took
    for word in words:
        happen[word](key)
    with tenancy.scope(tenancy.PLATFORM):
        assert payments.verify(Payment.objects.filter(pk=key)) == (1, [])
    return stored(key).state, before - merchant.balance(0).posted


@settings(max_examples=8)
@given(data=st.data())
def test_an_accepted_payment_is_accepted_whatever_comes_first(merchant, data):
    told = data.draw(st.sampled_from(["answer", "inquiry", "webhook"]))
    more = data.draw(st.lists(st.sampled_from(sorted(ACCEPTED)), max_size=6))

    assert live(merchant, data.draw(st.permutations([told, *more])), ACCEPTED) == ("accepted", MINOR)


@settings(max_examples=8)
@given(data=st.data())
def test_a_statement_settles_it_whatever_comes_before_or_after(merchant, data):
    happen = ACCEPTED | {"statement": settle}
    more = data.draw(st.lists(st.sampled_from(sorted(happen)), max_size=6))

    assert live(merchant, data.draw(st.permutations(["statement", *more])), happen) == ("settled", MINOR)


@settings(max_examples=8)
@given(data=st.data())
def test_a_rejected_payment_gives_the_money_back_once(merchant, data):
    told = data.draw(st.sampled_from(["answer", "inquiry", "webhook"]))
    more = data.draw(st.lists(st.sampled_from(sorted(REJECTED)), max_size=6))

    assert live(merchant, data.draw(st.permutations([told, *more])), REJECTED) == ("rejected", 0)


@settings(max_examples=5)
@given(more=st.lists(st.sampled_from(["silence", "question", "pending", "time-out"]), max_size=6))
def test_without_a_word_that_tells_nothing_is_booked_or_given_back(merchant, more):
    state, fell = live(merchant, ["silence", *more], ACCEPTED)

    assert (state, fell) == ("unknown", MINOR)
