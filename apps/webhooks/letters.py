"""Dead letters of both directions: which there are, grouped by what they died of, and how they go again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core import tenancy
from apps.core.errors import Invalid, NotFound
from apps.core.ids import BadId, parse_public_id, public_id
from apps.webhooks.models import InboxEvent

TICK_MS = 100
TICK = timedelta(milliseconds=TICK_MS)
DIRECTIONS = ("in", "out")
KINDS = {"in": "inbox_event", "out": "webhook_delivery"}
LIST_MAX = 1_000

# Both directions under the same names, so that one list, one filter and one replay serve both.
_LETTERS = {
    "in": "SELECT id, 'in' AS direction, organisation_id, source_id AS place_id, event_id AS event, event_type,"
    " object_key AS object_id, attempts::int AS attempts, reason AS error,"
    " CASE WHEN fingerprint <> '' THEN fingerprint ELSE left(md5(reason), 16) END AS fingerprint,"
    " received_at AS created_at, finished_at, correlation_id FROM webhooks_inboxevent WHERE status = 'dead'",
    "out": "SELECT id, 'out', organisation_id, endpoint_id, event_id::text, event_name,"
    " object_id, attempts, latest_error, left(md5(latest_error), 16),"
    " created_at, finished_at, correlation_id FROM webhooks_delivery WHERE status = 'dead'",
}
_NAMES = (
    "id",
    "direction",
    "organisation_id",
    "place_id",
    "event",
    "event_type",
    "object_id",
    "attempts",
    "error",
    "fingerprint",
    "created_at",
    "finished_at",
    "correlation_id",
)
_FILTERS = {
    "organisation": "organisation_id = %s::uuid",
    "place": "place_id = %s::uuid",
    "event_type": "event_type = %s",
    "object_id": "object_id = %s",
    "fingerprint": "fingerprint = %s",
    "since": "created_at >= %s::timestamptz",
    "until": "created_at < %s::timestamptz",
}

_PLAIN = frozenset(
    "type event event_type eventCode resource_type object status state currency action created created_at".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. `place_id` is its source or its endpoint."""

    id: UUID
    direction: str
    organisation_id: UUID
    place_id: UUID
    event: str
    event_type: str
    object_id: str
    attempts: int
    error: str
    fingerprint: str
    created_at: datetime
    finished_at: datetime | None
    correlation_id: str

    @property
    def key(self) -> str:
        """Return the letter's public id."""
        return public(self.direction, self.id)


def public(direction: str, letter_id: UUID) -> str:
    """Write a letter's public id: `ine_…` for what came in, `del_…` for what went out."""
    return public_id("ine" if direction == "in" else "del", letter_id)


def parse(key: str) -> tuple[str, UUID]:
    """Read a letter's public id as direction and key. Raises BadId."""
    for prefix, direction in (("ine", "in"), ("del", "out")):
        if isinstance(key, str) and key.startswith(prefix + "_"):
            return direction, parse_public_id(prefix, key)
    raise BadId(expected="ine_… or del_…")


def clean(filters: dict[str, Any]) -> dict[str, str]:
    """Check filters and write ids as keys. Raises Invalid naming the filter."""
    checked: dict[str, str] = {}
    for name, value in filters.items():
        if name not in _FILTERS or not isinstance(value, str) or not 0 < len(value) <= 300:
            raise Invalid(field=f"filters.{name}"[:60], allowed=sorted(_FILTERS))
        try:
            checked[name] = _clean_value(name, value)
        except (BadId, ValueError):
            raise Invalid(field=f"filters.{name}") from None
    return checked


def _clean_value(name: str, value: str) -> str:
    if name == "organisation":
        return str(_key("org", value))
    if name == "place":
        return str(_key("src" if value.startswith("src_") else "we", value))
    if name in ("since", "until"):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("a moment without a zone")
    return value


def _key(prefix: str, value: str) -> UUID:
    return parse_public_id(prefix, value) if value.startswith(prefix + "_") else UUID(value)


def _where(direction: str, filters: dict[str, Any]) -> tuple[str, list[Any]]:
    if direction not in DIRECTIONS:
        raise Invalid(field="direction", allowed=list(DIRECTIONS))
    checked = clean(filters)
    conditions = [_FILTERS[name] for name in checked]
    clause = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    names = ", ".join(_NAMES)
    return f"(SELECT {names} FROM ({_LETTERS[direction]}) AS l({names}){clause})", list(checked.values())


