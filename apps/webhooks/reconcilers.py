"""Asking providers what they say they sent, and taking in what we do not have.

No retry of a provider's lasts for ever, and some never try again. So each source with a key of its
provider's API reads the provider's own list of events from where it ended last time, through the same
insert as requests: what came by webhook is a repeat, what did not is applied now.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import structlog
from django.conf import settings

from apps.core import clock, tenancy
from apps.webhooks import intake, metrics, wake
from apps.webhooks.models import Source, SourceSecret
from apps.webhooks.sending.http import Sender
from apps.webhooks.signatures import ProviderEvent, Unreadable, provider_events
from apps.webhooks.sources import KnownSource

PAGES_MAX = 50
PAGE_BYTES_MAX = 8 * 1024 * 1024
_log = structlog.get_logger("bezant.webhooks.reconcilers")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a provider's list, oldest event first; `cursor` is where the next one begins."""

    events: list[ProviderEvent]
    cursor: str
    more: bool


@dataclass(frozen=True, slots=True)
class Lister:
    """How a provider lists: the URL of the page after a cursor, and how to read a page (raises Unreadable)."""

    url: Callable[[Source, str], str]
    read: Callable[[Source, Any, str, datetime], Page]


def _stripe_url(source: Source, cursor: str) -> str:
    base = str(source.config.get("api_url", "https://api.stripe.com"))
    # `ending_before` gives what is newer than an event. The first time there is none, and the newest
    # page says where to begin.
    return f"{base}/v1/events?{urlencode({'limit': 100} | ({'ending_before': cursor} if cursor else {}))}"


def _stripe_page(source: Source, document: Any, cursor: str, at: datetime) -> Page:
    rows = document.get("data") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise Unreadable("not_a_list")
    events = [event for row in reversed(rows) for event in _events("stripe", row, {}, at)]
    newest = events[-1].event_id if events else cursor
    return Page(events, newest, bool(cursor) and document.get("has_more") is True)


def _sandbox_url(source: Source, cursor: str) -> str:
    return f"{source.config.get('events_url', '')}?{urlencode({'after': cursor})}"


def _sandbox_page(source: Source, document: Any, cursor: str, at: datetime) -> Page:
    rows = document.get("events") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Unreadable("not_a_list")
    events = [
        event
        for row in rows
        for event in _events(source.provider, row.get("body"), {"webhook-id": str(row.get("id", ""))}, at)
    ]
    following = document.get("next")
    return Page(
        events, following if isinstance(following, str) else cursor, bool(rows) and isinstance(following, str)
    )


def _events(provider: str, body: Any, headers: dict[str, str], at: datetime) -> list[ProviderEvent]:
    return provider_events(provider=provider, headers=headers, body=json.dumps(body).encode(), at=at)


LISTERS: dict[str, Lister] = {
    "stripe": Lister(_stripe_url, _stripe_page),
    # Any sender of Standard Webhooks that answers GET <events_url>?after=<cursor> with
    # {"events": [{"id", "body"}, …], "next": "<cursor>"}, as the sandbox does.
    "bezant_sandbox": Lister(_sandbox_url, _sandbox_page),
    "standardwebhooks": Lister(_sandbox_url, _sandbox_page),
}


def reconcile_all(*, at: datetime | None = None) -> int:
    """Reconcile every active source that can be; return how many events were missing. One that fails stops no other."""
    with tenancy.scope(tenancy.PLATFORM):
        keyed = SourceSecret.objects.filter(use=SourceSecret.Use.API, valid_until=None)
        keys = {row.source_id: row.value.reveal() for row in keyed}
        found = Source.objects.filter(pk__in=keys, state=Source.State.ACTIVE, provider__in=LISTERS)
        sources = list(found.order_by("pk"))
    missing = 0
    for source in sources:
        try:
            missing += reconcile(source, keys[source.pk], at=at or clock.database_now())
        except Unreadable as unreadable:
            _log.warning("a provider's list cannot be read", source=str(source.pk), reason=unreadable.reason)
    return missing


def reconcile(source: Source, api_key: str, *, at: datetime) -> int:
    """Read the provider's list on from where it was read to; return how many events were missing.

    Each page is stored and its cursor saved before the next one is asked for. Raises Unreadable.
    """
    known = KnownSource(source.pk, source.organisation_id, source.provider, True, source.config, ())
    missing, cursor = 0, source.reconciled_to
    for _ in range(PAGES_MAX):
        content = asyncio.run(_fetch(LISTERS[source.provider].url(source, cursor), api_key))
        try:
            document = json.loads(content, parse_float=str)
        except ValueError:
            raise Unreadable("not_json") from None
        page = LISTERS[source.provider].read(source, document, cursor, at)
        if page.events:
            missing += intake.store_listed(known, page.events, content, at=at)
        cursor = page.cursor[:200]
        with tenancy.scope(source.organisation_id):
            Source.objects.filter(pk=source.pk).update(reconciled_to=cursor, reconciled_at=at)
        if not page.more:
            break
    if missing:
        metrics.RECONCILED.labels(source.provider).inc(missing)
        _log.warning("events that never came were found", source=str(source.pk), count=missing)
        wake.inbox()
    return missing


async def _fetch(url: str, api_key: str) -> bytes:
    async with Sender(allow_local=settings.WEBHOOK_ALLOW_LOCAL, proxy=settings.WEBHOOK_PROXY) as sender:
        answer, content = await sender.fetch(
            url,
            headers={"Authorization": f"Bearer {api_key}", "Accept": "application/json"},
            bytes_max=PAGE_BYTES_MAX,
        )
    if answer.status_code != 200:
        raise Unreadable(answer.error or f"http_{answer.status_code}")
    return content
