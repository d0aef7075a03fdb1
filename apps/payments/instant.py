"""Sending instant payouts and asking about them: commit, call outside any transaction, apply the answer.

A crash after the commit leaves an attempt without an outcome, which the next round of questions takes
up. Nothing is ever sent again because of silence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connections
from django.db.models import Q

from apps.core import clock, tenancy
from apps.core.actors import Actor
from apps.core.commands import execute
from apps.core.errors import Refusal
from apps.payments import circuits, transport
from apps.payments.commands.instant import (
    ANSWER,
    INQUIRY,
    LATE,
    STATUSES,
    NoteNotSent,
    NoteSilence,
    PlanInquiry,
    SendInstant,
    TakeOtherRail,
    status_command,
)
from apps.payments.commands.providers import NoteCall
from apps.payments.counterparties import party_of
from apps.payments.domain.lifecycle import State
from apps.payments.formats import FormatError
from apps.payments.models import Counterparty, Payment
from apps.payments.models_instant import InstantAttempt
from apps.payments.rails import instant_rail, instant_rails
from apps.payments.rails.base import InboundEvent, Instruction, Outgoing, Party
from apps.payments.rails.instant import InstantRail
from apps.payments.routing import SettlementRoute, route_by_id
from apps.payments.transport import Reply

Post = Callable[[str, bytes, float], Reply]
"""Posts bytes to a URL within seconds."""
ROUND_MAX = 200
"""How many payments one round sends or asks about."""
_log = structlog.get_logger("bezant.payments.instant")


def post(url: str, body: bytes, total_s: float) -> Reply:
    """Post a message to a bank."""
    return transport.post(url, body, content_type="application/xml", total_s=total_s)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends, how, and by which clock."""

    actor: Actor
    post: Post = post
    now: Callable[[], datetime] = clock.database_now


def send_due(caller: Caller, *, at_once: int = 1) -> int:
    """Send every approved payout of a connected instant rail that is due. Returns how many left.

    `at_once` are the threads, each with a database connection of its own.
    """
    due = _due(caller.now())
    if at_once == 1 or len(due) < 2:
        return sum(_send_or_leave(key, caller) for key in due)
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        return sum(pool.map(lambda key: _in_own_thread(key, caller), due))


def _due(at: datetime) -> list[UUID]:
    rails = [rail for rail in instant_rails() if transport.is_connected(rail)]
    with tenancy.scope(tenancy.PLATFORM):
        rows = Payment.objects.filter(
            Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=at), rail__in=rails, state=State.APPROVED
        )
        return list(rows.order_by("id").values_list("id", flat=True)[:ROUND_MAX])


def _in_own_thread(payment_id: UUID, caller: Caller) -> bool:
    try:
        return _send_or_leave(payment_id, caller)
    finally:
        connections.close_all()


def _send_or_leave(payment_id: UUID, caller: Caller) -> bool:
    """Send; what cannot go now (another was first, the circuit is open) stays for a later round."""
    try:
        return send(payment_id, caller)["state"] != State.WITHHELD
    except circuits.CircuitOpen:
        execute(TakeOtherRail(None, payment_id), actor=caller.actor, key=None, at=caller.now())
        return False
    except Refusal as refusal:
        _log.info("instant payment not sent", reason=refusal.code)
        return False


def send(payment_id: UUID, caller: Caller) -> dict[str, Any]:
    """Send one approved payout and apply what comes back. Raises the refusals of SendInstant.

    Nothing leaves an account that is blocked or closed: the payout is withheld.

    Our own part must fit into `INSTANT_BUDGET_S`, or the message does not leave: the rail's clock runs
    from the time stamp in it.
    """
    began, at = time.monotonic(), caller.now()
    started = execute(SendInstant(None, payment_id), actor=caller.actor, key=None, at=at).answer
    message_id = started["message_id"]
    if not message_id:
        return started
    rail, outgoing = _attempt(message_id)
    try:
        data = rail.build(outgoing).data
    except FormatError as error:
        return _not_sent(message_id, f"format {error.code}", caller)
    if time.monotonic() - began > settings.INSTANT_BUDGET_S:
        return _not_sent(message_id, "budget", caller)
    reply = caller.post(transport.url_of(rail.name), data, float(rail.answer_within_s))
    if not reply.reached:
        _note_call(rail.name, reply.error, caller)
        return _not_sent(message_id, reply.error, caller)
    return _apply_reply(rail, outgoing, reply, ANSWER, caller)


def inquire_due(caller: Caller) -> Iterator[dict[str, Any]]:
    """Ask about every attempt that is due for it; yield what became of each."""
    with tenancy.scope(tenancy.PLATFORM):
        rows = InstantAttempt.objects.filter(inquire_at__lte=caller.now()).order_by("inquire_at")
        due = [(row.message_id, row.rail) for row in rows[:ROUND_MAX]]
    for message_id, rail in due:
        if transport.is_connected(rail):
            yield inquire(message_id, caller)


