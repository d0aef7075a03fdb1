"""A card processor's events through the real door: signed, stored, applied once; hostile ones change nothing."""

import json
import uuid
from datetime import UTC, datetime

import pytest

from apps.core.ids import parse_public_id
from apps.simulator.processor_http import signed
from apps.webhooks import inbox
from apps.webhooks.commands.sources import AddSource
from tests import factories
from tests.factories import do
from tests.integration.webhooks.conftest import SECRET, Provider
from tests.processor import PROVIDER, CardWorld


@pytest.fixture
def world(db):
    return CardWorld()


@pytest.fixture
def merchant(world):
    return factories.merchant(accounts_count=1)


@pytest.fixture
def door(merchant):
    answer = do(AddSource(merchant.id, PROVIDER, "The processor", SECRET))
    token = answer["path"].rsplit("/", 1)[1]
    return Provider(merchant.id, token, parse_public_id("src", answer["id"]))


def deliver(door, event, *, data=None, event_type=None, tamper=False):
    body, headers = signed(event, SECRET, at=datetime.now(UTC))
    if data is not None or event_type is not None:
        told = json.loads(body)
        told |= {"data": data} if data is not None else {}
        told |= {"type": event_type} if event_type is not None else {}
        body = json.dumps(told).encode()
        headers = door.headers(f"evt_{uuid.uuid4().hex}", body)
    sent = body.replace(b'"amount": 1', b'"amount": 9') if tamper else body
    return door.send(
        headers={name.lower(): value for name, value in headers.items()}, body=body, sent_body=sent
    )


class TestTheDoor:
    def test_lets_a_signed_event_end_what_nobody_answered(self, world, merchant, door):
        key = world.pay(merchant, "tok_late_success", capture="manual")
        world.pass_time(seconds=61)
        (event,) = world.events(merchant)
        first, second = deliver(door, event), deliver(door, event)
        inbox.work(work_s=20, linger_s=0)

        assert (first.status, second.status) == (200, 200)
        assert [one.status for one in door.events()] == ["applied"]
        assert world.state(key) == "authorised"

    def test_shuts_out_what_was_changed_on_the_way(self, world, merchant, door):
        key = world.pay(merchant, "tok_late_success", capture="manual")
        world.pass_time(seconds=61)
        (event,) = world.events(merchant)
        answer = deliver(door, event, tamper=True)
        inbox.work(work_s=20, linger_s=0)

        assert answer.status >= 400
        assert door.events() == []
        assert world.state(key) == "created"

    @pytest.mark.parametrize(
        "change",
        [
            {"amount": 100.5},
            {"amount": "100"},
            {"amount": 10**30},
            {"amount": None},
            {"currency": "EURO"},
            {"status": "paid"},
            {"object": ["authorisation"]},
            {"id": {"a": 1}},
            {"reference": "'; DROP TABLE payments_payment; --"},
            {"action_url": "http://evil.example/"},
        ],
    )
    def test_keeps_what_a_signed_event_cannot_mean_away_from_books_and_states(
        self, world, merchant, door, change
    ):
        key = world.pay(merchant, "tok_late_success", capture="manual")
        world.pass_time(seconds=61)
        (event,) = world.events(merchant)
        deliver(door, event, data={**event.data, **change})
        inbox.work(work_s=20, linger_s=0)

        assert [one.status for one in door.events()] == ["retry"]
        assert world.state(key) == "created"

    def test_puts_another_amount_under_review(self, world, merchant, door):
        key = world.pay(merchant, "tok_late_success", capture="manual")
        world.pass_time(seconds=61)
        (event,) = world.events(merchant)
        deliver(door, event, data={**event.data, "amount": event.data["amount"] + 1})
        inbox.work(work_s=20, linger_s=0)

        assert [one.status for one in door.events()] == ["applied"]
        assert (world.state(key), world.payment(key).failure_code) == ("review", "amount_differs")

    def test_lets_what_is_about_nothing_of_ours_wait(self, world, merchant, door):
        world.pay(merchant)
        event, *_ = world.events(merchant)
        data = {**event.data, "id": "pi_00777777", "reference": "att_01arz3ndektsv4rrffq69g5fav"}
        deliver(door, event, data=data)
        inbox.work(work_s=20, linger_s=0)

        assert [one.status for one in door.events()] == ["waiting"]
