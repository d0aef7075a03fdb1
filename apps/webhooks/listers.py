"""How each provider lists what it sent: which pages to ask for, and how to read them.

A lister is a generator of pages, oldest first where the provider lets us choose. The cursor of a page is
where a later reading goes on once the page is stored. Providers that only list by time are read in
slices of it, so that a reading that is cut short has still come further; slices overlap, since a
provider's list may itself be late, and what comes twice is one event.

Adyen, Braintree, Razorpay and TrueLayer offer no list of the webhooks they sent, and a plain sender of
RFC 9421 signatures or of Svix has no documented one: for these nothing is asked.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import parse_qs, urlencode, urlsplit

from apps.webhooks.models import InboxEvent, Source
from apps.webhooks.signatures import ProviderEvent, Unreadable, provider_events

FIRST_LOOK = timedelta(days=3)
SLICE = timedelta(hours=6)
OVERLAP = timedelta(minutes=15)
_HOOK = re.compile(r"(repos/[\w.-]+/[\w.-]+|orgs/[\w.-]+)/hooks/\d+")
_CURSOR = re.compile(r"[\w.:=+/-]{1,150}")


@dataclass(frozen=True, slots=True)
class Reply:
    """A provider's answer: its document, the bytes of it, and its Link header."""

    document: Any
    content: bytes
    link: str = ""


