"""Asking providers what they say they sent, and taking in what we do not have.

No retry of a provider's lasts for ever, and some never try again. So each source with a key of its
provider's API reads the provider's own list of events from where it ended last time, through the same
insert as requests: what came by webhook is a repeat, what did not is applied now.
"""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from itertools import islice

import structlog
from django.conf import settings

from apps.core import clock, tenancy
from apps.webhooks import intake, metrics, wake
from apps.webhooks.listers import LISTERS, Ask, Reading, Reply
from apps.webhooks.models import Source, SourceSecret
from apps.webhooks.sending.http import Sender
from apps.webhooks.signatures import Unreadable
from apps.webhooks.sources import KnownSource

PAGES_MAX = 200
PAGE_BYTES_MAX = 8 * 1024 * 1024
_log = structlog.get_logger("bezant.webhooks.reconcilers")


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
            metrics.RECONCILER_FAILURES.labels(source.provider).inc()
            _log.warning("a provider's list cannot be read", source=str(source.pk), reason=unreadable.reason)
    return missing


def reconcile(source: Source, api_key: str, *, at: datetime) -> int:
    """Read the provider's list on from where it was read to; return how many events were missing.

    Each page is stored and its cursor saved before the next one is asked for, so that a refusal (429 is one)
    costs nothing that was read: the next round goes on from there. Raises Unreadable.
    """
    known = KnownSource(source.pk, source.organisation_id, source.provider, True, source.config, ())
    reading = Reading(source, api_key, source.reconciled_to, at, _asker(api_key))
    missing = 0
    try:
        for page in islice(LISTERS[source.provider](reading), PAGES_MAX):
            if page.events:
                missing += intake.store_listed(known, page.events, page.content, at=at)
            if page.cursor is not None:
                with tenancy.scope(source.organisation_id):
                    Source.objects.filter(pk=source.pk).update(
                        reconciled_to=page.cursor[:200], reconciled_at=at
                    )
    finally:
        if missing:
            metrics.RECONCILED.labels(source.provider).inc(missing)
            _log.warning("events that never came were found", source=str(source.pk), count=missing)
            wake.inbox()
    return missing


def _asker(api_key: str) -> Ask:
    def ask(url: str, *, headers: dict[str, str] | None = None, body: bytes | None = None) -> Reply:
        content, link = asyncio.run(
            _fetch(url, {"Authorization": f"Bearer {api_key}"} if headers is None else headers, body)
        )
        try:
            # Numbers keep their digits, as in the webhook itself; no reader here calculates with them.
            return Reply(json.loads(content, parse_float=str), content, link)
        except (ValueError, RecursionError):
            raise Unreadable("not_json") from None

    return ask


async def _fetch(url: str, headers: dict[str, str], body: bytes | None) -> tuple[bytes, str]:
    async with Sender(allow_local=settings.WEBHOOK_ALLOW_LOCAL, proxy=settings.WEBHOOK_PROXY) as sender:
        fetched = await sender.fetch(
            url,
            headers={"Accept": "application/json", "Content-Type": "application/json", **headers},
            bytes_max=PAGE_BYTES_MAX,
            body=body,
        )
    if fetched.answer.status_code != 200:
        raise Unreadable(fetched.answer.error or f"http_{fetched.answer.status_code}")
    return fetched.content, fetched.link
