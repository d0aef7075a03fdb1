"""From a committed event to the receiver, and everything that can go wrong between."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import time_machine
from aiohttp import web
from django.db import connection
from standardwebhooks.webhooks import Webhook

from apps.core import clock, ids, relay, tenancy
from apps.core.commands import execute
from apps.core.errors import Conflict
from apps.core.events import StoredEvent
from apps.webhooks import handlers
from apps.webhooks.commands.dead_letters import DiscardDelivery, ResendDelivery
from apps.webhooks.commands.endpoints import (
    ChangeEndpoint,
    CreateEndpoint,
    DisableEndpoint,
    EnableEndpoint,
    RotateEndpointSecret,
    SendTestEvent,
    TooManySecrets,
)
from apps.webhooks.domain.schedule import DELIVERY_ATTEMPTS_MAX
from apps.webhooks.models import Attempt, Delivery, Endpoint, EndpointHealth, EndpointSecret, QueuedDelivery
from apps.webhooks.sending.claiming import Claimer
from apps.webhooks.sending.http import Sender
from apps.webhooks.sending.pump import Pump
from apps.webhooks.sending.recording import record
from apps.webhooks.signatures import verify_signature
from apps.webhooks.signatures.standard import public_key_of
from tests.integration.webhooks.conftest import ACTOR, sql
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


@dataclass
class Merchant:
    organisation_id: UUID

    def run(self, command):
        return execute(command, actor=ACTOR, key=None, at=clock.database_now()).answer

    def endpoint(self, url, **options) -> UUID:
        key = self.run(CreateEndpoint(self.organisation_id, url, **options))["id"]
        return ids.parse_public_id("we", key)

    def event(self, name="payments.payment_settled", object_id="pay_1", **payload) -> UUID:
        at = clock.database_now()
        event_id = ids.uuid7(at)
        with tenancy.scope(self.organisation_id), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO core_outboxevent (id, organisation_id, name, version, object_type, object_id, payload,"
                " correlation_id, occurred_at) VALUES (%s, %s, %s, 1, 'payment', %s, %s, 'corr-12345678', %s)",
                [
                    event_id,
                    self.organisation_id,
                    name,
                    object_id,
                    json.dumps(payload or {"id": object_id}),
                    at,
                ],
            )
        return event_id

    def fan_out(self, *event_ids):
        for event_id in event_ids:
            row = sql(
                "SELECT id, organisation_id, name, version, object_type, object_id, payload::text, correlation_id,"
                " occurred_at, recorded_at FROM core_outboxevent WHERE id = %s",
                event_id,
            )[0]
            handlers.fan_out(StoredEvent(*row))

    def publish(self, *args, **kwargs) -> UUID:
        event_id = self.event(*args, **kwargs)
        self.fan_out(event_id)
        return event_id

    def deliveries(self):
        with tenancy.scope(self.organisation_id):
            return list(Delivery.objects.filter(organisation_id=self.organisation_id).order_by("id"))

    def delivery(self):
        (only,) = self.deliveries()
        return only

    def attempts(self):
        with tenancy.scope(self.organisation_id):
            return list(
                Attempt.objects.filter(organisation_id=self.organisation_id).order_by("started_at", "id")
            )

    def queue(self):
        with tenancy.scope(self.organisation_id):
            return list(
                QueuedDelivery.objects.filter(organisation_id=self.organisation_id).order_by("queue_no")
            )

    def secrets(self, endpoint_id):
        with tenancy.scope(self.organisation_id):
            rows = EndpointSecret.objects.filter(endpoint_id=endpoint_id).order_by("-valid_from", "-pk")
            return [row.value.reveal() for row in rows]

    def health(self, endpoint_id):
        with tenancy.scope(self.organisation_id):
            return EndpointHealth.objects.get(pk=endpoint_id)

    def state(self, endpoint_id):
        with tenancy.scope(self.organisation_id):
            return str(Endpoint.objects.get(pk=endpoint_id).state)


@pytest.fixture
def merchant(organisation):
    return Merchant(organisation.id)


def pump(**options):
    sender = options.pop("sender", None) or Sender(allow_local=True, total_s=options.pop("total_s", 15))
    return Pump(
        sender=sender, work_s=options.pop("work_s", 20), linger_s=options.pop("linger_s", 0), **options
    ).run()


def make_due():
    sql(
        "UPDATE webhooks_queue SET next_at = now() - interval '1 second', lease_token = NULL WHERE next_at < 'infinity'"
    )


class TestFanOut:
    @pytest.mark.parametrize(
        ("filters", "wanted"),
        [
            (["*"], True),
            (["payments.payment_settled"], True),
            (["payments.*"], True),
            (["payments.pay.*"], False),
            (["payments.payment"], False),
            (["ledger.*"], False),
            (["ledger.*", "payments.*"], True),
        ],
    )
    def test_an_endpoint_gets_what_its_filters_cover(self, merchant, sink, filters, wanted):
        merchant.endpoint(sink.url, event_filters=tuple(filters))

        merchant.publish("payments.payment_settled")

        assert len(merchant.queue()) == wanted

    def test_events_about_webhooks_go_only_to_who_names_them(self, merchant, sink):
        merchant.endpoint(sink.url, event_filters=("*",))
        merchant.endpoint(sink.url, event_filters=("webhooks.*",))
        named = merchant.endpoint(sink.url, event_filters=("webhooks.endpoint_failing",))

        merchant.publish("webhooks.endpoint_failing")

        assert [row.endpoint_id for row in merchant.queue()] == [named]

    def test_the_same_event_twice_is_one_delivery_even_after_it_was_sent(self, merchant, sink):
        merchant.endpoint(sink.url)
        event_id = merchant.publish()
        merchant.fan_out(event_id)
        pump()

        merchant.fan_out(event_id)
        pump()

        assert len(sink.received) == 1
        assert len(merchant.deliveries()) == 1

    def test_another_organisations_endpoint_gets_nothing(self, merchant, make_organisation, sink):
        other = Merchant(make_organisation().id)
        other.endpoint(sink.url)

        merchant.publish()

        assert other.queue() == []

    def test_an_event_of_a_command_that_failed_is_never_sent(self, merchant, sink):
        merchant.endpoint(sink.url, event_filters=("webhooks.endpoint_disabled",))
        victim = merchant.endpoint(sink.url)
        with pytest.raises(ZeroDivisionError), tenancy.scope(merchant.organisation_id):
            from apps.webhooks.commands import endpoints

            context = type(
                "Context",
                (),
                {"at": clock.database_now(), "note": lambda *a, **k: None, "emit": lambda *a: None},
            )()
            endpoints.disable_endpoint(DisableEndpoint(merchant.organisation_id, victim), context)
            raise ZeroDivisionError
        relay.drain()

        assert merchant.queue() == []

    def test_the_relay_brings_an_event_to_the_receiver(self, merchant, sink):
        merchant.endpoint(sink.url)
        endpoint_id = merchant.endpoint(sink.url)
        merchant.run(SendTestEvent(merchant.organisation_id, endpoint_id))

        relay.drain()
        pump()

        (received,) = sink.received
        told = json.loads(received.body)
        assert told["type"] == "webhooks.endpoint_test"
        assert told["object"]["id"] == ids.public_id("we", endpoint_id)


class TestSending:
    def test_the_receiver_can_verify_it_with_the_reference_package(self, merchant, sink):
        endpoint_id = merchant.endpoint(sink.url + "/hooks?x=1")
        event_id = merchant.publish(amount="12.34")

        assert pump() == 1

        (received,) = sink.received
        (secret,) = merchant.secrets(endpoint_id)
        Webhook(secret).verify(received.body.decode(), received.headers)
        assert received.event_id == ids.public_id("evt", event_id)
        assert received.path == "/hooks"
        assert received.headers["x-correlation-id"] == "corr-12345678"
        delivery, (attempt,) = merchant.delivery(), merchant.attempts()
        assert (delivery.status, delivery.attempts, delivery.latest_status_code) == ("delivered", 1, 200)
        assert (attempt.number, attempt.status_code, attempt.error) == (1, 200, "")
        assert merchant.queue() == []

    def test_an_ed25519_endpoint_is_signed_with_its_key(self, merchant, sink):
        endpoint_id = merchant.endpoint(sink.url, signature="ed25519")
        merchant.publish()

        pump()

        (received,) = sink.received
        (private,) = merchant.secrets(endpoint_id)
        verdict = verify_signature(
            provider="standardwebhooks",
            secrets=[public_key_of(private)],
            headers=received.headers,
            body=received.body,
            at=datetime.now(UTC),
        )
        assert verdict.valid

    def test_while_a_secret_is_rolled_both_sign(self, merchant, sink):
        endpoint_id = merchant.endpoint(sink.url)
        merchant.run(RotateEndpointSecret(merchant.organisation_id, endpoint_id))
        merchant.publish()

        pump()

        (received,) = sink.received
        assert len(merchant.secrets(endpoint_id)) == 2
        for secret in merchant.secrets(endpoint_id):
            Webhook(secret).verify(received.body.decode(), received.headers)

    def test_an_old_secret_signs_no_more_once_it_ended(self, merchant, sink):
        endpoint_id = merchant.endpoint(sink.url)
        merchant.run(RotateEndpointSecret(merchant.organisation_id, endpoint_id, 0))
        merchant.publish()

        pump()

        assert len(sink.received[0].headers["webhook-signature"].split(" ")) == 1

    def test_live_secrets_have_a_limit(self, merchant, sink):
        endpoint_id = merchant.endpoint(sink.url)
        for _ in range(9):
            merchant.run(RotateEndpointSecret(merchant.organisation_id, endpoint_id))

        with pytest.raises(TooManySecrets):
            merchant.run(RotateEndpointSecret(merchant.organisation_id, endpoint_id))

    def test_a_failure_is_tried_again_with_the_same_id_and_bytes_until_it_works(self, merchant, sink):
        answers = iter([500, 503, 200])
        sink.answer = lambda _: next(answers)
        merchant.endpoint(sink.url)
        merchant.publish()

        for _ in range(3):
            pump()
            make_due()

        assert len({(one.event_id, one.body) for one in sink.received}) == 1
        assert [(one.number, one.status_code, one.error) for one in merchant.attempts()] == [
            (1, 500, "http_500"),
            (2, 503, "http_503"),
            (3, 200, ""),
        ]
        assert merchant.delivery().status == "delivered"

    def test_after_the_last_try_it_is_a_dead_letter(self, merchant, sink):
        sink.answer = lambda _: 500
        merchant.endpoint(sink.url)
        merchant.publish()
        sql("UPDATE webhooks_queue SET attempts = %s", DELIVERY_ATTEMPTS_MAX - 1)

        pump()

        assert (merchant.delivery().status, merchant.delivery().latest_error) == ("dead", "http_500")
        assert merchant.queue() == []

    @pytest.mark.parametrize("status", [100, 301, 302, 307, 308, 400, 401, 404, 429, 500])
    def test_nothing_but_2xx_is_success_and_redirects_are_not_followed(self, merchant, sink, status):
        sink.answer = lambda received: web.Response(
            status=status if status >= 200 else 304, headers={"Location": sink.url + "/elsewhere"}
        )
        merchant.endpoint(sink.url)
        merchant.publish()

        pump()

        assert merchant.delivery().status == "pending"
        assert [one.path for one in sink.received] == ["/"]

    def test_retry_after_is_honoured_and_never_brings_the_next_try_forward(self, merchant, sink):
        sink.answer = lambda _: web.Response(status=429, headers={"Retry-After": "3600"})
        merchant.endpoint(sink.url)
        merchant.publish()

        pump()

        (row,) = merchant.queue()
        assert timedelta(minutes=59) < row.next_at - clock.database_now() < timedelta(minutes=61)

    def test_410_disables_the_endpoint(self, merchant, sink):
        sink.answer = lambda _: 410
        endpoint_id = merchant.endpoint(sink.url)
        merchant.publish()

        pump()

        assert merchant.state(endpoint_id) == "gone"
        assert merchant.delivery().status == "dead"

    def test_a_receiver_that_is_not_there_is_tried_again(self, merchant, sink):
        url = sink.url
        sink.stop()
        merchant.endpoint(url)
        merchant.publish()

        pump()

        assert merchant.attempts()[0].error == "cannot_connect"
        assert merchant.delivery().status == "pending"

    def test_a_name_that_is_not_found_is_tried_again(self, merchant):
        merchant.endpoint("https://nobody.invalid/hook")
        merchant.publish()

        pump()

        assert merchant.attempts()[0].error == "name_not_found"
        assert merchant.delivery().status == "pending"

    def test_a_slow_receiver_is_given_up_after_the_timeout(self, merchant, sink):
        async def slow(_):
            import asyncio

            await asyncio.sleep(30)

        sink.answer = slow
        merchant.endpoint(sink.url)
        merchant.publish()
        started = time.monotonic()

        pump(total_s=0.5)

        assert merchant.attempts()[0].error == "timeout"
        assert time.monotonic() - started < 5

    def test_an_endless_answer_is_cut(self, merchant, sink):
        async def endless(_):
            return web.Response(status=500, body=b"\x00\xffx" * 400_000)

        sink.answer = endless
        merchant.endpoint(sink.url)
        merchant.publish()

        pump()

        (attempt,) = merchant.attempts()
        assert 16_000 < len(attempt.response_body) <= 16 * 1024
        assert "\x00" not in attempt.response_body

    def test_an_answer_that_is_not_http_is_tried_again(self, merchant):
        import socket
        import threading

        with socket.create_server(("127.0.0.1", 0)) as server:

            def talk():
                peer, _ = server.accept()
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 banana\r\n\r\n")
                peer.close()

            threading.Thread(target=talk, daemon=True).start()
            merchant.endpoint(f"http://127.0.0.1:{server.getsockname()[1]}/")
            merchant.publish()
            pump()

        assert merchant.attempts()[0].error == "unreadable_answer"

    def test_changing_the_url_counts_for_what_is_queued_already(self, merchant, sink):
        endpoint_id = merchant.endpoint("https://nobody.invalid/")
        merchant.publish()
        merchant.run(ChangeEndpoint(merchant.organisation_id, endpoint_id, url=sink.url))

        pump()

        assert merchant.delivery().status == "delivered"

    def test_mutual_tls_presents_the_endpoints_own_certificate(self, merchant, certificates):
        sink = Sink(ssl_context=certificates.server_context)
        try:
            merchant.endpoint(
                sink.url.replace("127.0.0.1", "localhost"),
                client_certificate=certificates.client_pem,
                server_ca=certificates.ca_pem,
            )
            merchant.endpoint(sink.url.replace("127.0.0.1", "localhost"), server_ca=certificates.ca_pem)
            merchant.publish()

            pump()
        finally:
            sink.stop()

        assert len(sink.received) == 1
        assert sorted(one.status for one in merchant.deliveries()) == ["delivered", "pending"]

    def test_an_egress_proxy_carries_the_request(self, merchant, sink):
        merchant.endpoint("http://receiver.invalid/hook")
        merchant.publish()

        pump(sender=Sender(allow_local=True, proxy=sink.url))

        assert merchant.delivery().status == "delivered"
        assert sink.received[0].headers["host"] == "receiver.invalid"


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
        for _ in range(30):
            merchant.publish()

        pump(work_s=1, linger_s=1)

        assert 10 <= len(sink.received) <= 22  # a burst of ten, then ten a second

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
        assert time.monotonic() - started < 8

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
