"""Reading the record: what happened to an object, what an actor did, what waits for a second person.

All of these run in the caller's scope: one organisation, or for staff the whole platform.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.compliance.approvals import PREFIX
from apps.compliance.models import Approval, AuditEntry
from apps.core import ids
from apps.core.errors import NotFound

PAGE_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class AuditView:
    """An audit entry as others see it."""

    id: UUID
    organisation_id: UUID | None
    actor: str
    action: str
    outcome: str
    reason: str
    object_type: str
    object_id: str
    command_id: UUID | None
    correlation_id: str
    data: dict[str, Any]
    at: datetime
    recorded_at: datetime
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """A request for a second person, as others see it."""

    approval_id: str
    organisation_id: UUID | None
    command_name: str
    command_version: int
    payload: dict[str, Any]
    payload_hash: str
    target: str
    state: str
    maker: str
    made_at: datetime
    expires_at: datetime
    checker: str
    decided_at: datetime | None
    reason: str
    answer: dict[str, Any] | None


def audit_of_object(object_id: str, *, before: UUID | None = None, limit: int = 50) -> list[AuditView]:
    """List what happened to the object with this public id, newest first; `before` pages on."""
    return _audit(Q(object_id=object_id), before, limit)


def audit_of_actor(actor_id: str, *, before: UUID | None = None, limit: int = 50) -> list[AuditView]:
    """List what an actor did, tried and was denied, newest first."""
    return _audit(Q(actor_id=actor_id), before, limit)


def audit_of_correlation(
    correlation_id: str, *, before: UUID | None = None, limit: int = 50
) -> list[AuditView]:
    """List what one request or job caused, newest first."""
    return _audit(Q(correlation_id=correlation_id), before, limit)


def waiting_approvals(*, limit: int = 50) -> list[ApprovalView]:
    """List the requests that wait for a second person, oldest first."""
    waiting = Approval.objects.filter(state=Approval.State.WAITING).order_by("made_at", "id")
    return [_approval_view(row) for row in _page(waiting, limit)]


def approval_of(approval_id: str) -> ApprovalView:
    """Read one request. Raises BadId and NotFound."""
    row = Approval.objects.filter(id=ids.parse_public_id(PREFIX, approval_id)).first()
    if row is None:
        raise NotFound(approval_id=approval_id)
    return _approval_view(row)


def _audit(which: Q, before: UUID | None, limit: int) -> list[AuditView]:
    entries = AuditEntry.objects.filter(which).order_by("-id")
    if before is not None:
        entries = entries.filter(id__lt=before)
    return [_audit_view(entry) for entry in _page(entries, limit)]


def _page(rows: QuerySet[Any], limit: int) -> QuerySet[Any]:
    return rows[: max(1, min(limit, PAGE_LENGTH_MAX))]


def _audit_view(entry: AuditEntry) -> AuditView:
    return AuditView(
        id=entry.id,
        organisation_id=entry.organisation_id,
        actor=f"{entry.actor_kind}:{entry.actor_id}",
        action=entry.action,
        outcome=entry.outcome,
        reason=entry.reason,
        object_type=entry.object_type,
        object_id=entry.object_id,
        command_id=entry.command_id,
        correlation_id=entry.correlation_id,
        data=json.loads(entry.data),
        at=entry.at,
        recorded_at=entry.recorded_at,
        leaf_hash=bytes(entry.leaf_hash),
    )


def _approval_view(row: Approval) -> ApprovalView:
    return ApprovalView(
        approval_id=ids.public_id(PREFIX, row.id),
        organisation_id=row.organisation_id,
        command_name=row.command_name,
        command_version=row.command_version,
        payload=json.loads(row.payload),
        payload_hash=bytes(row.payload_hash).hex(),
        target=row.target,
        state=row.state,
        maker=f"{row.maker_kind}:{row.maker_id}",
        made_at=row.made_at,
        expires_at=row.expires_at,
        checker=f"{row.checker_kind}:{row.checker_id}" if row.checker_id else "",
        decided_at=row.decided_at,
        reason=row.reason,
        answer=row.answer,
    )
