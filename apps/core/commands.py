"""The one door for every write: commands, their registry, and `execute`.

API, console, workers and manage.py all build a command and hand it to `execute`, which checks the
permission and the idempotency key, asks the approval policy, runs the handler, and commits the
handler's rows, its events, its audit entries and its stored answer together or not at all.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar
from uuid import UUID

from django.db import connection

from apps.core import codec, db, ids, logs, tenancy
from apps.core.actors import Actor
from apps.core.errors import Denied, IdempotencyConflict, InFlight, Invalid, Refusal, StoredRefusal
from apps.core.events import Event
from apps.core.ports import PORTS, AuditRecord

ANSWERS_KEPT = timedelta(days=7)
EVENTS_MAX = 10_000
"""The most events one command may tell of."""

TRANSIENT = 500
"""A refusal with this HTTP status or above is about the moment, and is not told again."""

_COMMAND_IDS = UUID("0b7a3b1c-5f6e-5d3c-9a55-6d0a8f3f4b11")


@dataclass(frozen=True)
class Command:
    """What somebody wants done: data only, serialisable, registered by name and version.

    `organisation_id` is whose books and rows it works on; None is the platform as a whole.
    """

    organisation_id: UUID | None

    def target(self) -> str:
        """Name the one object that only one waiting approval may be about; empty for any number."""
        return ""


Answer = dict[str, Any]
C = TypeVar("C", bound=Command)
Handler = Callable[[Any, "Context"], Answer]


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A registered command: its name, its handler, and who may ask for it."""

    cls: type[Command]
    name: str
    version: int
    permission: str
    handler: Handler
    four_eyes: bool  # a second person must always approve


COMMANDS: dict[tuple[str, int], CommandSpec] = {}
_SPECS: dict[type[Command], CommandSpec] = {}


def handles(
    cls: type[C], *, name: str, version: int, permission: str, four_eyes: bool = False
) -> Callable[[Callable[[C, Context], Answer]], Callable[[C, Context], Answer]]:
    """Register the function below as the handler of a command class."""

    def register(handler: Callable[[C, Context], Answer]) -> Callable[[C, Context], Answer]:
        if (name, version) in COMMANDS:
            raise RuntimeError(f"the command {name} v{version} is registered twice")
        spec = CommandSpec(cls, name, version, permission, handler, four_eyes)
        COMMANDS[name, version] = _SPECS[cls] = spec
        return handler

    return register


def spec_of(command: Command) -> CommandSpec:
    """Return the registration of a command. Raises KeyError for one that nobody handles."""
    return _SPECS[type(command)]


def command_from_data(name: str, version: int, payload: dict[str, Any]) -> Command:
    """Make a stored command again (approvals, schedules, replays). Raises Invalid if unknown."""
    spec = COMMANDS.get((name, version))
    if spec is None:
        raise Invalid(field="command", name=name, version=version)
    return codec.from_data(spec.cls, payload)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command. `answer` is what its handler returned, or the approval's id."""

    status: Literal["done", "pending_approval"]
    answer: Answer
    replayed: bool
    command_id: UUID


