"""The one door for every write: commands, their registry, and `execute`.

API, console, workers and manage.py all build a command and hand it to `execute`, which checks the
permission and the idempotency key, asks the approval policy, runs the handler, and commits the
handler's rows, its events, its audit entries and its stored answer together or not at all.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

from apps.core import codec, db, ids, logs, tenancy
from apps.core.actors import Actor
from apps.core.errors import ApprovalNeeded, Denied, Invalid, Refusal
from apps.core.events import Event
from apps.core.ports import PORTS, AuditRecord

EVENTS_MAX = 25_000
"""The most events one command may tell of: two for each payment of the largest order."""


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
    covers: frozenset[str] = frozenset()  # commands it runs that its own approval stands for


COMMANDS: dict[tuple[str, int], CommandSpec] = {}
TOGETHER: dict[type[Command], Any] = {}
"""The gatherers of commands that go through the door together."""

_SPECS: dict[type[Command], CommandSpec] = {}


def handles(
    cls: type[C],
    *,
    name: str,
    version: int,
    permission: str,
    four_eyes: bool = False,
    covers: Iterable[str] = (),
) -> Callable[[Callable[[C, Context], Answer]], Callable[[C, Context], Answer]]:
    """Register the function below as the handler of a command class.

    `covers` names the commands that this one runs inside and that its own approval stands for, because
    the second person sees there what they will do. Only a command that always takes one can say so.
    """
    if covers and not four_eyes:
        raise RuntimeError(f"the command {name} has no approval that could cover others")

    def register(handler: Callable[[C, Context], Answer]) -> Callable[[C, Context], Answer]:
        if (name, version) in COMMANDS:
            raise RuntimeError(f"the command {name} v{version} is registered twice")
        spec = CommandSpec(cls, name, version, permission, handler, four_eyes, frozenset(covers))
        COMMANDS[name, version] = _SPECS[cls] = spec
        return handler

    return register


def handles_together(
    cls: type[C], *, name: str, version: int, permission: str
) -> Callable[[Callable[[list[C], list[Context]], list[Answer | Refusal]]], Callable[..., Any]]:
    """Register the function below as the handler of many commands of a class at once.

    It returns, for each command, its answer or the refusal of it, and has written nothing for those it
    refuses: they share one transaction. It runs in the platform's scope, since the commands may be of
    several organisations, and so checks the organisation of whatever it touches.
    """

    def register(
        handler: Callable[[list[C], list[Context]], list[Answer | Refusal]],
    ) -> Callable[[list[C], list[Context]], list[Answer | Refusal]]:
        from apps.core import door, gather

        def alone(command: C, context: Context) -> Answer:
            (answer,) = handler([command], [context])
            if isinstance(answer, Refusal):
                raise answer
            return answer

        handles(cls, name=name, version=version, permission=permission)(alone)
        TOGETHER[cls] = gather.Gatherer(lambda requests: door.pass_together(requests, handler))
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
    covers: frozenset[str] = frozenset()  # what that approval stands for of the commands run inside

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

        Its scope is its own organisation's while it runs. Raises what its handler raises, Denied, and
        ApprovalNeeded when it takes a second person and the approval of this command does not cover it.
        """
        spec = spec_of(command)
        _check_permission(spec, command, self.actor)
        self._check_approval(spec, command)
        inner = Context(
            actor=self.actor,
            at=self.at,
            command_id=self.step_key(step or spec.name),
            organisation_id=command.organisation_id,
            correlation_id=self.correlation_id,
            approved_by=self.approved_by,
            covers=spec.covers if self.approved_by else frozenset(),
            events=self.events,
        )
        if command.organisation_id == self.organisation_id:
            answer = spec.handler(command, inner)
        else:
            with tenancy.scope(command.organisation_id or tenancy.PLATFORM):
                answer = spec.handler(command, inner)
        self.records += named(inner.records, spec.name)
        return answer

    def _check_approval(self, spec: CommandSpec, command: Command) -> None:
        """Ask the policy of a command that is run inside; it cannot wait, since its answer is needed now."""
        if self.approved_by and spec.name in self.covers:
            return
        if PORTS.needs_approval(
            name=spec.name,
            organisation_id=command.organisation_id,
            actor=self.actor,
            four_eyes=spec.four_eyes,
        ):
            raise ApprovalNeeded(command=spec.name)


def execute(
    command: Command, *, actor: Actor, key: str | None, at: datetime, approved_by: str = ""
) -> Outcome:
    """Do what the command says, once.

    `key` makes it idempotent: the same actor, key and command give the first answer again for seven
    days (and its ledger postings are never made twice, however late); without a key every call is a
    new one. `at` is the moment of the command, aware. `approved_by` names the second person when
    the approvals context runs a command that has been approved.

    Commands whose handler takes many at once (`handles_together`) share a transaction with those that
    other threads ask for at the same moment; each caller still gets its own answer, once it is durable.

    Raises Denied, InFlight (the key is being worked on), IdempotencyConflict (the key was used for
    another command), Busy, and whatever Refusal the handler gives; a refusal is stored and audited.
    """
    from apps.core import door

    spec = spec_of(command)
    try:
        _check_permission(spec, command, actor)
    except Denied:
        _record_denial(spec, command, actor, at)
        raise
    request = door.Request(command, spec, actor, key, at, approved_by)
    gatherer = TOGETHER.get(type(command))
    return gatherer.submit(request) if gatherer is not None else door.pass_alone(request)


def named(records: list[AuditRecord], action: str) -> list[AuditRecord]:
    """Give the command's name to the records that name no action of their own."""
    return [record if record.action else replace(record, action=action) for record in records]


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
