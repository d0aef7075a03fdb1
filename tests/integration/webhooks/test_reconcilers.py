"""What a provider says it sent and we do not have is found, once."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from urllib.parse import parse_qs, urlencode

import pytest
from aiohttp import web

from apps.core import clock, tenancy
from apps.core.commands import execute
from apps.webhooks import inbox, reconcilers
from apps.webhooks.commands.sources import AddSource, SetSourceApiKey
from apps.webhooks.models import Source
from apps.webhooks.signatures import Unreadable
from tests.integration.webhooks.conftest import ACTOR, sql
from tests.integration.webhooks.sink import Received, Sink


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


# Each provider's list as its documentation describes it; `page` is how many it gives at once.


def instant(number):
    return f"2026-03-01T{number:02}:00:00Z"


AT = datetime(2026, 3, 1, 4, 30, tzinfo=UTC)  # after the fifth event


def window(query, start, end):
    return lambda moment: query[start][0] <= moment <= query[end][0]


@dataclass
class Listing:
    """A provider's API on loopback, which knows `count` events, one an hour."""

    count: int
    page: int = 2
    asked: list[Received] = field(default_factory=list)
    limit: int = 10**6

    def __call__(self, received):
        self.asked.append(received)
        if len(self.asked) > self.limit:
            return web.Response(status=429, headers={"Retry-After": "60"})
        return web.json_response(*self.answer(received, parse_qs(received.query)))


class GoCardless(Listing):
    config: ClassVar = {}
    wanted = "EV{:03}"

    def answer(self, received, query):
        assert received.path == "/events" and received.headers["gocardless-version"] == "2015-07-06"
        assert received.headers["authorization"] == "Bearer key"
        inside = [
            {
                "id": f"EV{n:03}",
                "created_at": instant(n),
                "resource_type": "payments",
                "action": "confirmed",
                "links": {"payment": f"PM{n}"},
                "details": {"origin": "gocardless", "cause": "payment_confirmed"},
            }
            for n in range(self.count)
            if query["created_at[gte]"][0] <= instant(n) < query["created_at[lt]"][0]
        ][::-1]
        first = next((i + 1 for i, e in enumerate(inside) if [e["id"]] == query.get("after")), 0)
        chosen = inside[first : first + self.page]
        more = first + self.page < len(inside)
        cursors = {"before": None, "after": chosen[-1]["id"] if more else None}
        return ({"events": chosen, "meta": {"cursors": cursors, "limit": self.page}},)


class PayPal(Listing):
    config: ClassVar = {}
    wanted = "WH-{:03}"

    def answer(self, received, query):
        if received.path == "/v1/oauth2/token":
            assert received.headers["authorization"] == "Basic a2V5"
            assert received.body == b"grant_type=client_credentials"
            return ({"access_token": "A21AA", "token_type": "Bearer", "expires_in": 32400},)
        assert received.path == "/v1/notifications/webhooks-events"
        assert received.headers["authorization"] == "Bearer A21AA"
        inside = [
            {
                "id": f"WH-{n:03}",
                "create_time": instant(n),
                "event_type": "PAYMENT.CAPTURE.COMPLETED",
                "resource": {"id": f"c{n}", "amount": {"value": "7.47"}},
            }
            for n in range(self.count)
            if window(query, "start_time", "end_time")(instant(n))
        ][::-1]
        first = int(query.get("start_index", ["0"])[0])
        following = urlencode({k: v[0] for k, v in query.items()} | {"start_index": first + self.page})
        # A hostile answer may name any host: only its query is used.
        href = f"https://elsewhere.example/v1/other?{following}"
        links = [{"rel": "next", "href": href, "method": "GET"}] if first + self.page < len(inside) else []
        return ({"events": inside[first : first + self.page], "count": len(inside), "links": links},)


class Square(Listing):
    config: ClassVar = {}
    wanted = "sq-{:03}"

    def answer(self, received, query):
        asked = json.loads(received.body)
        assert received.path == "/v2/events" and asked["query"]["sort"]["order"] == "ASC"
        span = asked["query"]["filter"]["created_at"]
        inside = [
            {
                "event_id": f"sq-{n:03}",
                "merchant_id": "M1",
                "type": "payment.updated",
                "created_at": instant(n),
                "data": {"type": "payment", "id": f"p{n}", "object": {}},
            }
            for n in range(self.count)
            if span["start_at"] <= instant(n) <= span["end_at"]
        ]
        first = int(asked.get("cursor", "c0")[1:])
        more = {"cursor": f"c{first + self.page}"} if first + self.page < len(inside) else {}
        chosen = inside[first : first + self.page]
        return (({"events": chosen} if chosen else {}) | more,)


