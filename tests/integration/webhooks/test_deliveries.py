"""From a committed event to the receiver, and everything that can go wrong between."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from standardwebhooks.webhooks import Webhook

from apps.core import clock, ids, relay, tenancy
from apps.webhooks.commands.endpoints import (
    ChangeEndpoint,
    DisableEndpoint,
    RotateEndpointSecret,
    SendTestEvent,
    TooManySecrets,
)
from apps.webhooks.domain.schedule import DELIVERY_ATTEMPTS_MAX
from apps.webhooks.sending.http import Sender
from apps.webhooks.signatures import verify_signature
from apps.webhooks.signatures.standard import public_key_of
from tests.horizon import pass_horizon
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
        pass_horizon()
        relay.drain()

        assert merchant.queue() == []

    def test_the_relay_brings_an_event_to_the_receiver(self, merchant, sink):
        merchant.endpoint(sink.url)
        endpoint_id = merchant.endpoint(sink.url)
        merchant.run(SendTestEvent(merchant.organisation_id, endpoint_id))

        pass_horizon()
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
