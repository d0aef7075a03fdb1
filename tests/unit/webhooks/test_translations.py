"""What Stripe's own events mean in our words. The sample is the event of Stripe's documentation, cut."""

from __future__ import annotations

import pytest

from apps.webhooks.domain.translations import Untranslatable, translate

ACCOUNT = "acc_01j9zv1q2v3w4x5y6z7a8b9c0d"


def event(**intent):
    whole = {
        "id": "pi_3MtwBwLkdIwHu7ix28a3tqPa",
        "object": "payment_intent",
        "amount": 2000,
        "amount_received": 2000,
        "currency": "eur",
        "description": "Order 7",
        "metadata": {"account_id": ACCOUNT},
        "status": "succeeded",
    } | intent
    return {"id": "evt_1", "object": "event", "livemode": False, "data": {"object": whole}}


def test_a_succeeded_intent_is_a_payin_of_what_was_received():
    told = translate("stripe", "payment_intent.succeeded", event(amount=2500))

    assert told.event_type == "payin.succeeded"
    assert told.payload == {
        "id": "pi_3MtwBwLkdIwHu7ix28a3tqPa",
        "account_id": ACCOUNT,
        "amount": {"amount": "20.00", "currency": "EUR"},
        "reference": "Order 7",
    }


def test_a_currency_without_minor_units_keeps_its_amount():
    told = translate("stripe", "payment_intent.succeeded", event(currency="jpy", amount_received=500))

    assert told.payload["amount"] == {"amount": "500", "currency": "JPY"}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("created", "created"),
        ("processing", "pending"),
        ("payment_failed", "failed"),
        ("canceled", "cancelled"),
    ],
)
def test_what_moves_no_money_carries_no_payload(theirs, ours):
    told = translate("stripe", f"payment_intent.{theirs}", event())

    assert (told.event_type, told.payload) == (f"payin.{ours}", {})


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_received": 0},
        {"amount_received": -1},
        {"amount_received": True},
        {"amount_received": "2000"},
        {"amount_received": None},
        {"currency": None},
        {"currency": "xxx1"},
        {"currency": "isk"},
        {"currency": "ugx"},
    ],
)
def test_money_that_is_not_clearly_told_is_a_dead_letter_and_no_guess(wrong):
    with pytest.raises(Untranslatable):
        translate("stripe", "payment_intent.succeeded", event(**wrong))


@pytest.mark.parametrize(
    ("provider", "event_type", "payload"),
    [
        ("stripe", "charge.succeeded", event()),
        ("stripe", "payment_intent.succeeded", event(metadata={})),
        ("stripe", "payment_intent.succeeded", event(metadata=None)),
        ("stripe", "payment_intent.succeeded", {}),
        ("stripe", "payment_intent.succeeded", {"data": 7}),
        ("stripe", "payment_intent.succeeded", {"data": {"object": [1]}}),
        ("adyen", "AUTHORISATION", {"success": "true"}),
        ("gocardless", "payments.confirmed", {"links": {"payment": "PM1"}}),
    ],
)
def test_everything_else_stays_as_it_came(provider, event_type, payload):
    told = translate(provider, event_type, payload)

    assert (told.event_type, told.payload) == (event_type, payload)
