"""The followers of the log: read models with their monitors, the expiry of holds, partitions made ahead."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from apps.core import ids, tenancy
from apps.core.models import OutboxEvent
from apps.ledger.events import MonitorCrossed
from apps.ledger.queries import from_json, rows

WINDOW_ROWS_MAX = 5_000


def follow_once(*, at: datetime, limit: int = WINDOW_ROWS_MAX) -> int:
    """Take the read models one window further and tell of the monitors crossed. Returns the rows read.

    Zero when there was nothing, or another follower is at it. Starts a transaction of its own.
    """
    with transaction.atomic(durable=True):
        tenancy.switch(tenancy.PLATFORM)
        ((found, crossings),) = rows("SELECT rows_found, crossings FROM ledger.follow(%s)", [limit])
        OutboxEvent.objects.bulk_create(_event(crossing, at) for crossing in from_json(crossings) or ())
    return found or 0


def follow_all(*, at: datetime) -> int:
    """Take the read models to the end of the settled log. Returns the rows read."""
    total = idle = 0
    while idle < 2:
        found = follow_once(at=at)
        total, idle = total + found, 0 if found else idle + 1
    return total


def expire_holds(*, at: datetime, limit: int = 500) -> int:
    """Release holds that have expired at a moment, up to a number. Returns how many."""
    with transaction.atomic(durable=True):
        return int(rows("SELECT ledger.expire_due(%s, %s)", [at, limit])[0][0])


def make_partitions() -> int:
    """Make the partitions that the log will need next. Returns how many were made."""
    return int(rows("SELECT ledger.make_partitions()")[0][0])


def replace_read_models() -> int:
    """Make the read models anew from the log, in one transaction. Returns the rows read."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', '0', true)")
        return int(rows("SELECT ledger.replace_read_models()")[0][0])


def _event(crossing: dict[str, Any], at: datetime) -> OutboxEvent:
    organisation_id = UUID(crossing["organisation_id"])
    event = MonitorCrossed(
        monitor_id=UUID(crossing["monitor_id"]),
        account_id=crossing["account_id"],
        direction=crossing["direction"],
        threshold_minor=crossing["threshold_minor"],
        posted_minor=crossing["posted_minor"],
        journal_seq=crossing["seq"],
    )
    return OutboxEvent(
        id=ids.uuid7(at), organisation_id=organisation_id, name=event.NAME, version=event.VERSION,
        object_type=event.object_type, object_id=event.object_id, payload=event.payload(),
        correlation_id=f"monitor:{crossing['monitor_id']}", occurred_at=at,
    )  # fmt: skip
