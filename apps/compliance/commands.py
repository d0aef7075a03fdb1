"""Deciding about requests: approve (and do), reject, let expire.

Lock order: the approval first, then whatever the approved command locks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from apps.compliance.approvals import PREFIX, still_may
from apps.compliance.domain import REASON_LENGTH_MAX, Request, check_decision
from apps.compliance.events import RequestApproved, RequestExpired, RequestRejected
from apps.compliance.models import Approval
from apps.core import codec, ids
from apps.core.actors import Actor, ActorKind
from apps.core.commands import COMMANDS, Command, CommandSpec, Context, command_from_data, handles
from apps.core.errors import Denied, Invalid, NotFound

EXPIRED_AT_ONCE_MAX = 500


class MakerLostPermission(Denied):
    """Who asked for it may not do it any more."""

    code = "maker_lost_permission"
    title = "The one who made this request may not do this any more."


@dataclass(frozen=True)
class ApproveRequest(Command):
    """Approve a waiting command and do it."""

    approval_id: str
    reason: str = ""


@handles(ApproveRequest, name="compliance.approve_request", version=1, permission="approvals.decide")
def approve_request(command: ApproveRequest, context: Context) -> dict[str, Any]:
    """Do what was asked for, in its maker's name, and record who approved it.

    What the command refuses undoes the approval too: the request goes on waiting. Raises NotFound,
    MakerIsChecker, NotAPerson, AlreadyDecided, RequestExpired, PayloadChanged, MakerLostPermission,
    and whatever the approved command raises.
    """
    approval = _locked(command.approval_id)
    _check(approval, context)
    spec = _spec_of(approval)
    maker = _maker_of(approval, spec)
    covers = frozenset({approval.command_name})
    inner = replace(context, actor=maker, approved_by=str(context.actor), covers=covers, records=[])
    answer = inner.run(
        command_from_data(approval.command_name, approval.command_version, json.loads(approval.payload)),
        step="approved",
    )
    context.records += inner.records
    approval.answer = answer
    _decide(approval, Approval.State.APPROVED, command.reason, context)
    context.emit(RequestApproved(command.approval_id, approval.command_name))
    return {"approval_id": command.approval_id, "answer": answer}


@dataclass(frozen=True)
class RejectRequest(Command):
    """Reject a waiting command, with a reason for its maker."""

    approval_id: str
    reason: str


@handles(RejectRequest, name="compliance.reject_request", version=1, permission="approvals.decide")
def reject_request(command: RejectRequest, context: Context) -> dict[str, Any]:
    """Record that a command will not be done. Raises as `approve_request` does, and Invalid."""
    if not command.reason.strip():
        raise Invalid(field="reason")
    approval = _locked(command.approval_id)
    _check(approval, context)
    _decide(approval, Approval.State.REJECTED, command.reason, context)
    context.emit(RequestRejected(command.approval_id, approval.command_name))
    return {"approval_id": command.approval_id}


@dataclass(frozen=True)
class ExpireRequests(Command):
    """Let the requests expire that nobody decided about in time; a job of the platform."""


@handles(ExpireRequests, name="compliance.expire_requests", version=1, permission="approvals.expire")
def expire_requests(command: ExpireRequests, context: Context) -> dict[str, Any]:
    """Expire up to 500 requests; one that is being decided about at the moment is left alone."""
    stale = list(
        Approval.objects.filter(state=Approval.State.WAITING, expires_at__lte=context.at)
        .order_by("made_at")
        .select_for_update(skip_locked=True)[:EXPIRED_AT_ONCE_MAX]
    )
    for approval in stale:
        approval.state, approval.decided_at = Approval.State.EXPIRED, context.at
        approval.save(update_fields=["state", "decided_at"])
        approval_id = ids.public_id(PREFIX, approval.id)
        owner = approval.organisation_id
        context.note("approval", approval_id, organisation_id=owner, command=approval.command_name)
        context.emit(RequestExpired(approval_id, approval.command_name), organisation_id=owner)
    return {"expired": len(stale)}


def _locked(approval_id: str) -> Approval:
    found = Approval.objects.select_for_update().filter(id=ids.parse_public_id(PREFIX, approval_id)).first()
    if found is None:
        raise NotFound(approval_id=approval_id)
    return found


def _check(approval: Approval, context: Context) -> None:
    request = Request(
        state=approval.state,
        maker_id=approval.maker_id,
        expires_at=approval.expires_at,
        stored_hash=bytes(approval.payload_hash),
        payload_hash=codec.digest(
            approval.command_name, approval.command_version, json.loads(approval.payload)
        ),
    )
    checker = context.actor
    check_decision(request, checker_kind=checker.kind, checker_id=checker.id, at=context.at)


def _decide(approval: Approval, state: Approval.State, reason: str, context: Context) -> None:
    if len(reason) > REASON_LENGTH_MAX or "\0" in reason:
        raise Invalid(field="reason", characters_max=REASON_LENGTH_MAX)
    approval.state, approval.reason, approval.decided_at = state, reason, context.at
    approval.checker_kind, approval.checker_id = context.actor.kind, context.actor.id
    approval.save(update_fields=["state", "reason", "decided_at", "checker_kind", "checker_id", "answer"])
    context.note(
        "approval",
        ids.public_id(PREFIX, approval.id),
        command=approval.command_name,
        target=approval.target,
        maker=f"{approval.maker_kind}:{approval.maker_id}",
        payload_hash=bytes(approval.payload_hash).hex(),
    )


def _spec_of(approval: Approval) -> CommandSpec:
    spec = COMMANDS.get((approval.command_name, approval.command_version))
    if spec is None:
        raise Invalid(field="command", name=approval.command_name, version=approval.command_version)
    return spec


def _maker_of(approval: Approval, spec: CommandSpec) -> Actor:
    """Make the maker act again, with the one permission that the request was made under."""
    if not still_may(approval, spec.permission):
        raise MakerLostPermission(permission=spec.permission)
    organisation_id: UUID | None = approval.maker_organisation_id
    kind: ActorKind = approval.maker_kind  # type: ignore[assignment]  # written from an Actor
    return Actor(kind, approval.maker_id, organisation_id, frozenset({spec.permission}))
