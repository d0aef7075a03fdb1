"""What keeps deliveries in bounds: limits, breakers, order, crashes, clocks, and the owner's own orders."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from aiohttp import web
from django.db import connection

from apps.core import clock, ids, tenancy
from apps.core.errors import Conflict
from apps.webhooks.commands.dead_letters import DiscardDelivery, ResendDelivery
from apps.webhooks.commands.endpoints import (
    DisableEndpoint,
    EnableEndpoint,
)
from apps.webhooks.domain.schedule import DELIVERY_ATTEMPTS_MAX
from apps.webhooks.sending.claiming import Claimer
from apps.webhooks.sending.recording import record
from apps.webhooks.slots import slot
from tests.integration.webhooks.conftest import sql
from tests.integration.webhooks.outbound import Merchant, make_due, pump
from tests.integration.webhooks.sink import Sink


@pytest.fixture
def sink():
    made = Sink()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _quiet(db, settings):
    settings.WEBHOOK_ALLOW_LOCAL = True
    sql("DELETE FROM webhooks_queue")


@pytest.fixture
def merchant(organisation):
    return Merchant(organisation.id)


class TestLimits:
    def test_no_more_of_an_endpoint_is_in_flight_than_it_allows(self, merchant, sink):
        import asyncio

        now, most = [0], [0]

        async def count(_):
            now[0] += 1
            most[0] = max(most[0], now[0])
            await asyncio.sleep(0.02)
            now[0] -= 1
            return web.Response(status=200)

        sink.answer = count
        merchant.endpoint(sink.url, max_in_flight=3)
        for _ in range(20):
            merchant.publish()

        pump(linger_s=1)

        assert len(sink.received) == 20
        assert most[0] <= 3

    def test_an_endpoints_own_rate_is_kept(self, merchant, sink):
        merchant.endpoint(sink.url, rate_per_s=10, max_in_flight=100)
        for _ in range(60):
            merchant.publish()
        started = time.monotonic()

        pump(work_s=1, linger_s=1)

        # A burst of ten, then ten a second.
        assert 10 <= len(sink.received) <= 11 + 10 * (time.monotonic() - started)

    def test_a_dead_endpoint_does_not_hold_up_the_others(self, merchant, sink):
        import asyncio

        async def some(received):
            if received.path == "/dead":
                await asyncio.sleep(30)
            return web.Response(status=200)

        sink.answer = some
        merchant.endpoint(sink.url + "/dead", event_filters=("payments.*",), max_in_flight=5)
        merchant.endpoint(sink.url + "/well", event_filters=("payments.*",), max_in_flight=5)
        for _ in range(50):
            merchant.publish()
        started = time.monotonic()

        pump(total_s=3, work_s=2, linger_s=1)

        well = [one for one in sink.received if one.path == "/well"]
        assert len(well) == 50
        assert time.monotonic() - started < 20

    def test_a_pump_that_winds_down_makes_room_before_it_waits_for_the_slowest(self, merchant, sink):
        import asyncio

        async def slow(_):
            await asyncio.sleep(3)
            return web.Response(status=200)

        sink.answer = slow
        merchant.endpoint(sink.url)
        merchant.publish()
        started, left_after = time.monotonic(), []

        with slot("deliveries") as place:
            pump(
                work_s=0.5,
                on_winding_down=lambda: (place.leave(), left_after.append(time.monotonic() - started)),
            )

        assert left_after[0] < 2.5
        assert merchant.delivery().status == "delivered"
        with slot("deliveries") as again:
            assert again is not None

    def test_the_breaker_opens_and_lets_single_probes_through(self, merchant, sink):
        sink.answer = lambda _: 500
        endpoint_id = merchant.endpoint(sink.url, max_in_flight=20)
        for _ in range(30):
            merchant.publish()
        pump()
        first = len(sink.received)
        make_due()
        pump()
        still_open = len(sink.received)
        sql(
            "UPDATE webhooks_endpointhealth SET open_until = now() - interval '1 second' WHERE endpoint_id = %s",
            endpoint_id,
        )
        sink.answer = lambda _: 200

        pump(linger_s=0.5)

        assert 10 <= first <= 30
        assert still_open == first
        assert merchant.health(endpoint_id).pause_s == 0
        assert {one.status for one in merchant.deliveries()} == {"delivered"}

    def test_after_days_of_failing_the_endpoint_is_disabled_and_its_owner_told(self, merchant, sink):
        sink.answer = lambda _: 500
        endpoint_id = merchant.endpoint(sink.url)
        for hours in (25, 73, 121):
            merchant.publish()
            sql(
                "UPDATE webhooks_endpointhealth SET failing_since = now() - make_interval(hours => %s) WHERE endpoint_id = %s",
                hours,
                endpoint_id,
            )
            pump()
            make_due()
        pump()

        names = sql(
            "SELECT name FROM core_outboxevent WHERE organisation_id = %s AND name LIKE 'webhooks.%%' ORDER BY id",
            merchant.organisation_id,
        )
        assert [name for (name,) in names] == [
            "webhooks.endpoint_failing",
            "webhooks.endpoint_failing",
            "webhooks.endpoint_disabled",
        ]
        assert merchant.state(endpoint_id) == "failed"
        assert {one.status for one in merchant.deliveries()} == {"dead"}


class TestOrder:
    def test_events_of_an_object_come_one_after_the_other(self, merchant, sink):
        fails = {"first": 1}

        def answer(received):
            number = json.loads(received.body)["data"]["n"]
            if number == 0 and fails["first"]:
                fails["first"] -= 1
                return 500
            return 200

        sink.answer = answer
        merchant.endpoint(sink.url, ordered=True, max_in_flight=10)
        for number in range(5):
            for key in ("pay_a", "pay_b"):
                merchant.publish(object_id=key, n=number, key=key)

        for _ in range(4):
            pump(linger_s=0.2)
            make_due()

        good = [json.loads(one.body)["data"] for one in sink.received]
        for key in ("pay_a", "pay_b"):
            order = [one["n"] for one in good if one["key"] == key]
            assert order == sorted(order) and set(order) == set(range(5))
        assert merchant.queue() == []

    def test_the_next_event_waits_for_the_first_to_be_finished(self, merchant, sink):
        sink.answer = lambda _: 500
        merchant.endpoint(sink.url, ordered=True)
        merchant.publish(n=0)
        merchant.publish(n=1)

        pump()
        pump()
        before = [json.loads(one.body)["data"]["n"] for one in sink.received]
        sql("UPDATE webhooks_queue SET attempts = %s WHERE next_at < 'infinity'", DELIVERY_ATTEMPTS_MAX)
        make_due()
        pump()

        assert before == [0]
        assert [one.status for one in merchant.deliveries()] == ["dead", "pending"]
        assert json.loads(sink.received[-1].body)["data"]["n"] == 1


class TestCrash:
    def test_what_was_claimed_by_a_worker_that_died_goes_out_after_the_lease(self, merchant, sink):
        merchant.endpoint(sink.url)
        merchant.publish()
        assert len(Claimer(lease_s=0.2).claim(10)) == 1
        assert pump() == 0
        time.sleep(0.25)

        assert pump() == 1
        assert merchant.delivery().status == "delivered"

    def test_a_result_that_comes_after_the_lease_was_taken_over_decides_nothing(self, merchant, sink):
        from apps.webhooks.domain.outcome import Outcome
        from apps.webhooks.sending.recording import Result

        merchant.endpoint(sink.url)
        merchant.publish()
        ((late, _),) = Claimer(lease_s=0).claim(10)
        ((current, _),) = Claimer().claim(10)

        counted = record([Result(late, Outcome("dead", "late"), None, clock.database_now())])

        assert counted == 0
        assert merchant.delivery().status == "pending"
        assert merchant.queue()[0].lease_token == current.lease_token


class TestClock:
    @pytest.mark.parametrize("minutes", [-10, 10])
    def test_a_wrong_clock_of_the_machine_neither_hastens_nor_delays_the_next_try(
        self, merchant, sink, minutes
    ):
        sink.answer = lambda _: 500
        endpoint_id = merchant.endpoint(sink.url, max_in_flight=20)
        for _ in range(12):
            merchant.publish()

        with time_machine.travel(datetime.now(UTC) + timedelta(minutes=minutes)):
            pump()

        pauses = [(row.next_at - clock.database_now()).total_seconds() for row in merchant.queue()]
        assert all(2 < pause < 7 for pause in pauses)
        assert len(sink.received) == 12
        assert 20 < (merchant.health(endpoint_id).open_until - clock.database_now()).total_seconds() <= 30


class TestOwnersCommands:
    def test_a_disabled_endpoint_gets_nothing_and_can_catch_up(self, merchant, sink):
        endpoint_id = merchant.endpoint(sink.url)
        since = clock.database_now()
        before = merchant.publish()
        merchant.run(DisableEndpoint(merchant.organisation_id, endpoint_id))
        missed = merchant.publish()
        pump()
        assert sink.received == []

        answer = merchant.run(EnableEndpoint(merchant.organisation_id, endpoint_id, since))
        pump()

        assert answer["queued"] == 2
        assert {one.event_id for one in sink.received} == {
            ids.public_id("evt", one) for one in (before, missed)
        }

    def test_a_delivery_can_be_sent_again_under_its_id(self, merchant, sink):
        merchant.endpoint(sink.url)
        merchant.publish()
        pump()

        merchant.run(ResendDelivery(merchant.organisation_id, merchant.delivery().pk))
        with pytest.raises(Conflict):
            merchant.run(ResendDelivery(merchant.organisation_id, merchant.delivery().pk))
        pump()

        assert len({one.event_id for one in sink.received}) == 1
        assert [one.number for one in merchant.attempts()] == [1, 2]

    def test_a_dead_letter_can_be_discarded_for_a_reason(self, merchant, sink):
        sink.answer = lambda _: 410
        merchant.endpoint(sink.url)
        merchant.publish()
        pump()

        merchant.run(DiscardDelivery(merchant.organisation_id, merchant.delivery().pk, "nobody needs it"))

        assert (merchant.delivery().status, merchant.delivery().reason) == ("discarded", "nobody needs it")


def test_secrets_and_certificates_are_sealed(merchant, sink):
    endpoint_id = merchant.endpoint(sink.url)
    (plain,) = merchant.secrets(endpoint_id)
    (sealed,) = sql("SELECT value FROM webhooks_endpointsecret WHERE endpoint_id = %s", endpoint_id)[0]

    assert base64.b64decode(plain.removeprefix("whsec_")) not in bytes(sealed)


def test_no_row_of_another_organisation_is_seen_even_through_partitions(merchant, sink, make_organisation):
    merchant.endpoint(sink.url)
    merchant.publish()
    pump()

    with tenancy.scope(make_organisation().id), connection.cursor() as cursor:
        for table in ("webhooks_delivery", "webhooks_attempt", "webhooks_endpoint", "webhooks_queue"):
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert cursor.fetchone() == (0,)
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relname ~ '^webhooks_(delivery|attempt)_([0-9]{8}|other)$'"
        )
        partitions = [name for (name,) in cursor.fetchall()]
    assert len(partitions) > 10
    for name in partitions:
        with pytest.raises(Exception, match="permission denied"), tenancy.scope(merchant.organisation_id):
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT * FROM {name}")
