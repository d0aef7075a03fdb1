"""What a provider says it sent and we do not have is found, once."""

from __future__ import annotations

import json

import pytest
from aiohttp import web

from apps.core import clock, tenancy
from apps.core.commands import execute
from apps.webhooks import inbox, reconcilers
from apps.webhooks.commands.sources import AddSource, SetSourceApiKey
from apps.webhooks.models import Source
from apps.webhooks.signatures import Unreadable
from tests.integration.webhooks.conftest import ACTOR, sql
from tests.integration.webhooks.sink import Sink


class Stripe:
    """Lists events as Stripe's API does: newest first; `ending_before` gives the page just newer than an event."""

    def __init__(self, count, page=100):
        self.events = [
            {
                "id": f"evt_{n:04}",
                "type": "charge.succeeded",
                "created": 1_772_323_200 + n,
                "data": {"object": {"id": f"ch_{n}"}},
            }
            for n in range(count)
        ]
        self.page, self.asked, self.broken = page, [], ""

    def __call__(self, received):
        self.asked.append(received)
        if self.broken:
            return web.Response(text=self.broken)
        after = dict(part.split("=") for part in received.query.split("&")).get("ending_before", "")
        newer = [event for event in self.events if event["id"] > after]
        chosen = newer[: self.page] if after else newer[-self.page :]
        return web.json_response(
            {"object": "list", "data": chosen[::-1], "has_more": bool(after) and len(newer) > self.page}
        )


@pytest.fixture
def sink():
    made = Sink()
    yield made
    made.stop()


@pytest.fixture
def source(organisation, settings, sink):
    settings.WEBHOOK_ALLOW_LOCAL = True
    sql("UPDATE webhooks_sourcesecret SET valid_until = now() WHERE use = 'api'")
    answer = execute(
        AddSource(organisation.id, "stripe", "tests", "whsec_x", {"api_url": sink.url}),
        actor=ACTOR,
        key=None,
        at=clock.database_now(),
    ).answer
    with tenancy.scope(organisation.id):
        made = Source.objects.get(path_token=answer["path"].rsplit("/", 1)[-1])
    execute(
        SetSourceApiKey(organisation.id, made.pk, "sk_test_1"), actor=ACTOR, key=None, at=clock.database_now()
    )
    return made


def stored(source):
    return [
        row[0]
        for row in sql(
            "SELECT event_id FROM webhooks_inboxevent WHERE source_id = %s ORDER BY event_id", source.pk
        )
    ]


def test_the_first_time_the_newest_page_is_taken(source, sink):
    sink.answer = Stripe(5)

    assert reconcilers.reconcile_all() == 5
    assert stored(source) == [f"evt_{n:04}" for n in range(5)]
    assert sink.received[0].headers["authorization"] == "Bearer sk_test_1"


def test_later_only_what_is_newer_is_asked_for_page_by_page(source, sink):
    stripe = sink.answer = Stripe(3, page=2)
    reconcilers.reconcile_all()
    stripe.events += Stripe(10).events[3:]

    assert reconcilers.reconcile_all() == 7
    assert stored(source)[-1] == "evt_0009"
    assert reconcilers.reconcile_all() == 0


def test_an_event_that_came_by_webhook_is_a_repeat(source, sink):
    stripe = sink.answer = Stripe(3)
    reconcilers.reconcile_all()
    sql("UPDATE webhooks_source SET reconciled_to = '' WHERE id = %s", source.pk)

    assert reconcilers.reconcile_all() == 0
    assert len(stored(source)) == len(stripe.events)


def test_what_was_found_is_applied_like_any_other(source, sink):
    sink.answer = Stripe(2)
    sql(
        "UPDATE webhooks_inboxevent SET status = 'discarded' WHERE status IN ('received', 'retry', 'waiting', 'processing')"
    )
    reconcilers.reconcile_all()

    inbox.work(work_s=10, linger_s=0)

    assert sql("SELECT DISTINCT status FROM webhooks_inboxevent WHERE source_id = %s", source.pk) == [
        ("ignored",)
    ]


@pytest.mark.parametrize(
    "answer", ["", "[]", "{}", '{"data": 7}', '{"data": [7]}', '{"data": [{"id": "x"}]}', "<html>"]
)
def test_a_list_that_cannot_be_read_stores_nothing_and_stops_no_other(source, sink, answer):
    stripe = sink.answer = Stripe(1)
    stripe.broken = answer or " "

    assert reconcilers.reconcile_all() == 0
    assert stored(source) == []


def test_a_refusal_of_the_provider_is_named(source, sink):
    sink.answer = lambda _: 401

    with pytest.raises(Unreadable, match="http_401"):
        reconcilers.reconcile(source, "wrong", at=clock.database_now())


def test_the_list_is_never_asked_for_at_a_forbidden_address(source, sink, settings):
    settings.WEBHOOK_ALLOW_LOCAL = False

    with pytest.raises(Unreadable, match="refused_url"):
        reconcilers.reconcile(source, "key", at=clock.database_now())
    assert sink.received == []


def test_the_api_key_is_sealed_and_signs_nothing(source):
    from apps.webhooks.sources import find_source

    ((sealed,),) = sql(
        "SELECT value FROM webhooks_sourcesecret WHERE source_id = %s AND use = 'api'", source.pk
    )

    assert b"sk_test_1" not in bytes(sealed)
    assert [one.value for one in find_source(source.path_token).live_secrets(clock.database_now())] == [
        "whsec_x"
    ]


def test_any_sender_of_standard_webhooks_can_list_too(organisation, sink, settings):
    settings.WEBHOOK_ALLOW_LOCAL = True
    sql("UPDATE webhooks_sourcesecret SET valid_until = now() WHERE use = 'api'")
    pages = {
        "": {"events": [{"id": "m1", "body": {"type": "payin.created", "data": {}}}], "next": "m1"},
        "m1": {"events": [], "next": "m1"},
    }
    sink.answer = lambda received: web.Response(text=json.dumps(pages[received.query.removeprefix("after=")]))
    answer = execute(
        AddSource(organisation.id, "bezant_sandbox", "t", "", {"events_url": sink.url}),
        actor=ACTOR,
        key=None,
        at=clock.database_now(),
    ).answer
    with tenancy.scope(organisation.id):
        source = Source.objects.get(path_token=answer["path"].rsplit("/", 1)[-1])
    execute(SetSourceApiKey(organisation.id, source.pk, "k"), actor=ACTOR, key=None, at=clock.database_now())

    assert reconcilers.reconcile_all() == 1
    assert stored(source) == ["m1"]