class Ask(Protocol):
    """Asks once, GET or (with a body) POST; the key goes along unless other headers say who we are."""

    def __call__(
        self, url: str, *, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> Reply: ...


@dataclass(frozen=True, slots=True)
class Page:
    """Events to store, with the bytes they came in; `cursor` is None while nothing may be skipped yet."""

    events: list[ProviderEvent]
    content: bytes
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of one source's list."""

    source: Source
    api_key: str = field(repr=False)
    cursor: str
    at: datetime
    ask: Ask

    def url(self, default: str, path: str, **query: Any) -> str:
        """Build a URL of the provider's API; `api_url` in the source's settings names another server."""
        base = str(self.source.config.get("api_url", default)).rstrip("/")
        return f"{base}/{path}" + (f"?{urlencode(query)}" if query else "")

    def events(self, body: Any, headers: dict[str, str] | None = None) -> list[ProviderEvent]:
        """Read an event as if it had come by webhook. Raises Unreadable."""
        encoded = json.dumps(body).encode()
        return provider_events(provider=self.source.provider, headers=headers or {}, body=encoded, at=self.at)


Lister = Callable[[Reading], Iterator[Page]]


def stripe(reading: Reading) -> Iterator[Page]:
    """GET /v1/events. `ending_before` gives what is just newer than an event; the first time, the newest page."""
    cursor, more = reading.cursor, True
    while more:
        query = {"limit": 100} | ({"ending_before": cursor} if cursor else {})
        reply = reading.ask(reading.url("https://api.stripe.com", "v1/events", **query))
        rows = _rows(reply.document, "data")
        events = [event for row in reversed(rows) for event in reading.events(row)]
        more = bool(cursor) and bool(events) and reply.document.get("has_more") is True
        cursor = events[-1].event_id if events else cursor
        yield Page(events, reply.content, cursor)


def standard_webhooks(reading: Reading) -> Iterator[Page]:
    """GET <events_url>?after=<cursor> → {"events": [{"id", "body"}, …], "next": "<cursor>"}, as the sandbox answers."""
    cursor, more = reading.cursor, True
    while more:
        address = reading.source.config.get("events_url", "")
        reply = reading.ask(f"{address}?{urlencode({'after': cursor})}")
        rows = _rows(reply.document, "events")
        events = [
            event
            for row in rows
            for event in reading.events(row.get("body"), {"webhook-id": str(row.get("id", ""))})
        ]
        following = reply.document.get("next")
        more = bool(rows) and isinstance(following, str) and following != cursor
        cursor = following if isinstance(following, str) else cursor
        yield Page(events, reply.content, cursor)


def paddle(reading: Reading) -> Iterator[Page]:
    """GET /notifications, by id from the oldest on (90 days are kept). A notification's payload is what was sent."""
    cursor, more = reading.cursor, True
    while more:
        query = {"order_by": "id[ASC]", "per_page": 200} | ({"after": cursor} if cursor else {})
        if setting := reading.source.config.get("notification_setting_id"):
            query["notification_setting_id"] = str(setting)
        reply = reading.ask(reading.url("https://api.paddle.com", "notifications", **query))
        rows = _rows(reply.document, "data")
        events = [event for row in rows for event in reading.events(row.get("payload"))]
        meta = reply.document.get("meta")
        paging = meta.get("pagination") if isinstance(meta, dict) else None
        more = bool(rows) and isinstance(paging, dict) and paging.get("has_more") is True
        cursor = _cursor(rows[-1].get("id")) if rows else cursor
        yield Page(events, reply.content, cursor)


def gocardless(reading: Reading) -> Iterator[Page]:
    """GET /events, newest first within a slice of time; `meta.cursors.after` leads to older ones."""
    for start, end in _slices(reading):
        after: str | None = ""
        while after is not None:
            query = {
                "limit": 500,
                "created_at[gte]": _iso(start),
                "created_at[lt]": _iso(end),
                **({"after": after} if after else {}),
            }
            reply = reading.ask(
                reading.url("https://api.gocardless.com", "events", **query),
                headers={
                    "Authorization": f"Bearer {reading.api_key}",
                    "GoCardless-Version": "2015-07-06",
                },
            )
            rows = _rows(reply.document, "events")
            events = [event for row in reversed(rows) for event in reading.events({"events": [row]})]
            meta = reply.document.get("meta")
            cursors = meta.get("cursors") if isinstance(meta, dict) else None
            given = cursors.get("after") if isinstance(cursors, dict) else None
            after = _cursor(given) if given and rows else None
            yield Page(events, reply.content, _iso(end) if after is None else None)


def paypal(reading: Reading) -> Iterator[Page]:
    """GET /v1/notifications/webhooks-events. The key is `client id:secret`, exchanged for a token first.

    Of a `next` link only the query is taken: where to ask is not for the answer to say.
    """
    api, path = "https://api-m.paypal.com", "v1/notifications/webhooks-events"
    token = _paypal_token(reading, api)
    for start, end in _slices(reading):
        query: dict[str, Any] | None = {
            "page_size": 100,
            "start_time": _iso(start),
            "end_time": _iso(end),
        }
        while query is not None:
            reply = reading.ask(reading.url(api, path, **query), headers={"Authorization": f"Bearer {token}"})
            rows = _rows(reply.document, "events")
            events = [event for row in reversed(rows) for event in reading.events(row)]
            given = _query(_next_link(reply.document.get("links")))
            query = given if given and given != query and rows else None
            yield Page(events, reply.content, _iso(end) if query is None else None)


def _paypal_token(reading: Reading, api: str) -> str:
    basic = base64.b64encode(reading.api_key.encode()).decode()
    reply = reading.ask(
        reading.url(api, "v1/oauth2/token"),
        headers={
            "Authorization": f"Basic {basic}",
            "Content-Type": "application/x-www-form-urlencoded",
        },
        body=b"grant_type=client_credentials",
    )
    token = reply.document.get("access_token") if isinstance(reply.document, dict) else None
    if not isinstance(token, str) or not 0 < len(token) <= 4_000 or not token.isprintable():
        raise Unreadable("no_token")
    return token


def square(reading: Reading) -> Iterator[Page]:
    """POST /v2/events (28 days are kept): events of a slice of time, oldest first, and a cursor to the next page."""
    for start, end in _slices(reading):
        asked: dict[str, Any] = {
            "limit": 100,
            "query": {
                "filter": {"created_at": {"start_at": _iso(start), "end_at": _iso(end)}},
                "sort": {"field": "DEFAULT", "order": "ASC"},
            },
        }
        more = True
        while more:
            reply = reading.ask(
                reading.url("https://connect.squareup.com", "v2/events"), body=json.dumps(asked).encode()
            )
            rows = _rows(reply.document, "events", absent=True)
            events = [event for row in rows for event in reading.events(row)]
            given = reply.document.get("cursor")
            more = bool(given) and bool(rows) and given != asked.get("cursor")
            if more:
                asked["cursor"] = _cursor(given)
            yield Page(events, reply.content, None if more else _iso(end))


def github(reading: Reading) -> Iterator[Page]:
    """GET …/hooks/<id>/deliveries, newest first, kept for three days; each one missing is then asked for by itself.

    GitHub never tries again by itself. `hook` in the source's settings says which hook it is
    (`repos/<owner>/<name>/hooks/<id>` or `orgs/<name>/hooks/<id>`).
    """
    hook = str(reading.source.config.get("hook", "")).strip("/")
    if not _HOOK.fullmatch(hook):
        raise Unreadable("no_hook")
    api, since = "https://api.github.com", _since(reading)
    cursor, more = "", True
    while more:
        query = {"per_page": 100} | ({"cursor": cursor} if cursor else {})
        reply = reading.ask(reading.url(api, f"{hook}/deliveries", **query))
        if not isinstance(reply.document, list) or not all(isinstance(one, dict) for one in reply.document):
            raise Unreadable("not_a_list")
        recent = [one for one in reply.document if str(one.get("delivered_at", "")) >= _iso(since)]
        following = _next_cursor(reply.link)
        more = bool(following) and len(recent) == len(reply.document) > 0 and following != cursor
        cursor = following
        wanted = _not_stored(reading, {str(one.get("guid", "")) for one in recent})
        for one in reversed(recent):
            if str(one.get("guid", "")) in wanted:
                wanted.discard(str(one.get("guid", "")))  # a redelivery has the same guid
                yield _github_delivery(reading, api, hook, one)
        yield Page([], b"", None if more else _iso(reading.at))


def _github_delivery(reading: Reading, api: str, hook: str, row: dict[str, Any]) -> Page:
    if not isinstance(row.get("id"), int):
        raise Unreadable("bad_id")
    reply = reading.ask(reading.url(api, f"{hook}/deliveries/{row['id']}"))
    request = reply.document.get("request") if isinstance(reply.document, dict) else None
    if not isinstance(request, dict):
        raise Unreadable("no_request")
    headers = {"x-github-delivery": str(row.get("guid", "")), "x-github-event": str(row.get("event", ""))}
    return Page(reading.events(request.get("payload"), headers), reply.content, None)


def _not_stored(reading: Reading, event_ids: set[str]) -> set[str]:
    from apps.core import tenancy

    with tenancy.scope(reading.source.organisation_id):
        kept = InboxEvent.objects.filter(source_id=reading.source.pk, event_id__in=event_ids)
        return event_ids - set(kept.values_list("event_id", flat=True)) - {""}


def _slices(reading: Reading) -> Iterator[tuple[datetime, datetime]]:
    """Cut the time since the latest reading into slices, each beginning a little before the one before ended."""
    start = _since(reading)
    while start < reading.at:
        end = min(start + SLICE, reading.at)
        yield start, end
        start = end


def _since(reading: Reading) -> datetime:
    try:
        known = datetime.fromisoformat(reading.cursor) if reading.cursor else None
    except ValueError:
        raise Unreadable("bad_cursor") from None
    return (known - OVERLAP) if known else reading.at - FIRST_LOOK


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _rows(document: Any, name: str, *, absent: bool = False) -> list[dict[str, Any]]:
    """Return the list of objects under a name. Raises Unreadable."""
    rows = document.get(name, [] if absent else None) if isinstance(document, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Unreadable("not_a_list")
    return rows


def _cursor(value: Any) -> str:
    """Return a cursor of a provider's that is short and plain enough to be sent back. Raises Unreadable."""
    if isinstance(value, str) and _CURSOR.fullmatch(value):
        return value
    raise Unreadable("bad_cursor")


def _next_link(links: Any) -> str:
    listed = [one for one in links if isinstance(one, dict)] if isinstance(links, list) else []
    return next((str(one.get("href")) for one in listed if one.get("rel") == "next"), "")


def _query(link: str) -> dict[str, Any]:
    try:
        return {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
    except ValueError:
        raise Unreadable("bad_cursor") from None


def _next_cursor(link: str) -> str:
    """Read the `cursor` of the rel="next" entry of a Link header (RFC 8288); "" when there is none."""
    for entry in link.split(","):
        address, _, relation = entry.partition(";")
        if 'rel="next"' in relation:
            return _cursor(_query(address.strip().strip("<>")).get("cursor"))
    return ""


LISTERS: dict[str, Lister] = {
    "bezant_sandbox": standard_webhooks,
    "github": github,
    "gocardless": gocardless,
    "paddle": paddle,
    "paypal": paypal,
    "square": square,
    "standardwebhooks": standard_webhooks,
    "stripe": stripe,
}
