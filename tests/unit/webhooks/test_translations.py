"""What providers' own events mean in our words. The samples are those of their documentation, cut."""

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
        ("adyen", "REPORT_AVAILABLE", {"success": "true"}),
        ("adyen", "balancePlatform.transfer.created", {}),
        ("gocardless", "mandates.created", {"links": {"mandate": "MD1"}}),
        ("truelayer", "payout_executed", {"payout_id": "1"}),
        ("square", "payment.updated", {}),
    ],
)
def test_everything_else_stays_as_it_came(provider, event_type, payload):
    told = translate(provider, event_type, payload)

    assert (told.event_type, told.payload) == (event_type, payload)


ATTEMPT, OPERATION = "att_01j9zv1q2v3w4x5y6z7a8b9c0d", "opr_01j9zv1q2v3w4x5y6z7a8b9c0d"
SETTINGS = {"metadata_names_amount": True, "accounts": {"ma-1": ACCOUNT}}


def item(**changes):
    return {
        "pspReference": "QFQTPCQ8HXSKGK82",
        "originalReference": "NC6HT9CRT65ZGN82",
        "merchantReference": OPERATION,
        "success": "true",
        "amount": {"value": 1000, "currency": "EUR"},
        "reason": "",
    } | changes


class TestAdyen:
    def test_an_authorisation_is_the_attempt_it_names(self):
        told = translate(
            "adyen", "AUTHORISATION", item(merchantReference=ATTEMPT, reason="026817:1111:03/2030")
        )

        assert told.event_type == "card.authorisation.authorised"
        assert told.payload == {
            "object": "authorisation",
            "id": "QFQTPCQ8HXSKGK82",
            "reference": ATTEMPT,
            "status": "authorised",
            "amount": 1000,
            "currency": "EUR",
            "authorisation": "",
            "code": "",
        }

    @pytest.mark.parametrize(
        ("reason", "code"),
        [
            ("Not enough balance", "insufficient_funds"),
            ("Refused", "refused"),
            (None, ""),
            ("x y/" * 40, None),
        ],
    )
    def test_a_refusal_carries_its_reason_as_a_code(self, reason, code):
        told = translate(
            "adyen", "AUTHORISATION", item(merchantReference=ATTEMPT, success="false", reason=reason)
        )

        assert told.event_type == "card.authorisation.declined"
        assert len(told.payload["code"]) <= 40
        assert code is None or told.payload["code"] == code

    @pytest.mark.parametrize(
        ("code", "success", "ours"),
        [
            ("CAPTURE", "true", "card.capture.succeeded"),
            ("CAPTURE", "false", "card.capture.failed"),
            ("REFUND", True, "card.refund.succeeded"),
            ("REFUND", False, "card.refund.failed"),
            ("CANCELLATION", "true", "card.void.succeeded"),
        ],
    )
    def test_a_change_is_the_operation_it_names(self, code, success, ours):
        told = translate("adyen", code, item(success=success))

        assert (told.event_type, told.payload["reference"]) == (ours, OPERATION)
        assert told.payload["authorisation"] == "NC6HT9CRT65ZGN82"

    def test_a_change_under_the_payment_s_reference_is_found_by_the_processor_s(self):
        told = translate("adyen", "CAPTURE", item(merchantReference=ATTEMPT))

        assert (told.payload["reference"], told.payload["id"]) == ("", "QFQTPCQ8HXSKGK82")

    @pytest.mark.parametrize(
        ("code", "status"),
        [("NOTIFICATION_OF_CHARGEBACK", "inquiry"), ("CHARGEBACK", "opened"), ("CHARGEBACK_REVERSED", "won")],
    )
    def test_a_chargeback_is_a_dispute(self, code, status):
        told = translate("adyen", code, item(merchantReference=ATTEMPT))

        assert (told.event_type, told.payload["reference"]) == (f"card.dispute.{status}", "")

    @pytest.mark.parametrize(
        "code", ["CAPTURE_FAILED", "REFUND_FAILED", "REFUNDED_REVERSED", "SECOND_CHARGEBACK"]
    )
    def test_what_takes_back_booked_money_needs_a_person(self, code):
        with pytest.raises(Untranslatable):
            translate("adyen", code, item())

    @pytest.mark.parametrize("reference", ["Order 7", None, 7, "att_", OPERATION + " "])
    def test_what_is_not_ours_is_ignored_with_a_reason(self, reference):
        told = translate("adyen", "CAPTURE", item(merchantReference=reference))

        assert (told.payload, told.ignored) == ({}, "its merchant reference is not one of ours")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"amount": None},
            {"amount": {"value": 0, "currency": "EUR"}},
            {"amount": {"value": True, "currency": "EUR"}},
            {"amount": {"value": 10.5, "currency": "EUR"}},
            {"amount": {"value": 10, "currency": "ISK"}},
            {"amount": {"value": 10, "currency": "EURO"}},
            {"success": None},
            {"success": "yes"},
        ],
    )
    def test_money_that_is_not_clearly_told_is_no_guess(self, wrong):
        with pytest.raises(Untranslatable):
            translate("adyen", "CAPTURE", item(**wrong))


