"""What has to be done now and then: partitions, retention, and rows that wait for something long gone."""

from __future__ import annotations

from django.conf import settings
from django.db import connection

from apps.core import tenancy

DAYS_AHEAD = 8
REJECTIONS_KEPT_DAYS = 7


def keep() -> dict[str, int]:
    """Do all of it; every part may be done twice. Returns what was done, by name."""
    history_days = settings.WEBHOOK_HISTORY_DAYS
    bodies_days = settings.WEBHOOK_BODIES_DAYS
    with tenancy.scope(tenancy.PLATFORM), connection.cursor() as cursor:
        return {
            "partitions_made": _one(cursor, "SELECT webhooks_make_partitions(current_date, %s)", DAYS_AHEAD),
            "partitions_dropped": _one(
                cursor, "SELECT webhooks_drop_partitions(current_date - %s::int)", max(history_days, 7)
            ),
            "rejections_removed": _one(
                cursor,
                "WITH gone AS (DELETE FROM webhooks_inboundrejection"
                " WHERE refused_at < now() - make_interval(days => %s) RETURNING 1) SELECT count(*) FROM gone",
                REJECTIONS_KEPT_DAYS,
            ),
            # What they told of people goes after its time; the events stay, and with them what tells a repeat.
            "bodies_removed": _one(
                cursor,
                "WITH gone AS (DELETE FROM webhooks_inboundrequest r"
                " WHERE r.received_at < now() - make_interval(days => %s) AND NOT EXISTS ("
                "  SELECT FROM webhooks_inboxevent i WHERE i.request_id = r.id AND i.organisation_id ="
                "  r.organisation_id AND i.status NOT IN ('applied', 'ignored', 'discarded'))"
                " RETURNING 1) SELECT count(*) FROM gone",
                max(bodies_days, 30),
            ),
            "payloads_emptied": _one(
                cursor,
                "WITH emptied AS (UPDATE webhooks_inboxevent i SET payload = '{}' WHERE i.id IN ("
                "  SELECT o.id FROM webhooks_inboxevent o WHERE o.received_at < now() - make_interval(days => %s)"
                "  AND o.status IN ('applied', 'ignored', 'discarded') AND o.payload <> '{}' LIMIT 10000)"
                " RETURNING 1) SELECT count(*) FROM emptied",
                max(bodies_days, 30),
            ),
            "released": _one(cursor, _RELEASE),
        }


# An event that waits behind an earlier one of its object is released when that one is finished. Should a
# release ever be missing, the row is found here: nothing earlier is left, and it still waits.
_RELEASE = (
    "WITH freed AS (UPDATE webhooks_queue q SET next_at = clock_timestamp()"
    " WHERE q.next_at = 'infinity' AND q.ordering_key <> '' AND NOT EXISTS ("
    "  SELECT FROM webhooks_queue e WHERE e.endpoint_id = q.endpoint_id"
    "  AND e.ordering_key = q.ordering_key AND e.queue_no < q.queue_no) RETURNING 1)"
    " SELECT count(*) FROM freed"
)


def _one(cursor: object, statement: str, *values: int) -> int:
    cursor.execute(statement, list(values))  # type: ignore[attr-defined]
    return int(cursor.fetchone()[0])  # type: ignore[attr-defined]
