"""A pay-in from the provider's signed request to the books, and to the endpoint that wants to know."""

from __future__ import annotations

import hmac
import io
import json
import threading
from datetime import UTC, datetime, timedelta
from urllib.request import Request, urlopen
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from django.core.management import CommandError, call_command

from apps.core import clock, relay, tenancy
from apps.core.commands import execute
from apps.core.ids import public_id
from apps.ledger import public as ledger
from apps.webhooks import inbox
from apps.webhooks.commands.endpoints import CreateEndpoint
from apps.webhooks.commands.sources import AddSource
from apps.webhooks.models import InboxEvent
from apps.webhooks.sending.http import Sender
from apps.webhooks.sending.pump import Pump
from tests import factories
from tests.horizon import pass_horizon
from tests.integration.webhooks.conftest import ACTOR, sql
from tests.integration.webhooks.sink import Sink


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        return


@pytest.fixture
def platform(db):
    """Serve the application on loopback."""
    from config.wsgi import application

    with make_server("127.0.0.1", 0, application, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def merchant(db, settings):
    settings.WEBHOOK_ALLOW_LOCAL = True
    sql(
        "UPDATE webhooks_inboxevent SET status = 'discarded' WHERE status IN ('received', 'retry', 'waiting')"
    )
    return factories.merchant()


def pay_in(platform, merchant, amount="25.00", **options):
    out = io.StringIO()
    call_command(
        "sandbox_provider",
        public_id("acc", merchant.accounts[0]),
        amount,
        "EUR",
        url=platform,
        stdout=out,
        **options,
    )
    return json.loads(out.getvalue())


def events(merchant):
    with tenancy.scope(merchant.id):
        return list(InboxEvent.objects.filter(organisation_id=merchant.id).order_by("id"))


def test_money_is_in_the_books_once_however_often_it_is_told(platform, merchant):
    first = pay_in(platform, merchant, event_id="evt_once")
    inbox.work(work_s=10, linger_s=0)
    again = pay_in(platform, merchant, event_id="evt_once")
    inbox.work(work_s=10, linger_s=0)

    assert (first["answer"]["code"], again["answer"]["code"]) == ("stored", "repeated")
    assert merchant.balance().posted == 2_500
    (event,) = events(merchant)
    assert event.status == "applied" and event.reason.startswith("pay_")


def test_the_same_payment_under_another_event_id_is_ignored(platform, merchant):
    pay_in(platform, merchant, event_id="evt_a")
    inbox.work(work_s=10, linger_s=0)
    row = events(merchant)[0]
    sql(
        "UPDATE webhooks_inboxevent SET event_id = 'evt_b', status = 'received', attempts = 0, next_at = now() WHERE id = %s",
        row.pk,
    )

    inbox.work(work_s=10, linger_s=0)

    assert (events(merchant)[0].status, events(merchant)[0].reason) == ("ignored", "repeated")
    assert merchant.balance().posted == 2_500


def test_a_changed_amount_is_refused_and_nothing_is_stored(platform, merchant):
    with pytest.raises(CommandError, match="401"):
        pay_in(platform, merchant, tamper=True)

    assert events(merchant) == []


def test_an_event_for_an_account_that_is_not_here_waits(platform, merchant):
    other = factories.merchant()
    pay_in(platform, merchant)
    row = events(merchant)[0]
    payload = row.payload | {
        "data": row.payload["data"] | {"account_id": public_id("acc", other.accounts[0])}
    }
    sql("UPDATE webhooks_inboxevent SET payload = %s::jsonb WHERE id = %s", json.dumps(payload), row.pk)

    inbox.work(work_s=10, linger_s=0)

    assert events(merchant)[0].status == "waiting"
    assert other.balance().posted == 0


def test_an_event_that_does_not_move_money_is_ignored_for_a_reason(platform, merchant):
    pay_in(platform, merchant, type="payin.created")
    inbox.work(work_s=10, linger_s=0)

    assert (events(merchant)[0].status, events(merchant)[0].reason) == ("ignored", "no money moved")
    assert merchant.balance().posted == 0


def test_the_merchants_endpoint_is_told_of_the_payment(platform, merchant):
    sink = Sink()
    try:
        factories.do(CreateEndpoint(merchant.id, sink.url, event_filters=("payments.*",)))
        pay_in(platform, merchant)
        inbox.work(work_s=10, linger_s=0)
        pass_horizon()
        relay.drain()
        Pump(sender=Sender(allow_local=True), work_s=10, linger_s=0.2).run()
    finally:
        sink.stop()

    told = [json.loads(one.body) for one in sink.received]
    assert told and all(one["type"].startswith("payments.") for one in told)
    assert events(merchant)[0].reason in {one["object"]["id"] for one in told}
    # One id leads from the provider's request to the delivery.
    assert {one.headers["x-correlation-id"] for one in sink.received} == {events(merchant)[0].correlation_id}


def test_the_books_balance_afterwards(platform, merchant):
    pay_in(platform, merchant)
    inbox.work(work_s=10, linger_s=0)

    with tenancy.scope(tenancy.PLATFORM):
        assert ledger.check().ok


def test_nothing_answers_is_said_in_a_sentence(merchant):
    with pytest.raises(CommandError, match="is the platform running"):
        pay_in("http://127.0.0.1:1", merchant)


def test_at_is_the_providers_time_in_the_books(platform, merchant):
    pay_in(platform, merchant)
    (row,) = events(merchant)

    assert abs(row.occurred_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_stripe_intent_for_an_account_of_ours_is_in_the_books_once(platform, merchant):
    at = clock.database_now()
    command = AddSource(merchant.id, "stripe", "tests", "whsec_stripe_tests")
    path = execute(command, actor=ACTOR, key=None, at=at).answer["path"]
    intent = {
        "id": "pi_1",
        "object": "payment_intent",
        "amount_received": 1_999,
        "currency": "eur",
        "metadata": {"account_id": public_id("acc", merchant.accounts[0])},
    }
    for event_id in ("evt_1", "evt_1", "evt_2"):  # a repeat, and a second event about the same intent
        told = {"id": event_id, "type": "payment_intent.succeeded", "data": {"object": intent}}
        body = json.dumps(told | {"created": int(at.timestamp())}).encode()
        stamp = str(int(at.timestamp()))
        mark = hmac.new(b"whsec_stripe_tests", f"{stamp}.".encode() + body, "sha256").hexdigest()
        request = Request(
            platform + path, data=body, headers={"Stripe-Signature": f"t={stamp},v1={mark}"}, method="POST"
        )
        with urlopen(request) as answer:
            assert answer.status == 200
        inbox.work(work_s=10, linger_s=0)

    assert merchant.balance().posted == 1_999
    assert [(one.event_id, one.status) for one in events(merchant)] == [
        ("evt_1", "applied"),
        ("evt_2", "ignored"),
    ]
