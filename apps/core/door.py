"""Passing the door: one command in a transaction of its own, or many in one transaction.

The first round trip sets the scope, takes the lock of each key and finds answers given before; the last
ones write events, stored answers and audit entries. What lies between is the handler's.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from django.db import connection

from apps.core import codec, db, ids, logs, tenancy
from apps.core.actors import Actor
from apps.core.commands import Answer, Command, CommandSpec, Context, Outcome, named
from apps.core.errors import IdempotencyConflict, InFlight, Refusal, StoredRefusal
from apps.core.events import Event
from apps.core.ports import PORTS, AuditRecord

ANSWERS_KEPT = timedelta(days=7)
TRANSIENT = 500
"""A refusal with this HTTP status or above is about the moment, and is not told again."""

_COMMAND_IDS = UUID("0b7a3b1c-5f6e-5d3c-9a55-6d0a8f3f4b11")

Together = Callable[[list[Any], list[Context]], list[Answer | Refusal]]


class Request:
    """One command on its way through the door."""

    def __init__(
        self,
        command: Command,
        spec: CommandSpec,
        actor: Actor,
        key: str | None,
        at: datetime,
        approved_by: str = "",
    ) -> None:
        self.command, self.spec, self.actor, self.key, self.at = command, spec, actor, key, at
        self.approved_by = approved_by
        self.correlation_id = logs.correlation_id()
        self.payload: dict[str, Any] = codec.to_data(command)
        self.request_hash = codec.digest(spec.name, spec.version, self.payload)
        self.command_id = (
            ids.uuid7(at)
            if key is None
            else uuid.uuid5(_COMMAND_IDS, f"{command.organisation_id}|{actor}|{key}")
        )

    def context(self) -> Context:
        """Make what the handler is told of the command."""
        return Context(
            actor=self.actor,
            at=self.at,
            command_id=self.command_id,
            organisation_id=self.command.organisation_id,
            correlation_id=self.correlation_id,
            approved_by=self.approved_by,
            covers=self.spec.covers if self.approved_by else frozenset(),
        )

    def waits_for(self) -> str | None:
        """Ask the approval policy. Returns the id of the stored request, or None if there is no need."""
        if self.approved_by:
            return None
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


@dataclass(frozen=True, slots=True)
class _Closing:
    """How a command ends: what is stored, told and audited."""

    request: Request
    context: Context
    outcome: Literal["done", "pending_approval", "refused"]
    answer: Answer
    refusal: Refusal | None = None

    def told(self) -> Outcome | Refusal:
        if self.refusal is not None:
            return self.refusal
        status: Literal["done", "pending_approval"] = "done" if self.outcome == "done" else "pending_approval"
        return Outcome(status, self.answer, False, self.request.command_id)


class _Refused(Exception):
    """Carries a handler's refusal out of the transaction, which is thereby rolled back."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal


def pass_alone(request: Request) -> Outcome:
    """Take one command through the door in a transaction of its own. Raises what refuses it, Busy."""
    result = db.retrying(lambda: _alone(request))
    if isinstance(result, Refusal):
        raise result
    return result


def _alone(request: Request) -> Outcome | Refusal:
    scope = tenancy.setting_of(request.command.organisation_id)
    try:
        with db.new_transaction():
            (known,) = _begin([request], scope)
            if known is not None:
                return known
            closing = _handled(request)
            _finish([closing])
            return closing.told()
    except _Refused as stop:
        with db.new_transaction():
            (known,) = _begin([request], scope)
            if known is not None:
                # Somebody with the same key was done in between: that answer is the answer.
                return known
            if stop.refusal.status < TRANSIENT:
                _finish([_refusal(request, stop.refusal)])
            return stop.refusal


def _handled(request: Request) -> _Closing:
    context = request.context()
    waiting = request.waits_for()
    if waiting is not None:
        return _Closing(request, context, "pending_approval", {"approval_id": waiting})
    try:
        return _Closing(request, context, "done", request.spec.handler(request.command, context))
    except Refusal as refusal:
        raise _Refused(refusal) from refusal


def pass_together(requests: Sequence[Request], handler: Together) -> list[Outcome | Refusal]:
    """Take many commands through the door in one transaction; each gets its own outcome or refusal.

    Raises Busy, and whatever the handler raises other than the refusals it returns; then nothing of
    any of them has happened.
    """
    return db.retrying(lambda: _together(requests, handler))


def _together(requests: Sequence[Request], handler: Together) -> list[Outcome | Refusal]:
    results: dict[int, Outcome | Refusal] = {}
    with db.new_transaction():
        known = _begin(requests, _common_scope(requests))
        seen: set[UUID] = set()
        fresh: list[int] = []
        for place, (request, result) in enumerate(zip(requests, known, strict=True)):
            if result is not None:
                results[place] = result
            elif request.command_id in seen:
                results[place] = InFlight()  # its twin is in this very transaction
            else:
                seen.add(request.command_id)
                fresh.append(place)
        if fresh:
            closings = _handle_all([requests[place] for place in fresh], handler)
            _finish(closings)
            for place, closing in zip(fresh, closings, strict=True):
                results[place] = closing.told()
    return [results[place] for place in range(len(requests))]