def find(
    *, direction: str | None = None, filters: dict[str, Any] | None = None, limit: int = 100
) -> list[Letter]:
    """List dead letters that match, oldest first, of one direction or of both. Needs an open scope."""
    parts = [_where(one, filters or {}) for one in ([direction] if direction else DIRECTIONS)]
    query = " UNION ALL ".join(part for part, _ in parts)
    values = [value for _, given in parts for value in given]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT * FROM ({query}) l ORDER BY created_at, id LIMIT %s", [*values, min(limit, LIST_MAX)]
        )
        return [Letter(*row) for row in cursor.fetchall()]


def groups(*, direction: str | None = None, filters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Count dead letters by what they died of, the largest group first. Needs an open scope."""
    parts = [_where(one, filters or {}) for one in ([direction] if direction else DIRECTIONS)]
    query = " UNION ALL ".join(part for part, _ in parts)
    values = [value for _, given in parts for value in given]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT direction, fingerprint, min(error), count(*), min(created_at), max(created_at)"
            f" FROM ({query}) l GROUP BY direction, fingerprint ORDER BY count(*) DESC, fingerprint LIMIT 200",
            values,
        )
        names = ("direction", "fingerprint", "error", "count", "oldest_at", "newest_at")
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def measure(direction: str, filters: dict[str, Any]) -> tuple[int, UUID | None]:
    """Count what a replay would take, and name its newest letter. Needs an open scope. Raises Invalid."""
    part, values = _where(direction, filters)
    with connection.cursor() as cursor:
        # There is no max() of a uuid.
        cursor.execute(f"SELECT count(*) OVER (), id FROM {part} l ORDER BY id DESC LIMIT 1", values)
        row = cursor.fetchone()
    return (int(row[0]), row[1]) if row else (0, None)


def next_batch(
    direction: str, filters: dict[str, Any], *, after: UUID | None, until: UUID, limit: int
) -> list[UUID]:
    """Name the next letters of a replay, by their time-ordered keys. Needs an open scope."""
    part, values = _where(direction, filters)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM {part} l WHERE id > %s AND id <= %s ORDER BY id LIMIT %s",
            [*values, after or UUID(int=0), until, limit],
        )
        return [row[0] for row in cursor.fetchall()]


def requeue(direction: str, letter_id: UUID, *, at: datetime) -> bool:
    """Make a letter due again under its own id. Needs an open transaction."""
    if direction == "out":
        with connection.cursor() as cursor:
            cursor.execute("SELECT webhooks_requeue(%s)", [letter_id])
            return bool(cursor.fetchone()[0])
    return bool(
        InboxEvent.objects.filter(pk=letter_id, status=InboxEvent.Status.DEAD).update(
            status=InboxEvent.Status.RETRY, attempts=0, next_at=at, finished_at=None
        )
    )


def organisation_of(direction: str, letter_id: UUID) -> UUID:
    """Find whose letter it is, in a scope of its own. Raises NotFound."""
    table = "webhooks_inboxevent" if direction == "in" else "webhooks_delivery"
    with tenancy.scope(tenancy.PLATFORM), connection.cursor() as cursor:
        cursor.execute(f"SELECT organisation_id FROM {table} WHERE id = %s", [letter_id])
        row = cursor.fetchone()
    if row is None:
        raise NotFound(dead_letter=public(direction, letter_id))
    organisation_id: UUID = row[0]
    return organisation_id


def organisations(direction: str, filters: dict[str, Any]) -> list[UUID]:
    """Name the organisations that have matching dead letters. Needs an open scope."""
    part, values = _where(direction, filters)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT organisation_id FROM {part} l ORDER BY 1", values)
        return [row[0] for row in cursor.fetchall()]


def masked(payload: Any, *, depth: int = 0) -> Any:
    """Return a payload's shape without what it says of people.

    Numbers stay, and texts under names that say kinds and not persons; of every other text only its length
    is told. Lists are cut at 20 items and nesting at 12 levels.
    """
    if depth >= 12:
        return "…"
    if isinstance(payload, dict):
        return {
            str(name)[:60]: value
            if name in _PLAIN and isinstance(value, str)
            else masked(value, depth=depth + 1)
            for name, value in list(payload.items())[:100]
        }
    if isinstance(payload, list):
        return [masked(item, depth=depth + 1) for item in payload[:20]]
    return f"••• ({len(payload)})" if isinstance(payload, str) else payload
