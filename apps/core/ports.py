"""What core needs from layers above it, by name. `config.composition` fills these in at start-up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from apps.core.actors import Actor


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One thing that was done, tried or refused. Holds no personal data in clear."""

    organisation_id: UUID | None
    actor: Actor
    action: str
    outcome: str  # done, refused, denied, pending_approval
    at: datetime
    object_type: str = ""
    object_id: str = ""
    command_id: UUID | None = None
    correlation_id: str = ""
    reason: str = ""
    data: dict[str, Any] = field(default_factory=dict)


class AuditWriter(Protocol):
    """Writes audit records in the open transaction; raising undoes what was being recorded."""

    def __call__(self, records: list[AuditRecord]) -> None: ...


class ApprovalPolicy(Protocol):
    """Decides whether a command must wait for a second person, and if so stores the request.

    Returns the id to show to the maker, or None when the command may run at once. Called in the
    command's transaction.
    """

    def __call__(
        self,
        *,
        name: str,
        version: int,
        payload: dict[str, Any],
        organisation_id: UUID | None,
        actor: Actor,
        at: datetime,
        target: str,
        four_eyes: bool,
    ) -> str | None: ...


class ApprovalQuestion(Protocol):
    """Tells whether a command takes a second person. Stores nothing."""

    def __call__(self, *, name: str, organisation_id: UUID | None, actor: Actor, four_eyes: bool) -> bool: ...


def _no_audit(records: list[AuditRecord]) -> None:
    raise RuntimeError("no audit writer is registered: nothing may happen unrecorded")


def _no_policy(**_: Any) -> str | None:
    raise RuntimeError("no approval policy is registered")


def _no_question(**_: Any) -> bool:
    raise RuntimeError("no approval policy is registered")


@dataclass
class Ports:
    """The services that the one door for writes calls upward through."""

    write_audit: Callable[[list[AuditRecord]], None] = _no_audit
    require_approval: ApprovalPolicy = _no_policy
    needs_approval: ApprovalQuestion = _no_question


PORTS = Ports()
