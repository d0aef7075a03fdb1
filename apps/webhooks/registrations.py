"""What the context adds to core's registries: its health, and its part of an object's timeline."""

from __future__ import annotations

from typing import Any

from django.db import connection

from apps.core import tenancy
from apps.core.ids import public_id
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


HEALTH.register("webhooks", health)
TIMELINES.register("webhooks", timeline)
