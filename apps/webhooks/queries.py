"""Reads: endpoints, deliveries and events, as plain data. All need an open scope."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.core.models import OutboxEvent
from apps.webhooks.domain.breaker import PAUSE_FIRST_S
from apps.webhooks.listers import LISTERS
from apps.webhooks.models import (
    Attempt,
    Delivery,
    Endpoint,
    EndpointHealth,
    EndpointSecret,
    QueuedDelivery,
    Source,
    SourceSecret,
)
from apps.webhooks.signatures import standard


def endpoints() -> QuerySet[Endpoint]:
    """Return the endpoints in scope, newest first."""
    return Endpoint.objects.order_by("-pk")


def endpoint(endpoint_id: UUID) -> Endpoint:
    """Return one endpoint. Raises NotFound."""
    found = Endpoint.objects.filter(pk=endpoint_id).first()
    if found is None:
        raise NotFound(webhook_endpoint=public_id("we", endpoint_id))
    return found


def endpoint_data(one: Endpoint) -> dict[str, Any]:
    """Write an endpoint as the API shows it: no secret, no certificate."""
    health = EndpointHealth.objects.filter(pk=one.pk).first() or EndpointHealth()
    return {
        "id": public_id("we", one.pk),
        "url": one.url,
        "description": one.description,
        "event_filters": one.event_filters,
        "state": str(one.state),
        "ordered": one.ordered,
        "max_in_flight": one.max_in_flight,
        "rate_per_s": one.rate_per_s,
        "mutual_tls": one.client_certificate is not None,
        "breaker": "closed" if health.pause_s < PAUSE_FIRST_S else "open",
        "failing_since": _iso(health.failing_since),
        "latest_success_at": _iso(health.latest_success_at),
        "created_at": _iso(one.created_at),
        "disabled_at": _iso(one.disabled_at),
    }


def secrets_data(endpoint_id: UUID, *, at: datetime) -> list[dict[str, Any]]:
    """Write the live secrets of an endpoint, newest first; of an Ed25519 key, the public half alone."""
    rows = EndpointSecret.objects.filter(endpoint_id=endpoint_id).exclude(valid_until__lte=at)
    return [
        {
            "kind": row.kind,
            "secret": row.value.reveal()
            if row.kind == "hmac"
            else standard.public_key_of(row.value.reveal()),
            "valid_from": _iso(row.valid_from),
            "valid_until": _iso(row.valid_until),
        }
        for row in rows.order_by("-valid_from", "-pk")
    ]


def deliveries(
    *, endpoint_id: UUID | None = None, event_id: UUID | None = None, status: str = "", event_type: str = ""
) -> QuerySet[Delivery]:
    """Return deliveries that match, newest first."""
    wanted = {"endpoint_id": endpoint_id, "event_id": event_id, "status": status, "event_name": event_type}
    return Delivery.objects.filter(**{name: value for name, value in wanted.items() if value}).order_by("-pk")


def delivery(delivery_id: UUID) -> Delivery:
    """Return one delivery. Raises NotFound."""
    found = Delivery.objects.filter(pk=delivery_id).first()
    if found is None:
        raise NotFound(webhook_delivery=public_id("del", delivery_id))
    return found


def delivery_data(one: Delivery, *, with_attempts: bool = False) -> dict[str, Any]:
    """Write a delivery as the API shows it, on request with its attempts and when the next is due."""
    told: dict[str, Any] = {
        "id": public_id("del", one.pk),
        "endpoint_id": public_id("we", one.endpoint_id),
        "event_id": public_id("evt", one.event_id),
        "event_type": one.event_name,
        "object_id": one.object_id,
        "status": one.status,
        "attempts": one.attempts,
        "latest_status_code": one.latest_status_code,
        "latest_error": one.latest_error,
        "reason": one.reason,
        "created_at": _iso(one.created_at),
        "finished_at": _iso(one.finished_at),
    }
    if with_attempts:
        queued = QueuedDelivery.objects.filter(pk=one.pk).first()
        told["next_attempt_at"] = _iso(queued.next_at) if queued and queued.next_at.year < 9999 else None
        told["tries"] = [_attempt_data(row) for row in attempts(one.pk)]
    return told


def attempts(delivery_id: UUID) -> list[Attempt]:
    """Return the latest hundred attempts of a delivery, in order."""
    rows = Attempt.objects.filter(delivery_id=delivery_id).order_by("-number")[:100]
    return list(reversed(rows))


def _attempt_data(row: Attempt) -> dict[str, Any]:
    return {
        "number": row.number,
        "started_at": _iso(row.started_at),
        "took_ms": row.took_ms,
        "status_code": row.status_code,
        "error": row.error,
        "address": row.address,
        "response_body": row.response_body,
    }


def events(*, event_type: str = "", object_id: str = "") -> QuerySet[OutboxEvent]:
    """Return the organisation's events that match, newest first."""
    wanted = {"name": event_type, "object_id": object_id}
    return OutboxEvent.objects.filter(**{name: value for name, value in wanted.items() if value}).order_by(
        "-pk"
    )


def event(event_id: UUID) -> OutboxEvent:
    """Return one event. Raises NotFound."""
    found = OutboxEvent.objects.filter(pk=event_id).first()
    if found is None:
        raise NotFound(event=public_id("evt", event_id))
    return found


def event_data(one: OutboxEvent) -> dict[str, Any]:
    """Write an event exactly as endpoints get it."""
    return {
        "id": public_id("evt", one.pk),
        "type": one.name,
        "version": one.version,
        "timestamp": str(_iso(one.occurred_at)).replace("+00:00", "Z"),
        "object": {"type": one.object_type, "id": one.object_id},
        "data": one.payload,
    }


def sources() -> QuerySet[Source]:
    """Return the sources of inbound webhooks in scope, oldest first."""
    return Source.objects.order_by("pk")


def source_secret(source_id: UUID) -> str:
    """Reveal the newest secret of a source, for who sets the provider up. Raises NotFound."""
    rows = SourceSecret.objects.filter(source_id=source_id, use=SourceSecret.Use.SIGNING)
    row = rows.order_by("-valid_from", "-pk").first()
    if row is None:
        raise NotFound(webhook_source=public_id("src", source_id))
    return row.value.reveal()


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def catching_up(source: Source) -> str:
    """Say whether events of a source that never came by webhook can be found, and when they were last looked for."""
    if source.provider not in LISTERS:
        return "not possible: this provider offers no list of what it sent"
    keys = SourceSecret.objects.filter(source_id=source.pk, use=SourceSecret.Use.API, valid_until=None)
    if not keys.exists():
        return "not done: there is no key of the provider's API yet"
    if source.reconciled_at is None:
        return "every quarter of an hour; not yet done"
    return f"every quarter of an hour; read up to {source.reconciled_at:%Y-%m-%d %H:%M} UTC"
