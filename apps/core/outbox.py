"""Reading the outbox: by followers, in an order that skips nothing, and by an organisation.

Sequence numbers are not the order of commits: a lower number can commit later. Followers therefore
read only rows whose writing transaction is older than every running one (the horizon), ordered by
(xid, seq); nothing can appear behind a cursor that moves like that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core.events import StoredEvent

_COLUMNS = (
    "id, organisation_id, name, version, object_type, object_id, payload, correlation_id, "
    "occurred_at, recorded_at"
)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the outbox."""

    xid: int
    seq: int


@dataclass(frozen=True, slots=True)
class Positioned:
    """An event and its place."""

    position: Position
    event: StoredEvent


def read_after(position: Position, *, limit: int) -> list[Positioned]:
    """Return up to `limit` committed events after the position, oldest first.

    Needs the platform's scope; sees nothing that a running transaction may still precede.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT xid::text::bigint, seq, {_COLUMNS} FROM core_outboxevent "  # no input
            "WHERE (xid, seq) > (%s::text::xid8, %s) AND xid < pg_snapshot_xmin(pg_current_snapshot()) "
            "ORDER BY xid, seq LIMIT %s",
            [str(position.xid), position.seq, limit],
        )
        return [Positioned(Position(row[0], row[1]), _stored(row[2:])) for row in cursor.fetchall()]


def event_by_id(event_id: UUID) -> StoredEvent | None:
    """Return one event. Needs the scope of its organisation, or the platform's."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_COLUMNS} FROM core_outboxevent WHERE id = %s", [event_id])  # no input
        row = cursor.fetchone()
    return _stored(row) if row else None


def _stored(row: tuple[Any, ...]) -> StoredEvent:
    values = list(row)
    if isinstance(values[6], str):
        values[6] = json.loads(values[6])
    return StoredEvent(*values)


def newest_lag_s() -> float:
    """Return how long, in seconds, the oldest event that some consumer has not read has waited."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(o.recorded_at)), 0)::float8 "
            "FROM core_consumercursor c CROSS JOIN LATERAL ("
            "  SELECT recorded_at FROM core_outboxevent e "
            "  WHERE (e.xid, e.seq) > (c.xid::text::xid8, c.seq) ORDER BY e.xid, e.seq LIMIT 1) o"
        )
        return float(cursor.fetchone()[0])
