"""The inbound door: verify, store, commit, and only then answer.

Receiving is not a command: nothing happens in the books here, and a row that nobody has looked at yet
is all the record there is to make. What the event does is a command (`apply_inbox_event`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import connection

from apps.core import codec, ids, logs, tenancy
from apps.webhooks import metrics
from apps.webhooks.signatures import (
    BODY_BYTES_MAX,
    ProviderEvent,
    Unreadable,
    Verdict,
    provider_events,
    verify_signature,
)
from apps.webhooks.sources import KnownSource, find_source

REJECTIONS_PER_MINUTE = 20
_UNAUTHORISED = frozenset(
    {
        "missing_signature",
        "signature_mismatch",
        "unknown_key",
        "untrusted_key_url",
        "wrong_algorithm",
        "expired",
        "timestamp_too_old",
        "timestamp_in_future",
        "no_secret",
        "missing_coverage",
    }
)
# Headers that may hold a credential are not kept; the signature's own are, as evidence.
_NOT_KEPT = frozenset({"authorization", "cookie", "proxy-authorization"})
# A sender's own count of tries is not a part of what happened.
_NOT_COMPARED = {"stripe": ("pending_webhooks", "request")}
_log = structlog.get_logger("bezant.webhooks.intake")


@dataclass(frozen=True, slots=True)
class Receipt:
    """How to answer: the HTTP status, a code for the body, and how many events were new."""

    status: int
    code: str
    stored: int = 0
    repeated: int = 0


@dataclass(frozen=True, slots=True)
class Inbound:
    """A request as the web server handed it over. Header names are in lower case."""

    path_token: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    remote_address: str


def receive(inbound: Inbound, *, at: datetime) -> Receipt:
    """Take in a provider's request. A status of 200 means that its events are committed.

    A request that is not genuine stores nothing under its event's id, so that a forger cannot take an
    id before its owner comes. Raises DatabaseError: nothing was kept, and the sender must try again.
    """
    source = find_source(inbound.path_token)
    if source is None or not source.active:
        return Receipt(404, "unknown_source")
    if len(inbound.body) > BODY_BYTES_MAX:
        return _refused(source, inbound, 413, "body_too_large", at)
    verdict = verify_signature(
        provider=source.provider,
        secrets=source.live_secrets(at),
        headers=inbound.headers,
        body=inbound.body,
        at=at,
        method=inbound.method,
        url=inbound.url,
        config=source.config,
    )
    if not verdict.valid:
        status = 401 if verdict.reason in _UNAUTHORISED else 400
        return _refused(source, inbound, status, verdict.reason, at)
    try:
        events = provider_events(provider=source.provider, headers=inbound.headers, body=inbound.body, at=at)
    except Unreadable as unreadable:
        return _refused(source, inbound, 400, unreadable.reason, at)
    return _store(source, inbound, verdict, events, at)


def store_listed(source: KnownSource, events: list[ProviderEvent], listing: bytes, *, at: datetime) -> int:
    """Take in events that the provider's own list holds; return how many of them we did not have.

    They go through the same insert as requests do, so that one that comes by both ways is one event.
    """
    inbound = Inbound(path_token="", method="GET", url="", headers={}, body=listing, remote_address="")
    return _store(source, inbound, Verdict(True, "ok", "reconciled"), events, at).stored


def _store(
    source: KnownSource, inbound: Inbound, verdict: Verdict, events: list[ProviderEvent], at: datetime
) -> Receipt:
    unique = {event.event_id: event for event in events}
    rows = [_row(source, event, at) for event in unique.values()]
    headers = {name: value for name, value in inbound.headers.items() if name not in _NOT_KEPT}
    with tenancy.scope(source.organisation_id), connection.cursor() as cursor:
        cursor.execute(
            "SELECT event_id, outcome FROM webhooks_receive("
            "%s::uuid, %s::uuid, %s::uuid, %s::timestamptz, %s, %s::jsonb, %s::bytea, %s, %s, %s::jsonb)",
            [
                source.organisation_id,
                source.id,
                ids.uuid7(at),
                at,
                source.provider,
                json.dumps(headers),
                inbound.body,
                verdict.key_id or "",
                logs.correlation_id(),
                json.dumps(rows),
            ],
        )
        outcomes = dict(cursor.fetchall())
        for event_id in [one for one, outcome in outcomes.items() if outcome == "changed"]:
            _record_rejection(source, inbound, "changed_under_its_id", at, event_id=event_id)
            _log.warning("event came again with other content", source=str(source.id), event_id=event_id)
    stored = sum(outcome == "stored" for outcome in outcomes.values())
    code = "stored" if stored else "repeated"
    metrics.INBOUND_REQUESTS.labels(source.provider, code).inc()
    return Receipt(200, code, stored, len(outcomes) - stored)


def _row(source: KnownSource, event: ProviderEvent, at: datetime) -> dict[str, Any]:
    ignored = _NOT_COMPARED.get(source.provider, ())
    compared = {name: value for name, value in event.payload.items() if name not in ignored}
    return {
        "id": str(ids.uuid7(at)),
        "event_id": event.event_id,
        "event_type": event.event_type,
        "object_key": event.object_key,
        "occurred_at": event.occurred_at.isoformat() if event.occurred_at else None,
        "payload": event.payload,
        "digest": codec.digest(event.event_type, compared).hex(),
    }


def _refused(source: KnownSource, inbound: Inbound, status: int, reason: str, at: datetime) -> Receipt:
    with tenancy.scope(source.organisation_id):
        _record_rejection(source, inbound, reason, at)
    _log.info("inbound webhook refused", source=str(source.id), provider=source.provider, reason=reason)
    metrics.INBOUND_REQUESTS.labels(source.provider, reason).inc()
    return Receipt(status, reason)


def _record_rejection(
    source: KnownSource, inbound: Inbound, reason: str, at: datetime, event_id: str = ""
) -> None:
    """Keep a sample of what was refused: a flood of forgeries must not fill the disk."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO webhooks_inboundrejection (id, organisation_id, source_id, reason, event_id,"
            " body_bytes, body_sha256, remote_address, refused_at)"
            " SELECT %s::uuid, %s::uuid, %s::uuid, %s, %s, %s, sha256(%s::bytea), %s, %s::timestamptz"
            " WHERE (SELECT count(*) FROM webhooks_inboundrejection"
            "        WHERE source_id = %s AND refused_at > %s::timestamptz - interval '1 minute') < %s",
            [
                ids.uuid7(at),
                source.organisation_id,
                source.id,
                reason[:40],
                event_id[:300],
                len(inbound.body),
                inbound.body,
                inbound.remote_address[:45],
                at,
                source.id,
                at,
                REJECTIONS_PER_MINUTE,
            ],
        )
