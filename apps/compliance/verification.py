"""Proving the record: each entry's hash is computed again, outside the database, from what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from apps.compliance.domain import leaf_hash
from apps.compliance.models import AuditEntry

COLUMNS = (
    "id",
    "xid",
    "organisation_id",
    "actor_kind",
    "actor_id",
    "action",
    "outcome",
    "reason",
    "object_type",
    "object_id",
    "command_id",
    "correlation_id",
    "data",
    "at",
    "recorded_at",
)
"""What a leaf hash covers, in table order: everything but the hash itself."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHUNK_LENGTH = 2_000


def hash_of(values: tuple[Any, ...]) -> bytes:
    """Compute the leaf hash of an entry's columns, in the order of COLUMNS."""
    return leaf_hash([_text(value) for value in values])


def entries() -> Iterator[tuple[tuple[Any, ...], bytes]]:
    """Walk all entries that the scope shows, in the order of their keys: columns, and the stored hash."""
    rows = AuditEntry.objects.order_by("id").values_list(*COLUMNS, "leaf_hash")
    for row in rows.iterator(chunk_size=_CHUNK_LENGTH):
        yield row[:-1], bytes(row[-1])


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return str((value - _EPOCH) // timedelta(microseconds=1))
    return str(value)
