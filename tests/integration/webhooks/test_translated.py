"""Providers' own events, signed as they sign them, from the door to the books: once, or before a person."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from datetime import UTC, datetime

import pytest

from apps.core import tenancy
from apps.core.ids import parse_public_id, public_id
from apps.core.money import Money
from apps.payments import public as payments
from apps.payments.models import Payment
from apps.payments.models_cards import Attempt, CardProcessor
from apps.webhooks import inbox
from apps.webhooks.commands.sources import AddSource
from apps.webhooks.intake import Inbound, receive
from apps.webhooks.models import InboxEvent
from tests import factories
from tests.factories import do
from tests.integration.webhooks.conftest import sql
from tests.processor import CardWorld

SECRET = "a" * 64


@pytest.fixture
def merchant(db):
    sql(
        "UPDATE webhooks_inboxevent SET status = 'discarded' WHERE status IN ('received', 'retry', 'waiting')"
    )
    return factories.merchant()


class Door:
    def __init__(self, merchant, provider, **config):
        self.merchant = merchant
        answer = do(AddSource(merchant.id, provider, provider, SECRET, config))
        self.token = answer["path"].rsplit("/", 1)[1]
        self.source_id = parse_public_id("src", answer["id"])

    def post(self, document, **headers):
        body = json.dumps(document).encode()
        return self.post_bytes(body, headers)

    def post_bytes(self, body, headers):
        inbound = Inbound(self.token, "POST", "https://bezant.example/in", headers, body, "192.0.2.1")
        return receive(inbound, at=datetime.now(UTC)).status

    def gocardless(self, *events):
        body = json.dumps({"events": list(events)}).encode()
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        return self.post_bytes(body, {"webhook-signature": signature})

    def adyen(self, **item):
        item = {
            "merchantAccountCode": "Bezant",
            "success": "true",
            "eventDate": "2026-11-24T10:00:00+00:00",
        } | item
        fields = [
            item["pspReference"],
            item.get("originalReference", ""),
            item["merchantAccountCode"],
            item["merchantReference"],
            str(item["amount"]["value"]),
            item["amount"]["currency"],
            item["eventCode"],
            item["success"],
        ]
        mac = hmac.new(bytes.fromhex(SECRET), ":".join(fields).encode(), hashlib.sha256).digest()
        item["additionalData"] = {"hmacSignature": base64.b64encode(mac).decode()}
        return self.post({"live": "false", "notificationItems": [{"NotificationRequestItem": item}]})

    def work(self):
        inbox.work(work_s=20, linger_s=0)
        with tenancy.scope(self.merchant.id):
            rows = InboxEvent.objects.filter(source_id=self.source_id).order_by("id")
            return [(row.status, row.reason) for row in rows]


def confirmed(merchant, amount="25.00", payment="PM1"):
    return {
        "id": f"EV{uuid.uuid4().hex}",
        "created_at": "2026-11-24T10:00:00Z",
        "resource_type": "payments",
        "action": "confirmed",
        "links": {"payment": payment},
        "resource_metadata": {
            "account_id": public_id("acc", merchant.accounts[0]),
            "amount": amount,
            "currency": "EUR",
        },
    }


def test_a_confirmed_payment_is_booked_once_and_another_amount_never(merchant):
    door = Door(merchant, "gocardless", metadata_names_amount=True)
    first, again, more = confirmed(merchant), confirmed(merchant), confirmed(merchant, amount="26.00")

    assert door.gocardless(first, again) == 200
    assert [status for status, _ in door.work()] == ["applied", "ignored"]
    assert door.gocardless(more) == 200
    status, reason = door.work()[2]
    assert (status, reason.startswith("Invalid")) == ("retry", True), reason
    with tenancy.scope(merchant.id):
        (payment,) = Payment.objects.filter(provider="gocardless", organisation_id=merchant.id)
    assert (payment.amount_minor, payment.state) == (2500, "received")


def test_an_adyen_item_of_another_system_is_ignored_and_of_ours_waits_for_its_parent(merchant):
    door = Door(merchant, "adyen")
    amount = {"value": 1000, "currency": "EUR"}
    unknown = public_id("att", uuid.uuid4())

    assert (
        door.adyen(pspReference="A1", merchantReference="Order 7", eventCode="CAPTURE", amount=amount) == 200
    )
    assert (
        door.adyen(pspReference="A2", merchantReference=unknown, eventCode="AUTHORISATION", amount=amount)
        == 200
    )
    assert door.work() == [
        ("ignored", "its merchant reference is not one of ours"),
        ("waiting", "waits for unknown authorisation"),
    ]


class TestAdyenAndACardPayment:
    """A card payment whose answer was lost; Adyen's item says what became of it."""

    @pytest.fixture
    def lost(self, db):
        world = CardWorld()
        with tenancy.scope(tenancy.PLATFORM):
            bank = next(route for route in payments.settlement_accounts() if route.currency == "GBP")
            exists = CardProcessor.objects.filter(currency="GBP").exists()
        if not exists:
            operator = factories.operator()
            do(payments.AddCardProcessor(None, operator, "adyen", "GBP", world.server.url, bank.id, 2))
        merchant = factories.merchant(accounts_count=1, currency="GBP")
        command = payments.CreateCardPayment(
            merchant.id, merchant.accounts[0], Money(10_000, "GBP"), "tok_late_success", "manual"
        )
        answer = do(command, actor=merchant.client("payments.write"), at=world.at)
        world.drive(merchant, answer)
        key = parse_public_id("pay", answer["id"])
        with tenancy.scope(merchant.id):
            attempt = Attempt.objects.get(payment_id=key)
        return world, Door(merchant, "adyen"), key, public_id("att", attempt.pk)

    def test_it_is_authorised_once_however_often_it_is_told(self, lost):
        world, door, key, reference = lost
        psp = f"PSP{uuid.uuid4().hex[:13].upper()}"
        told = {"pspReference": psp, "merchantReference": reference, "eventCode": "AUTHORISATION"}
        for _ in range(2):
            assert door.adyen(**told, amount={"value": 10_000, "currency": "GBP"}) == 200

        assert [status for status, _ in door.work()] == ["applied"]
        assert world.state(key) == "authorised"

    @pytest.mark.parametrize(
        "amount", [{"value": 9_999, "currency": "GBP"}, {"value": 10_000, "currency": "EUR"}]
    )
    def test_another_amount_or_currency_goes_before_a_person(self, lost, amount):
        world, door, key, reference = lost
        psp = f"PSP{uuid.uuid4().hex[:13].upper()}"
        door.adyen(pspReference=psp, merchantReference=reference, eventCode="AUTHORISATION", amount=amount)

        assert [status for status, _ in door.work()] == ["applied"]
        assert world.state(key) == "review"