class Paddle(Listing):
    config: ClassVar = {"notification_setting_id": "ntfset_1"}
    wanted = "evt_{:03}"

    def answer(self, received, query):
        assert received.path == "/notifications" and query["order_by"] == ["id[ASC]"]
        assert query["notification_setting_id"] == ["ntfset_1"]
        rows = [
            {
                "id": f"ntf_{n:03}",
                "status": "delivered",
                "payload": {
                    "event_id": f"evt_{n:03}",
                    "event_type": "transaction.completed",
                    "occurred_at": instant(n),
                    "notification_id": f"ntf_{n:03}",
                    "data": {"id": f"txn_{n}"},
                },
            }
            for n in range(self.count)
        ]
        left = [row for row in rows if row["id"] > query.get("after", [""])[0]]
        paging = {
            "per_page": self.page,
            "has_more": len(left) > self.page,
            "next": "https://elsewhere.example",
        }
        return ({"data": left[: self.page], "meta": {"pagination": paging}},)


class GitHub(Listing):
    config: ClassVar = {"hook": "repos/acme/shop/hooks/7"}
    wanted = "guid-{:03}"

    def __call__(self, received):
        answer = super().__call__(received)
        cursor = int(dict(parse_qs(received.query)).get("cursor", ["c0"])[0][1:]) + self.page
        if received.path.endswith("/deliveries") and cursor < self.count:
            answer.headers["Link"] = f'<https://api.github.com/x?per_page=2&cursor=c{cursor}>; rel="next"'
        return answer

    def answer(self, received, query):
        if not received.path.endswith("/deliveries"):
            number = int(received.path.rsplit("/", 1)[-1])
            return ({"id": number, "request": {"headers": {}, "payload": {"action": "opened", "n": number}}},)
        assert received.path == "/repos/acme/shop/hooks/7/deliveries"
        rows = [
            {
                "id": n,
                "guid": f"guid-{n:03}",
                "delivered_at": instant(n),
                "event": "issues",
                "action": "opened",
            }
            for n in range(self.count)
        ][::-1]
        first = int(query.get("cursor", ["c0"])[0][1:])
        return (rows[first : first + self.page],)


LISTINGS = {"gocardless": GoCardless, "paypal": PayPal, "square": Square, "paddle": Paddle, "github": GitHub}


def open_source(organisation, sink, provider, config):
    sql("UPDATE webhooks_sourcesecret SET valid_until = now() WHERE use = 'api'")
    command = AddSource(organisation.id, provider, "list", "s", {"api_url": sink.url} | config)
    path = execute(command, actor=ACTOR, key=None, at=clock.database_now()).answer["path"]
    with tenancy.scope(organisation.id):
        made = Source.objects.get(path_token=path.rsplit("/", 1)[-1])
    execute(SetSourceApiKey(organisation.id, made.pk, "key"), actor=ACTOR, key=None, at=clock.database_now())
    return made


@pytest.mark.parametrize("provider", sorted(LISTINGS))
class TestProvidersThatList:
    @pytest.fixture
    def listing(self, provider, sink, settings):
        settings.WEBHOOK_ALLOW_LOCAL = True
        sink.answer = LISTINGS[provider](5)
        return sink.answer

    @pytest.fixture
    def listed(self, organisation, provider, listing, sink):
        return open_source(organisation, sink, provider, listing.config)

    def test_every_page_is_read_and_the_next_reading_finds_nothing(self, listed, listing):
        assert reconcilers.reconcile_all(at=AT) == 5
        assert stored(listed) == [listing.wanted.format(n) for n in range(5)]
        assert reconcilers.reconcile_all(at=AT) == 0

    def test_what_comes_later_is_found_later(self, listed, listing):
        reconcilers.reconcile_all(at=AT)
        listing.count = 8

        assert reconcilers.reconcile_all(at=AT + timedelta(hours=3)) == 3

    def test_being_told_to_slow_down_loses_nothing(self, listed, listing):
        listing.limit = 2
        reconcilers.reconcile_all(at=AT)
        listing.limit = 10**6

        reconcilers.reconcile_all(at=AT)

        assert stored(listed) == [listing.wanted.format(n) for n in range(5)]

    @pytest.mark.parametrize(
        "body",
        [b"", b"<html>", b"7", b"[7]", b"{}", b'{"events": 7, "data": [7]}', b"[" * 5_000, b"\xff\x00"],
    )
    def test_a_hostile_answer_stores_nothing(self, listed, sink, body):
        sink.answer = lambda _: web.Response(body=body)

        assert reconcilers.reconcile_all(at=AT) == 0
        assert stored(listed) == []

    def test_a_list_without_end_is_left_after_so_many_pages(self, listed, listing, monkeypatch):
        monkeypatch.setattr(reconcilers, "PAGES_MAX", 2)

        reconcilers.reconcile_all(at=AT)

        assert len(listing.asked) <= 4


def test_a_source_of_a_provider_without_a_list_is_never_asked(organisation, sink, settings):
    settings.WEBHOOK_ALLOW_LOCAL = True
    open_source(organisation, sink, "adyen", {})

    assert reconcilers.reconcile_all(at=AT) == 0
    assert sink.received == []


def test_a_hook_that_is_no_hooks_path_is_not_asked_for(organisation, sink, settings):
    settings.WEBHOOK_ALLOW_LOCAL = True
    source = open_source(organisation, sink, "github", {"hook": "../user"})

    with pytest.raises(Unreadable, match="no_hook"):
        reconcilers.reconcile(source, "key", at=AT)
    assert sink.received == []