@dataclass
class Context:
    """What a handler knows of the command it runs, and where it leaves events and audit details."""

    actor: Actor
    at: datetime
    command_id: UUID
    organisation_id: UUID | None
    correlation_id: str
    events: list[tuple[UUID | None, Event]] = field(default_factory=list)
    records: list[AuditRecord] = field(default_factory=list)
    approved_by: str = ""

    def emit(self, event: Event, *, organisation_id: UUID | None = None) -> None:
        """Tell of a fact; it leaves through the outbox when the command commits.

        A command of the platform names the organisation that the fact is about.
        """
        if len(self.events) >= EVENTS_MAX:
            raise RuntimeError(f"a command tells of at most {EVENTS_MAX} events")
        self.events.append((organisation_id or self.organisation_id, event))

    def note(
        self,
        object_type: str,
        object_id: str,
        *,
        action: str = "",
        organisation_id: UUID | None = None,
        **data: Any,
    ) -> None:
        """Record in the audit log what was done to which object. No personal data in clear."""
        self.records.append(
            AuditRecord(
                organisation_id=organisation_id or self.organisation_id,
                actor=self.actor,
                action=action,
                outcome="done",
                at=self.at,
                object_type=object_type,
                object_id=object_id,
                command_id=self.command_id,
                correlation_id=self.correlation_id,
                data=codec.to_data(data),
            )
        )

    def step_key(self, step: str) -> UUID:
        """Derive the permanent idempotency key of one step of this command (for the ledger)."""
        return uuid.uuid5(self.command_id, step)

    def new_id(self) -> UUID:
        """Make the key of a new row, ordered by the command's time."""
        return ids.uuid7(self.at)

    def run(self, command: Command, *, step: str = "") -> Answer:
        """Run another command inside this transaction, under the same actor and a derived key.

        Its scope is its own organisation's while it runs. Raises what its handler raises, and Denied.
        """
        spec = spec_of(command)
        _check_permission(spec, command, self.actor)
        inner = Context(
            actor=self.actor,
            at=self.at,
            command_id=self.step_key(step or spec.name),
            organisation_id=command.organisation_id,
            correlation_id=self.correlation_id,
            approved_by=self.approved_by,
            events=self.events,
        )
        if command.organisation_id == self.organisation_id:
            answer = spec.handler(command, inner)
        else:
            with tenancy.scope(command.organisation_id or tenancy.PLATFORM):
                answer = spec.handler(command, inner)
        self.records += _named(inner.records, spec.name)
        return answer


def execute(
    command: Command, *, actor: Actor, key: str | None, at: datetime, approved_by: str = ""
) -> Outcome:
    """Do what the command says, once.

    `key` makes it idempotent: the same actor, key and command give the first answer again for seven
    days (and its ledger postings are never made twice, however late); without a key every call is a
    new one. `at` is the moment of the command, aware. `approved_by` names the second person when
    the approvals context runs a command that has been approved.

    Raises Denied, InFlight (the key is being worked on), IdempotencyConflict (the key was used for
    another command), Busy, and whatever Refusal the handler gives; a refusal is stored and audited.
    """
    spec = spec_of(command)
    try:
        _check_permission(spec, command, actor)
    except Denied:
        _record_denial(spec, command, actor, at)
        raise
    request = _Request(command, spec, actor, key, at, approved_by)
    return db.retrying(request.run)


