"""The door of the compliance context: the audit writer and the approval policy that core calls."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from apps.compliance.models import Approval, AuditEntry
from apps.core import codec, ids
from apps.core.actors import Actor
from apps.core.errors import Conflict
from apps.core.ports import AuditRecord

APPROVAL_LIFETIME = timedelta(days=3)

__all__ = ["APPROVAL_LIFETIME", "require_approval", "write_audit"]


class AlreadyWaiting(Conflict):
    code = "approval_already_waiting"
    title = "A request for the same thing already waits for a second person."


def write_audit(records: list[AuditRecord]) -> None:
    """Append audit entries in the open transaction, whose scope must allow their organisation."""
    AuditEntry.objects.bulk_create([_entry(record) for record in records])


def require_approval(
    *, name: str, version: int, payload: dict[str, Any], organisation_id: UUID | None, actor: Actor,
    at: datetime, target: str, four_eyes: bool,
) -> str | None:
    """Store the command for a second person when it is one that always needs one.

    Returns the approval's public id, or None when the command may run at once. Raises AlreadyWaiting.
    """
    if not four_eyes or organisation_id is None:
        return None
    if target and Approval.objects.filter(
        organisation_id=organisation_id, command_name=name, target=target, state=Approval.State.WAITING
    ).exists():
        raise AlreadyWaiting(target=target)
    approval = Approval.objects.create(
        id=ids.uuid7(at), organisation_id=organisation_id, command_name=name, command_version=version,
        payload=payload, payload_hash=codec.digest(name, version, payload), target=target,
        maker_kind=actor.kind, maker_id=actor.id, made_at=at, expires_at=at + APPROVAL_LIFETIME,
    )
    return ids.public_id("apr", approval.id)


def _entry(record: AuditRecord) -> AuditEntry:
    return AuditEntry(
        id=ids.uuid7(record.at), organisation_id=record.organisation_id, actor_kind=record.actor.kind,
        actor_id=record.actor.id, action=record.action, outcome=record.outcome, reason=record.reason,
        object_type=record.object_type, object_id=record.object_id, command_id=record.command_id,
        correlation_id=record.correlation_id, at=record.at,
        data=codec.canonical_json(record.data).decode(),
    )
