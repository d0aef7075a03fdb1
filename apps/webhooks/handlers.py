"""Reactions to events: every event of an organisation goes to the endpoints that want it."""

from __future__ import annotations

from django.db import connection

from apps.core.consumers import consumes
from apps.core.events import StoredEvent
from apps.core.ids import parse_public_id
from apps.webhooks import wake
from apps.webhooks.events import EndpointTest


@consumes(consumer="webhooks.fan_out")
def fan_out(event: StoredEvent) -> None:
    """Queue the event for each endpoint of its organisation; again and again is the same as once.

    This is one statement rather than a command: what it writes follows from the event and the endpoints
    alone, and it is asked for with every event there is.
    """
    if event.organisation_id is None:
        return
    only = parse_public_id("we", event.object_id) if event.name == EndpointTest.NAME else None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT webhooks_fan_out(%s, %s, %s, %s, %s, %s, %s)",
            [
                event.organisation_id,
                event.id,
                event.name,
                event.object_id,
                event.correlation_id,
                event.recorded_at,
                only,
            ],
        )
        (queued,) = cursor.fetchone()
    if queued:
        wake.deliveries()
