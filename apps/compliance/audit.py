"""Writing the audit log, in the transaction of what it tells of."""

from __future__ import annotations

import hashlib

from apps.compliance.models import AuditEntry
from apps.core import codec, ids
from apps.core.ports import AuditRecord
from apps.core.rows import insert_values

DATA_SIZE_MAX = 64 * 1024
"""Bytes of details one entry keeps; of more it keeps the hash."""


def write_audit(records: list[AuditRecord]) -> None:
    """Append audit entries in the open transaction, whose scope must allow their organisation.

    What cannot be written raises and so undoes what was done: nothing happens unrecorded.
    """
    insert_values(AuditEntry, _FIELDS, [_values(record) for record in records])


_FIELDS = (
    "id", "organisation_id", "actor_kind", "actor_id", "action", "outcome", "reason", "object_type", "object_id",
    "command_id", "correlation_id", "at", "data",
)  # fmt: skip


def _values(record: AuditRecord) -> tuple[object, ...]:
    """Return the values of `_FIELDS`: many entries are written at once, and none of them as an instance."""
    return (
        ids.uuid7(record.at), record.organisation_id, record.actor.kind, record.actor.id, record.action,
        record.outcome, record.reason, record.object_type, record.object_id, record.command_id,
        record.correlation_id, record.at, _details(record),
    )  # fmt: skip


def _details(record: AuditRecord) -> str:
    data = codec.canonical_json(record.data)
    if len(data) > DATA_SIZE_MAX:
        left_out = {"left_out_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        data = codec.canonical_json(left_out)
    return data.decode()
