"""Sending what is prepared and asking about what is not known: between two commands, never inside one.

`drive` takes the references that a command answered as `next`. A job drives what is due, so a process
that dies between two commands delays a payment and loses nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings

from apps.core import clock, db, tenancy
from apps.core.actors import Actor, system_actor
from apps.core.commands import Command, execute
from apps.core.errors import Invalid, NotFound, Refusal
from apps.core.ids import parse_public_id, public_id
from apps.payments import processor
from apps.payments.card_routing import processor_by_id
from apps.payments.card_store import next_look, object_of_reference
from apps.payments.commands.card_settlement import ReleaseReserves
from apps.payments.commands.card_words import ApplyCardOutcome, ApplyDisputeAnswer, MarkCardSent, Outcome
from apps.payments.domain.cards import AttemptState, DisputeState, OperationType
from apps.payments.domain.machine import IllegalTransition
from apps.payments.models_cards import Attempt, CardDetails, Dispute, DisputeEvidence, Operation
from apps.payments.rails import card
from apps.payments.transport import BadDestination, url_of

STEPS_MAX = 6
DUE_MAX = 100
_ACTOR = system_actor("cards")
_log = structlog.get_logger("bezant.cards")


@dataclass(frozen=True, slots=True)
class _Call:
    """One call that is to be made: where to, what, and whether it asks."""

    base_url: str
    request: card.Request
    asks: bool


def drive(references: Iterable[str], *, organisation_id: UUID, at: datetime | None = None) -> int:
    """Send or ask about each reference, and what follows from the answers. Returns how many calls were made.

    Must not be called inside a transaction. Never raises for what a processor does.
    """
    waiting, made = list(references), 0
    while waiting and made < STEPS_MAX:
        reference = waiting.pop(0)
        following = _drive_one(reference, organisation_id, at)
        if following is not None:
            made += 1
            waiting += following
    return made


def drive_due(*, at: datetime | None = None, limit: int = DUE_MAX, budget_s: float = 40.0) -> dict[str, int]:
    """Drive what is due, in every organisation: left unsent, unanswered, pending. Returns counts.

    `released` counts captures whose reserve was made available. No call begins after `budget_s` seconds;
    what is left stays due.
    """
    now, ends = at or clock.database_now(), time.monotonic() + budget_s
    due = due_references(now, limit=limit)
    calls = 0
    for organisation_id, reference in due:
        if time.monotonic() >= ends:
            break
        try:
            calls += drive([reference], organisation_id=organisation_id, at=at)
        except db.Busy:
            continue  # somebody else is at it; it stays due
    released = execute(ReleaseReserves(None, limit), actor=_ACTOR, key=None, at=now).answer["released"]
    return {"due": len(due), "calls": calls, "released": int(released)}


def due_references(at: datetime, *, limit: int = DUE_MAX) -> list[tuple[UUID, str]]:
    """Return what is due to be sent or asked about, the longest overdue first, with its organisation."""
    rows: list[tuple[datetime, UUID, str]] = []
    with tenancy.scope(tenancy.PLATFORM):
        for model in (Attempt, Operation, Dispute):
            found: Any = model._default_manager.filter(ask_at__lte=at).order_by("ask_at")[:limit]
            rows += [(row.ask_at, row.organisation_id, public_id(row.PREFIX, row.pk)) for row in found]
    return [(organisation_id, reference) for _, organisation_id, reference in sorted(rows)[:limit]]


def is_being_answered(references: Iterable[str]) -> bool:
    """Tell whether one of the requests is on its way at this moment. Needs an open scope."""
    rows = [object_of_reference(reference) for reference in references]
    return any(row is not None and row.state == AttemptState.SENT and row.ask_at is not None for row in rows)


def _drive_one(reference: str, organisation_id: UUID, at: datetime | None) -> list[str] | None:
    """Make the one call that a reference needs now; None when it needs none, or another one makes it."""
    if reference.startswith("dsp_"):
        return _answer_dispute(reference, organisation_id, at)
    with tenancy.scope(organisation_id):
        row = object_of_reference(reference)
        prepared = row is not None and row.state == AttemptState.PREPARED
        call = _call_for(row, asks=not prepared) if row is not None and row.ask_at is not None else None
    if call is None:
        return None
    if not call.asks:
        try:
            _execute(MarkCardSent(organisation_id, reference), at)
        except (IllegalTransition, NotFound):
            return None  # another one sends it
    outcome, code, data = _made(call)
    command = ApplyCardOutcome(organisation_id, reference, outcome.value, call.asks, code, data)
    try:
        return list(_execute(command, at)["next"])
    except db.Busy:
        return []  # nothing of it was applied, so it stays due
    except Refusal as refusal:
        # The books refuse, such as a frozen account: the processor is asked again later.
        _log.warning("card outcome refused", reference=reference, code=refusal.code)
        _put_off(reference, organisation_id, at or clock.database_now())
        return []


def _put_off(reference: str, organisation_id: UUID, at: datetime) -> None:
    with tenancy.scope(organisation_id):
        row = object_of_reference(reference)
        if row is not None and row.ask_at is not None:
            later = next_look(row.asked, at)
            type(row)._default_manager.filter(pk=row.pk).update(ask_at=later, asked=row.asked + 1)


def _call_for(row: Attempt | Operation, *, asks: bool) -> _Call | None:
    """Build the call in the open scope."""
    route = processor_by_id(CardDetails.objects.get(pk=row.payment_id).processor_id)
    reference = public_id(row.PREFIX, row.pk)
    if asks:
        return _Call(route.base_url, card.inquire(reference), asks=True)
    if isinstance(row, Attempt):
        request = card.authorise(
            reference,
            row.amount,
            merchant=public_id("org", row.organisation_id),
            card_token=row.card_token,
            return_url=CardDetails.objects.get(pk=row.payment_id).return_url,
        )
        return _Call(route.base_url, request, asks=False)
    authorisation = Attempt.objects.get(pk=row.attempt_id).external_id
    if authorisation is None:
        return None  # what was authorised has no name at the processor yet; a later word brings it
    if row.type == OperationType.CAPTURE:
        request = card.capture(reference, row.amount, authorisation=authorisation, final=row.final)
    elif row.type == OperationType.VOID:
        request = card.void(reference, row.amount, authorisation=authorisation)
    else:
        request = card.refund(reference, row.amount, authorisation=authorisation)
    return _Call(route.base_url, request, asks=False)


def _answer_dispute(reference: str, organisation_id: UUID, at: datetime | None) -> list[str] | None:
    key = parse_public_id("dsp", reference)
    with tenancy.scope(organisation_id):
        row = Dispute.objects.filter(pk=key).exclude(ask_at=None).first()
        call = _dispute_call(row) if row is not None else None
    if call is None:
        return None
    outcome, _, data = _made(call)
    return list(_execute(ApplyDisputeAnswer(organisation_id, key, outcome.value, data), at)["next"])


def _dispute_call(row: Dispute) -> _Call | None:
    route = processor_by_id(CardDetails.objects.get(pk=row.payment_id).processor_id)
    reference = public_id("dsp", row.pk)
    if row.state == DisputeState.ACCEPTED:
        return _Call(route.base_url, card.accept(reference, row.external_id), asks=False)
    evidence = DisputeEvidence.objects.filter(dispute_id=row.pk).order_by("id").first()
    if row.state != DisputeState.CONTESTED or evidence is None:
        return None
    return _Call(route.base_url, card.contest(reference, row.external_id, evidence.text.reveal()), asks=False)


def _made(call: _Call) -> tuple[Outcome, str, dict[str, Any]]:
    """Make a call and put what came of it into words."""
    try:
        base_url = call.base_url or url_of("card_processor")
        if not base_url:
            raise processor.NotSent("not_connected")
        answer = processor.call(
            base_url,
            call.request,
            api_key=settings.CARD_PROCESSOR_KEY,
            timeout_s=settings.CARD_PROCESSOR_TIMEOUT_S,
        )
    except (processor.NotSent, BadDestination) as problem:
        _log.warning("processor not reached", problem=str(problem))
        return (Outcome.NO_ANSWER if call.asks else Outcome.NOT_SENT), "", {}
    except processor.NoAnswer as problem:
        _log.warning("processor gave no answer", problem=str(problem))
        return Outcome.NO_ANSWER, "", {}
    if answer.status < 300:
        return _worded(answer.data)
    if call.asks:
        return (Outcome.NOT_FOUND if answer.status == 404 else Outcome.NO_ANSWER), "", {}
    code = answer.data.get("code")
    return Outcome.REFUSED, code[:40] if isinstance(code, str) else "refused", {}


def _worded(data: dict[str, Any]) -> tuple[Outcome, str, dict[str, Any]]:
    """Keep of an answer what is known and in order; what cannot be read is no answer."""
    try:
        card.read_word(data)
    except Invalid as problem:
        _log.warning("processor's answer cannot be read", member=str(problem.facts.get("field", "")))
        return Outcome.NO_ANSWER, "", {}
    return Outcome.ANSWERED, "", {name: data[name] for name in card.MEMBERS if data.get(name) is not None}


def _execute(command: Command, at: datetime | None, *, actor: Actor = _ACTOR) -> dict[str, Any]:
    return execute(command, actor=actor, key=None, at=at or clock.database_now()).answer