def confirmed(**metadata):
    named = {"account_id": ACCOUNT, "amount": "25.00", "currency": "EUR"} | metadata
    return {"id": "EV1", "links": {"payment": "PM1"}, "resource_metadata": named}


class TestGoCardless:
    def test_a_confirmed_payment_is_a_payin_where_the_metadata_may_say_so(self):
        told = translate("gocardless", "payments.confirmed", confirmed(), SETTINGS)

        assert told.event_type == "payin.succeeded"
        assert told.payload == {
            "id": "PM1",
            "account_id": ACCOUNT,
            "amount": {"amount": "25.00", "currency": "EUR"},
            "reference": "",
        }

    @pytest.mark.parametrize("settings", [None, {}, {"metadata_names_amount": "yes"}])
    def test_elsewhere_metadata_moves_no_money(self, settings):
        told = translate("gocardless", "payments.confirmed", confirmed(), settings)

        assert told.ignored == "names no amount of ours"

    @pytest.mark.parametrize("amount", ["-1", "0", "25.001", "x", None, True, "1e3"])
    def test_an_amount_that_is_none_is_no_guess(self, amount):
        with pytest.raises(Untranslatable):
            translate("gocardless", "payments.confirmed", confirmed(amount=amount), SETTINGS)

    def test_failed_moves_nothing_and_paid_out_is_the_statement_s(self):
        assert translate("gocardless", "payments.failed", confirmed(), SETTINGS).event_type == "payin.failed"
        assert "statement" in translate("gocardless", "payments.paid_out", confirmed(), SETTINGS).ignored

    @pytest.mark.parametrize("action", ["charged_back", "late_failure_settled"])
    def test_what_takes_back_booked_money_needs_a_person(self, action):
        with pytest.raises(Untranslatable):
            translate("gocardless", f"payments.{action}", confirmed(), SETTINGS)

        assert translate("gocardless", f"payments.{action}", confirmed()).event_type == f"payments.{action}"


def received(**changes):
    return {
        "type": "external_payment_received",
        "event_id": "e-1",
        "transaction_id": "t-1",
        "merchant_account_id": "ma-1",
        "currency": "EUR",
        "amount_in_minor": 1234,
        "remitter": {
            "account_holder_name": "J Doe",
            "account_identifiers": [{"type": "iban", "iban": "NL91ABNA0417164300"}],
            "reference": "Invoice 9",
        },
    } | changes


class TestTrueLayer:
    def test_money_from_outside_is_a_payin_of_the_account_it_came_to(self):
        told = translate("truelayer", "external_payment_received", received(), SETTINGS)

        assert told.event_type == "payin.succeeded"
        assert told.payload == {
            "id": "t-1",
            "account_id": ACCOUNT,
            "amount": {"amount": "12.34", "currency": "EUR"},
            "reference": "Invoice 9",
            "debtor": {"name": "J Doe", "iban": "NL91ABNA0417164300"},
        }

    def test_an_account_that_is_nobody_s_is_ignored_with_a_reason(self):
        told = translate(
            "truelayer", "external_payment_received", received(merchant_account_id="x"), SETTINGS
        )

        assert "accounts" in told.ignored

    @pytest.mark.parametrize("wrong", [{"amount_in_minor": 0}, {"amount_in_minor": "1"}, {"currency": None}])
    def test_money_that_is_not_clearly_told_is_no_guess(self, wrong):
        with pytest.raises(Untranslatable):
            translate("truelayer", "external_payment_received", received(**wrong), SETTINGS)

    def test_executed_is_no_money_yet_and_settled_is(self):
        metadata = confirmed()["resource_metadata"]
        event = {"payment_id": "p-1", "metadata": metadata}

        assert translate("truelayer", "payment_executed", event, SETTINGS).event_type == "payin.pending"
        assert translate("truelayer", "payment_settled", event, SETTINGS).payload["id"] == "p-1"
        assert translate("truelayer", "payment_settled", event).ignored == "names no amount of ours"
