"""The approval policy: which commands wait for a second person, and the request that is stored for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.db.models import Q

from apps.compliance.audit import write_audit
from apps.compliance.domain import APPROVAL_LIFETIME
from apps.compliance.models import Approval
from apps.core import codec, db, ids, logs
from apps.core.actors import Actor
from apps.core.errors import Conflict
from apps.core.ports import AuditRecord

PREFIX = "apr"

MakerPermissions = Callable[[str, str], frozenset[str] | None]
"""From an actor's kind and id to the permissions held now; None for an actor this source does not know."""

MAKER_PERMISSIONS: list[MakerPermissions] = []
"""Who tells, when a request is approved, whether its maker still may; filled by the layers above."""


class AlreadyWaiting(Conflict):
    """Somebody asked for the same thing before, and it is not decided yet."""

    code = "approval_already_waiting"
    title = "A request for the same thing already waits for a second person."


def needs_approval(*, name: str, organisation_id: UUID | None, actor: Actor, four_eyes: bool) -> bool:
    """Tell whether a command takes a second person: the one policy, asked at the door and inside of it.

    It is the command's own word today; whoever asks, and for whom, changes nothing.
    """
    return four_eyes


def require_approval(
    *,
    name: str,
    version: int,
    payload: dict[str, Any],
    organisation_id: UUID | None,
    actor: Actor,
    at: datetime,
    target: str,
    four_eyes: bool,
) -> str | None:
    """Store the command for a second person when it is one that always needs one.

    Returns the approval's public id, or None when the command may run at once. Raises AlreadyWaiting
    when a request for the same target waits.
    """
    if not needs_approval(name=name, organisation_id=organisation_id, actor=actor, four_eyes=four_eyes):
        return None
    if target:
        _expire_stale(organisation_id, name, target, at)
    approval = Approval(
        id=ids.uuid7(at),
        organisation_id=organisation_id,
        command_name=name,
        command_version=version,
        payload=codec.canonical_json(payload).decode(),
        payload_hash=codec.digest(name, version, payload),
        target=target,
        maker_kind=actor.kind,
        maker_id=actor.id,
        maker_organisation_id=actor.organisation_id,
        made_at=at,
        expires_at=at + APPROVAL_LIFETIME,
    )
    _insert(approval)
    _record(approval, actor, at)
    return ids.public_id(PREFIX, approval.id)


def still_may(approval: Approval, permission: str) -> bool:
    """Tell whether the maker of a request still holds the permission it was made under.

    Makers that no source knows (API clients, processes) are taken at the word of their request.
    """
    for source in MAKER_PERMISSIONS:
        held = source(approval.maker_kind, approval.maker_id)
        if held is not None:
            return permission in held
    return True


def _insert(approval: Approval) -> None:
    # The constraint decides, not a look beforehand: two requests may arrive at the same moment.
    try:
        with db.savepoint():
            approval.save(force_insert=True)
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        if getattr(diagnosis, "constraint_name", "") != "compliance_one_waiting_per_target":
            raise
        raise AlreadyWaiting(target=approval.target) from None


def _expire_stale(organisation_id: UUID | None, name: str, target: str, at: datetime) -> None:
    """Make room for a new request where the former one waited too long."""
    mine = Q(organisation_id=organisation_id) if organisation_id else Q(organisation_id__isnull=True)
    Approval.objects.filter(
        mine, command_name=name, target=target, state=Approval.State.WAITING, expires_at__lte=at
    ).update(state=Approval.State.EXPIRED, decided_at=at)


def _record(approval: Approval, actor: Actor, at: datetime) -> None:
    write_audit(
        [
            AuditRecord(
                organisation_id=approval.organisation_id,
                actor=actor,
                action="compliance.request_approval",
                outcome="pending_approval",
                at=at,
                object_type="approval",
                object_id=ids.public_id(PREFIX, approval.id),
                correlation_id=logs.correlation_id(),
                data={
                    "command": approval.command_name,
                    "target": approval.target,
                    "payload_hash": bytes(approval.payload_hash).hex(),
                },
            )
        ]
    )