class _Refused(Exception):
    """Carries a handler's refusal out of the transaction, which is thereby rolled back."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal


class _Request:
    """One command on its way through the door."""

    def __init__(
        self,
        command: Command,
        spec: CommandSpec,
        actor: Actor,
        key: str | None,
        at: datetime,
        approved_by: str,
    ) -> None:
        self.command, self.spec, self.actor, self.key, self.at = command, spec, actor, key, at
        self.approved_by = approved_by
        self.payload: dict[str, Any] = codec.to_data(command)
        self.request_hash = codec.digest(spec.name, spec.version, self.payload)
        self.command_id = (
            ids.uuid7(at)
            if key is None
            else uuid.uuid5(_COMMAND_IDS, f"{command.organisation_id}|{actor}|{key}")
        )

    def run(self) -> Outcome:
        try:
            with db.new_transaction():
                outcome = self._inside()
        except _Refused as stop:
            with db.new_transaction():
                outcome = self._remember(stop.refusal)
        if isinstance(outcome, Refusal):
            raise outcome
        return outcome

    def _inside(self) -> Outcome | Refusal:
        known = self._begin()
        if known is not None:
            return known
        context = self._context()
        waiting = None if self.approved_by else self._ask_policy()
        if waiting is not None:
            self._finish(context, "pending_approval", {"approval_id": waiting})
            return Outcome("pending_approval", {"approval_id": waiting}, False, self.command_id)
        try:
            answer = self.spec.handler(self.command, context)
        except Refusal as refusal:
            raise _Refused(refusal) from refusal
        self._finish(context, "done", answer)
        return Outcome("done", answer, False, self.command_id)

    def _remember(self, refusal: Refusal) -> Outcome | Refusal:
        """Store and audit a refusal after its handler has been rolled back.

        Somebody with the same key may have been done in between; then that answer is the answer.
        """
        known = self._begin()
        if known is not None:
            return known
        if refusal.status < TRANSIENT:
            self._finish(self._context(), "refused", _refusal_data(refusal), reason=refusal.code)
        return refusal

    def _begin(self) -> Outcome | Refusal | None:
        """Take the key's lock and scope. Returns what was answered before; None for a new request."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT state, outcome, answer FROM core_begin_command(%s, %s, %s)",
                [tenancy.setting_of(self.command.organisation_id), self.command_id, self.request_hash],
            )
            state, outcome, answer = cursor.fetchone()
        if state == "in_flight":
            raise InFlight
        if state == "conflict":
            raise IdempotencyConflict
        if state == "new":
            return None
        return self._told_again(outcome, json.loads(answer))

    def _told_again(self, outcome: str | None, answer: Any) -> Outcome | Refusal:
        if outcome == "refused":
            return StoredRefusal(**answer)
        status: Literal["done", "pending_approval"] = (
            "pending_approval" if outcome == "pending_approval" else "done"
        )
        return Outcome(status, answer, True, self.command_id)

    def _context(self) -> Context:
        return Context(
            actor=self.actor,
            at=self.at,
            command_id=self.command_id,
            organisation_id=self.command.organisation_id,
            correlation_id=logs.correlation_id(),
            approved_by=self.approved_by,
        )

    def _ask_policy(self) -> str | None:
        return PORTS.require_approval(
            name=self.spec.name,
            version=self.spec.version,
            payload=self.payload,
            organisation_id=self.command.organisation_id,
            actor=self.actor,
            at=self.at,
            target=self.command.target(),
            four_eyes=self.spec.four_eyes,
        )

    def _finish(self, context: Context, outcome: str, answer: Answer, reason: str = "") -> None:
        events = [_event_row(self.at, organisation_id, event) for organisation_id, event in context.events]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT core_finish_command(%s, %s, %s, %s, %s, make_interval(secs => %s), %s, %s, %s::jsonb)",
                [
                    self.command.organisation_id,
                    self.command_id,
                    self.request_hash if self.key is not None else None,
                    outcome,
                    json.dumps(answer),
                    ANSWERS_KEPT.total_seconds(),
                    context.correlation_id,
                    self.at,
                    json.dumps(events),
                ],
            )
        PORTS.write_audit(self._audit_records(context, outcome, reason))

    def _audit_records(self, context: Context, outcome: str, reason: str) -> list[AuditRecord]:
        if outcome == "done" and context.records:
            return _named(context.records, self.spec.name)
        return [
            AuditRecord(
                organisation_id=self.command.organisation_id,
                actor=self.actor,
                action=self.spec.name,
                outcome=outcome,
                at=self.at,
                command_id=self.command_id,
                correlation_id=context.correlation_id,
                reason=reason,
            )
        ]


def _named(records: list[AuditRecord], action: str) -> list[AuditRecord]:
    """Give the command's name to the records that name no action of their own."""
    return [record if record.action else replace(record, action=action) for record in records]


def _refusal_data(refusal: Refusal) -> dict[str, Any]:
    return {
        "code": refusal.code,
        "status": refusal.status,
        "title": refusal.title,
        "facts": codec.to_data(refusal.facts),
    }


def _event_row(at: datetime, organisation_id: UUID | None, event: Event) -> dict[str, Any]:
    return {
        "id": str(ids.uuid7(at)),
        "organisation_id": str(organisation_id) if organisation_id else None,
        "name": event.NAME,
        "version": event.VERSION,
        "object_type": event.object_type,
        "object_id": event.object_id,
        "payload": event.payload(),
    }


def _check_permission(spec: CommandSpec, command: Command, actor: Actor) -> None:
    if not actor.may(spec.permission):
        raise Denied(permission=spec.permission)
    if not actor.belongs_to(command.organisation_id):
        raise Denied(permission=spec.permission, reason="another organisation")


def _record_denial(spec: CommandSpec, command: Command, actor: Actor, at: datetime) -> None:
    """Write the denial in a transaction of its own, under the actor's organisation, not the target's."""
    with db.new_transaction():
        tenancy.switch(actor.organisation_id)
        PORTS.write_audit(
            [
                AuditRecord(
                    organisation_id=actor.organisation_id,
                    actor=actor,
                    action=spec.name,
                    outcome="denied",
                    at=at,
                    correlation_id=logs.correlation_id(),
                    reason=spec.permission,
                )
            ]
        )