def inquire(message_id: str, caller: Caller) -> dict[str, Any]:
    """Ask the bank what became of an attempt, if it is due, and apply the answer."""
    at = caller.now()
    plan = execute(PlanInquiry(None, message_id), actor=caller.actor, key=None, at=at).answer
    if not plan["ask"]:
        return {"message_id": message_id, "state": plan["state"], "asked": False}
    rail, outgoing = _attempt(message_id)
    question = rail.inquire(
        outgoing.instructions[0].reference, outgoing, message_id=plan["question_id"], at=at
    )
    assert question is not None, "every instant rail knows inquiries"
    reply = caller.post(transport.url_of(rail.name), question, float(rail.answer_within_s))
    if not reply.reached:
        _note_call(rail.name, reply.error, caller)
        return {"message_id": message_id, "state": plan["state"], "asked": False, "error": reply.error}
    answer = _apply_reply(rail, outgoing, reply, INQUIRY, caller)
    return {"message_id": message_id, "state": answer["state"], "asked": True}


def preview_inquiries(at: datetime) -> list[dict[str, Any]]:
    """Tell what `inquire_due` would ask about now. Writes nothing."""
    with tenancy.scope(tenancy.PLATFORM):
        rows = InstantAttempt.objects.filter(inquire_at__lte=at).order_by("inquire_at")[:ROUND_MAX]
        return [{"message_id": row.message_id, "rail": row.rail, "inquiries": row.inquiries} for row in rows]


def unanswered() -> list[dict[str, Any]]:
    """Return the payments whose questions are used up and that people must look into, oldest first."""
    with tenancy.scope(tenancy.PLATFORM):
        asked = InstantAttempt.objects.filter(outcome="", inquire_at__isnull=True)
        rows = Payment.objects.filter(
            pk__in=asked.values("payment_id"), rail__in=instant_rails(), state__in=(State.SENT, State.UNKNOWN)
        )
        return [{"id": row.pk, "since": row.changed_at} for row in rows.order_by("id")[:ROUND_MAX]]


def take_status(rail: str, data: bytes, caller: Caller) -> list[dict[str, Any]]:
    """Apply a message that the bank sent on its own account, such as a late status.

    Raises FormatError, and the refusals of ApplyInstantStatus for what is not about a payment of ours.
    """
    return [
        _apply(event, LATE, caller)
        for event in instant_rail(rail).parse_inbound(data)
        if event.told in STATUSES
    ]


def _apply_reply(
    rail: InstantRail, outgoing: Outgoing, reply: Reply, source: str, caller: Caller
) -> dict[str, Any]:
    """Apply the answer to a call. One that cannot be used is silence, whatever else it is."""
    problem, event = reply.error, None
    if not problem:
        problem, event = _read(rail, outgoing, reply.body)
    _note_call(rail.name, problem, caller)
    if event is None:
        _log.warning("no usable answer", rail=rail.name, reason=problem)
        return execute(
            NoteSilence(None, outgoing.message_id), actor=caller.actor, key=None, at=caller.now()
        ).answer
    return _apply(event, source, caller)


def _read(rail: InstantRail, outgoing: Outgoing, body: bytes) -> tuple[str, InboundEvent | None]:
    """Return the one event about our payment, or why there is none."""
    try:
        events = rail.parse_inbound(body)
    except FormatError as error:
        return f"format_{error.code}"[:40], None
    ours = outgoing.instructions[0].reference
    fitting = [
        event
        for event in events
        if event.told in STATUSES
        and event.original_message_id == outgoing.message_id
        and event.reference in ("", ours)
    ]
    return ("", fitting[-1]) if fitting else ("foreign_answer", None)


def _apply(event: InboundEvent, source: str, caller: Caller) -> dict[str, Any]:
    return execute(status_command(event, source), actor=caller.actor, key=None, at=caller.now()).answer


def _not_sent(message_id: str, error: str, caller: Caller) -> dict[str, Any]:
    command = NoteNotSent(None, message_id, error)
    return execute(command, actor=caller.actor, key=None, at=caller.now()).answer


def _note_call(name: str, error: str, caller: Caller) -> None:
    """Tell the circuit how a call ended; a success is written down only where something stood against it."""
    if error or not circuits.is_clean(name):
        execute(NoteCall(None, name, error[:40]), actor=caller.actor, key=None, at=caller.now())


def _attempt(message_id: str) -> tuple[InstantRail, Outgoing]:
    """Read the message of an attempt again: the same row always gives the same message."""
    with tenancy.scope(tenancy.PLATFORM):
        attempt = InstantAttempt.objects.get(message_id=message_id)
        payment = Payment.objects.get(pk=attempt.payment_id)
        assert payment.counterparty_id is not None
        assert payment.settlement_account_id is not None
        end = Counterparty.objects.get(pk=payment.counterparty_id)
        ours = _ours(route_by_id(payment.settlement_account_id))
        payee = party_of(end)
        remittance = payment.remittance.reveal() if payment.remittance is not None else ""
    rail = instant_rail(attempt.rail)
    instruction = Instruction(payment.end_to_end_id, payment.amount, ours, payee, remittance)
    outgoing = Outgoing(
        message_id=message_id,
        created_at=attempt.sent_at,
        execution_date=attempt.sent_at.date(),
        ours=ours,
        instructions=(instruction,),
    )
    return rail, outgoing


def _ours(route: SettlementRoute) -> Party:
    return Party(route.holder, route.iban, route.routing_number or route.bic)