def _common_scope(requests: Sequence[Request]) -> str:
    """Return the scope of one organisation if all commands are of it, else the platform's."""
    organisations = {request.command.organisation_id for request in requests}
    return tenancy.setting_of(organisations.pop() if len(organisations) == 1 else None)


def _handle_all(requests: list[Request], handler: Together) -> list[_Closing]:
    """Hand what need not wait for a second person to the handler; return how each command ends."""
    closings: dict[UUID, _Closing] = {}
    free: list[tuple[Request, Context]] = []
    for request in requests:
        context, waiting = request.context(), request.waits_for()
        if waiting is None:
            free.append((request, context))
        else:
            ends = _Closing(request, context, "pending_approval", {"approval_id": waiting})
            closings[request.command_id] = ends
    answers = (
        handler([request.command for request, _ in free], [context for _, context in free]) if free else []
    )
    for (request, context), answer in zip(free, answers, strict=True):
        closings[request.command_id] = (
            _refusal(request, answer)
            if isinstance(answer, Refusal)
            else _Closing(request, context, "done", answer)
        )
    return [closings[request.command_id] for request in requests]


def _begin(requests: Sequence[Request], scope: str) -> list[Outcome | Refusal | None]:
    """Take the keys' locks and the scope. Returns what was answered before; None for a new request."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT states, outcomes, answers FROM core_begin_commands(%s, %s::uuid[], %s::bytea[])",
            [
                scope,
                [request.command_id for request in requests],
                [request.request_hash for request in requests],
            ],
        )
        states, outcomes, answers = cursor.fetchone()
    known: list[Outcome | Refusal | None] = []
    for place, (request, state) in enumerate(zip(requests, states, strict=True)):
        if state == "answered":
            known.append(_told_again(request, outcomes[place], json.loads(answers[place])))
        else:
            known.append({"new": None, "in_flight": InFlight(), "conflict": IdempotencyConflict()}[state])
    return known


def _told_again(request: Request, outcome: str, answer: Any) -> Outcome | Refusal:
    if outcome == "refused":
        return StoredRefusal(**answer)
    status: Literal["done", "pending_approval"] = "done" if outcome == "done" else "pending_approval"
    return Outcome(status, answer, True, request.command_id)


def _finish(closings: list[_Closing]) -> None:
    """Write events, stored answers and audit entries of commands that end here."""
    events = [
        _event_row(closing, organisation_id, event)
        for closing in closings
        for organisation_id, event in closing.context.events
    ]
    requests = [closing.request for closing in closings]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT core_finish_commands(%s::uuid[], %s::uuid[], %s::bytea[], %s::text[], %s::text[],"
            " make_interval(secs => %s), %s::jsonb)",
            [
                [request.command.organisation_id for request in requests],
                [request.command_id for request in requests],
                [request.request_hash if request.key is not None else None for request in requests],
                [closing.outcome for closing in closings],
                [json.dumps(closing.answer) for closing in closings],
                ANSWERS_KEPT.total_seconds(),
                json.dumps(events),
            ],
        )
    PORTS.write_audit([record for closing in closings for record in _audit_records(closing)])


def _audit_records(closing: _Closing) -> list[AuditRecord]:
    request, context = closing.request, closing.context
    if closing.outcome == "done" and context.records:
        return named(context.records, request.spec.name)
    return [
        AuditRecord(
            organisation_id=request.command.organisation_id,
            actor=request.actor,
            action=request.spec.name,
            outcome=closing.outcome,
            at=request.at,
            command_id=request.command_id,
            correlation_id=request.correlation_id,
            reason=closing.refusal.code if closing.refusal is not None else "",
        )
    ]


def _refusal(request: Request, refusal: Refusal) -> _Closing:
    data = {
        "code": refusal.code,
        "status": refusal.status,
        "title": refusal.title,
        "facts": codec.to_data(refusal.facts),
    }
    return _Closing(request, request.context(), "refused", data, refusal)


def _event_row(closing: _Closing, organisation_id: UUID | None, event: Event) -> dict[str, Any]:
    return {
        "id": str(ids.uuid7(closing.request.at)),
        "organisation_id": str(organisation_id) if organisation_id else None,
        "name": event.NAME,
        "version": event.VERSION,
        "object_type": event.object_type,
        "object_id": event.object_id,
        "payload": event.payload(),
        "correlation_id": closing.request.correlation_id,
        "occurred_at": closing.request.at.isoformat(),
    }
