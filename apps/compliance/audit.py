"""Writing the audit log, in the transaction of what it tells of."""

from __future__ import annotations

import hashlib

from apps.compliance.models import AuditEntry
from apps.core import codec, ids
from apps.core.db import insert_rows
from apps.core.ports import AuditRecord

DATA_SIZE_MAX = 64 * 1024
"""Bytes of details one entry keeps; of more it keeps the hash."""


def write_audit(records: list[AuditRecord]) -> None:
    """Append audit entries in the open transaction, whose scope must allow their organisation.

    What cannot be written raises and so undoes what was done: nothing happens unrecorded.
    """
    insert_rows([_entry(record) for record in records])


def _entry(record: AuditRecord) -> AuditEntry:
    return AuditEntry(
        id=ids.uuid7(record.at),
        organisation_id=record.organisation_id,
        actor_kind=record.actor.kind,
        actor_id=record.actor.id,
        action=record.action,
        outcome=record.outcome,
        reason=record.reason,
        object_type=record.object_type,
        object_id=record.object_id,
        command_id=record.command_id,
        correlation_id=record.correlation_id,
        at=record.at,
        data=_details(record),
    )


def _details(record: AuditRecord) -> str:
    data = codec.canonical_json(record.data)
    if len(data) > DATA_SIZE_MAX:
        left_out = {"left_out_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        data = codec.canonical_json(left_out)
    return data.decode()
