"""What the context adds to core's registries: its health, and its part of an object's timeline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connection

from apps.core import tenancy
from apps.core.ids import public_id
from apps.core.metrics import READINGS, Gauge
from apps.core.registries import HEALTH, TIMELINES, TimelineItem
from apps.webhooks.models import Delivery, InboxEvent

STUCK_AFTER_S = 300
ITEMS_MAX = 100


def timeline(object_id: str) -> list[TimelineItem]:
    """List what providers told about an object, and what was told to endpoints. Needs an open scope."""
    items = [
        TimelineItem(
            at=row.received_at,
            kind="webhook",
            title=f"{row.provider} told: {row.event_type}",
            detail={"id": public_id("ine", row.pk), "status": row.status, "reason": row.reason},
        )
        for row in InboxEvent.objects.filter(status=InboxEvent.Status.APPLIED, reason=object_id).order_by(
            "id"
        )[:ITEMS_MAX]
    ]
    items += [
        TimelineItem(
            at=row.finished_at or row.created_at,
            kind="webhook",
            title=f"{row.event_name}: {row.status}",
            detail={
                "id": public_id("del", row.pk),
                "endpoint": public_id("we", row.endpoint_id),
                "attempts": row.attempts,
                "status_code": row.latest_status_code,
                "error": row.latest_error,
            },
        )
        for row in Delivery.objects.filter(object_id=object_id).order_by("id")[:ITEMS_MAX]
    ]
    return items


def health() -> dict[str, Any]:
    """Tell whether anything due has been left lying: then no worker is at work."""
    with tenancy.scope(tenancy.PLATFORM), connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT extract(epoch FROM clock_timestamp() - min(next_at)) FROM webhooks_inboxevent"
            "         WHERE status IN ('received', 'processing', 'waiting', 'retry')),"
            "       (SELECT count(*) FROM webhooks_inboxevent WHERE status = 'dead'),"
            "       (SELECT count(*) FROM webhooks_delivery WHERE status = 'dead')"
        )
        overdue_s, dead_in, dead_out = cursor.fetchone()
    overdue_s = max(0.0, round(float(overdue_s or 0), 1))
    return {"ok": overdue_s < STUCK_AFTER_S, "inbox_overdue_s": overdue_s, "dead": dead_in + dead_out}


def readings() -> Iterator[Gauge]:
    """Read what waits in both directions, since when, what is dead, and which breakers are open."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT status, count(*), coalesce(extract(epoch FROM clock_timestamp() - min(received_at)), 0)::float8"
            " FROM webhooks_inboxevent WHERE status IN ('received', 'processing', 'waiting', 'retry') GROUP BY status"
        )
        for status, count, age_s in cursor.fetchall():
            yield Gauge("bezant_inbox_events", "Provider events not finished.", count, {"status": status})
            yield Gauge(
                "bezant_inbox_oldest_seconds", "Age of the oldest of them.", age_s, {"status": status}
            )
        cursor.execute(
            "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(next_at)), 0)::float8,"
            " count(*) FILTER (WHERE lease_token IS NOT NULL AND next_at > clock_timestamp())"
            " FROM webhooks_queue WHERE next_at < 'infinity'"
        )
        queued, overdue_s, in_flight = cursor.fetchone()
        yield Gauge("bezant_deliveries_queued", "Deliveries not finished.", queued)
        yield Gauge("bezant_deliveries_in_flight", "Deliveries a worker holds.", in_flight)
        yield Gauge(
            "bezant_deliveries_overdue_seconds",
            "How long the most overdue one has been due.",
            max(0, overdue_s),
        )
        cursor.execute(
            "SELECT (SELECT count(*) FROM webhooks_inboxevent WHERE status = 'dead'),"
            " (SELECT count(*) FROM webhooks_delivery WHERE status = 'dead')"
        )
        dead_in, dead_out = cursor.fetchone()
        for direction, count in (("in", dead_in), ("out", dead_out)):
            yield Gauge("bezant_dead_letters", "Dead letters.", count, {"direction": direction})
        cursor.execute(
            "SELECT e.state, count(*), count(*) FILTER (WHERE h.pause_s > 0) FROM webhooks_endpoint e"
            " LEFT JOIN webhooks_endpointhealth h ON h.endpoint_id = e.id GROUP BY e.state"
        )
        opened = 0
        for state, count, open_here in cursor.fetchall():
            opened += open_here if state == "active" else 0
            yield Gauge("bezant_webhook_endpoints", "Webhook endpoints.", count, {"state": state})
        yield Gauge("bezant_breakers_open", "Active endpoints whose circuit breaker is open.", opened)


READINGS.register("webhooks", readings)
HEALTH.register("webhooks", health)
TIMELINES.register("webhooks", timeline)
