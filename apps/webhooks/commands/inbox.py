"""Provider events: applied, buried, replayed or discarded, each under the lease of its row."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.ids import public_id
from apps.webhooks.domain.effects import Applied, Effect, Ignored, WaitingFor
from apps.webhooks.domain.schedule import waiting_pause_s
from apps.webhooks.domain.translations import translate
from apps.webhooks.events import InboxEventDied
from apps.webhooks.models import InboxEvent, Source

Apply = Callable[[InboxEvent, Context], Effect]
APPLIERS: dict[str, Apply] = {}
"""How the events of a provider are applied, where it is not by the payments context."""


_ENVELOPED = frozenset({"bezant_sandbox", "standardwebhooks", "svix"})


class LeaseLost(Conflict):
    code = "lease_lost"
    title = "Another worker has taken over this event."


@dataclass(frozen=True)
class ApplyInboxEvent(Command):
    """Give a verified event its effect. The effect and the mark `applied` commit together."""

    inbox_event_id: UUID
    lease_token: UUID


@handles(ApplyInboxEvent, name="webhooks.apply_inbox_event", version=1, permission="webhooks.apply")
def apply_inbox_event(command: ApplyInboxEvent, context: Context) -> dict[str, Any]:
    """Lock the row under its lease, apply it, and record what became of it. Raises LeaseLost."""
    row = leased(command.inbox_event_id, command.lease_token)
    effect = APPLIERS.get(row.provider, apply_to_payments)(row, context)
    if isinstance(effect, WaitingFor):
        return _wait(row, effect, context)
    if isinstance(effect, Applied):
        _finish(row, InboxEvent.Status.APPLIED, effect.detail, context.at)
    else:
        _finish(row, InboxEvent.Status.IGNORED, effect.reason, context.at)
    context.note(
        "inbox_event",
        public_id("ine", row.pk),
        provider=row.provider,
        event_type=row.event_type,
        status=str(row.status),
        reason=row.reason,
    )
    return {"id": public_id("ine", row.pk), "status": str(row.status)}


def apply_to_payments(row: InboxEvent, context: Context) -> Effect:
    """Hand the event to the payments context, inside this transaction."""
    from apps.payments import public as payments

    # Standard Webhooks wraps what happened in an envelope; other senders' events go down as they came.
    inner = row.payload.get("data") if row.provider in _ENVELOPED else row.payload
    source = Source.objects.get(pk=row.source_id)
    told = translate(row.provider, row.event_type, inner if isinstance(inner, dict) else {}, source.config)
    if told.ignored:
        return Ignored(told.ignored)
    answer = context.run(
        payments.ApplyProviderEvent(
            organisation_id=row.organisation_id,
            provider=row.provider,
            event_id=row.event_id,
            event_type=told.event_type,
            payload=told.payload,
            occurred_at=row.occurred_at or row.received_at,
        )
    )
    if answer["result"] == "waiting":
        return WaitingFor(answer["reason"])
    if answer["result"] == "ignored":
        return Ignored(answer["reason"])
    return Applied(answer["object_id"])


def leased(inbox_event_id: UUID, lease_token: UUID) -> InboxEvent:
    """Lock an event's row, provided its lease is still the given one. Raises LeaseLost."""
    row = (
        InboxEvent.objects.select_for_update()
        .filter(pk=inbox_event_id, lease_token=lease_token, status=InboxEvent.Status.PROCESSING)
        .first()
    )
    if row is None:
        raise LeaseLost(inbox_event=public_id("ine", inbox_event_id))
    return row


def _finish(row: InboxEvent, status: InboxEvent.Status, reason: str, at: datetime) -> None:
    row.status, row.reason, row.finished_at, row.lease_token = status, reason[:300], at, None
    row.fingerprint = ""
    row.save(update_fields=["status", "reason", "finished_at", "lease_token", "fingerprint"])


def _wait(row: InboxEvent, effect: WaitingFor, context: Context) -> dict[str, Any]:
    waited_s = (context.at - row.received_at).total_seconds()
    pause_s = waiting_pause_s(attempts=row.attempts, waited_s=waited_s, chance=random.random())
    reason = f"waits for {effect.object_key}"[:300]
    if pause_s is None:
        return bury(row, context, reason=f"{effect.object_key} never came"[:300], fingerprint="waiting")
    row.status, row.reason, row.lease_token = InboxEvent.Status.WAITING, reason, None
    row.next_at = context.at + timedelta(seconds=pause_s)
    row.save(update_fields=["status", "reason", "next_at", "lease_token"])
    context.note("inbox_event", public_id("ine", row.pk), status="waiting", reason=reason)
    return {"id": public_id("ine", row.pk), "status": "waiting"}


@dataclass(frozen=True)
class BuryInboxEvent(Command):
    """Give up on an event that failed at every try: it becomes a dead letter."""

    inbox_event_id: UUID
    lease_token: UUID
    reason: str
    fingerprint: str


@handles(BuryInboxEvent, name="webhooks.bury_inbox_event", version=1, permission="webhooks.apply")
def bury_inbox_event(command: BuryInboxEvent, context: Context) -> dict[str, Any]:
    """Mark the event dead and tell of it. Raises LeaseLost."""
    row = leased(command.inbox_event_id, command.lease_token)
    return bury(row, context, reason=command.reason, fingerprint=command.fingerprint)


def bury(row: InboxEvent, context: Context, *, reason: str, fingerprint: str) -> dict[str, Any]:
    """Mark a locked event dead, in the audit log and by an event."""
    _finish(row, InboxEvent.Status.DEAD, reason, context.at)
    row.fingerprint = fingerprint[:16]
    row.save(update_fields=["fingerprint"])
    context.note("inbox_event", public_id("ine", row.pk), status="dead", reason=row.reason)
    context.emit(
        InboxEventDied(
            inbox_event_id=public_id("ine", row.pk),
            provider=row.provider,
            event_type=row.event_type,
            reason=row.reason,
            attempts=row.attempts,
        )
    )
    return {"id": public_id("ine", row.pk), "status": "dead"}


@dataclass(frozen=True)
class ReplayInboxEvent(Command):
    """Apply a dead or discarded event once more, under its own id."""

    inbox_event_id: UUID
    reason: str


@handles(ReplayInboxEvent, name="webhooks.replay_inbox_event", version=1, permission="events.replay")
def replay_inbox_event(command: ReplayInboxEvent, context: Context) -> dict[str, Any]:
    """Make the event due again with all its tries. Raises NotFound, Conflict, Invalid."""
    row = _locked(command.inbox_event_id, command.organisation_id)
    require_reason(command.reason)
    if row.status not in (InboxEvent.Status.DEAD, InboxEvent.Status.DISCARDED):
        raise Conflict(status=str(row.status))
    row.status, row.attempts, row.next_at, row.finished_at = InboxEvent.Status.RETRY, 0, context.at, None
    row.save(update_fields=["status", "attempts", "next_at", "finished_at"])
    context.note("inbox_event", public_id("ine", row.pk), status="replayed", reason=command.reason)
    return {"id": public_id("ine", row.pk), "status": "retry"}


@dataclass(frozen=True)
class DiscardInboxEvent(Command):
    """Decide that a dead event stays without effect."""

    inbox_event_id: UUID
    reason: str


@handles(DiscardInboxEvent, name="webhooks.discard_inbox_event", version=1, permission="events.replay")
def discard_inbox_event(command: DiscardInboxEvent, context: Context) -> dict[str, Any]:
    """Take the event off the list of dead letters. Raises NotFound, Conflict, Invalid."""
    row = _locked(command.inbox_event_id, command.organisation_id)
    require_reason(command.reason)
    if row.status != InboxEvent.Status.DEAD:
        raise Conflict(status=str(row.status))
    _finish(row, InboxEvent.Status.DISCARDED, command.reason, context.at)
    context.note("inbox_event", public_id("ine", row.pk), status="discarded", reason=command.reason)
    return {"id": public_id("ine", row.pk), "status": "discarded"}


def require_reason(reason: str) -> None:
    """Refuse an act on dead letters that says no reason. Raises Invalid."""
    if not 3 <= len(reason.strip()) <= 300:
        raise Invalid(field="reason", characters_min=3, characters_max=300)


def _locked(inbox_event_id: UUID, organisation_id: UUID | None) -> InboxEvent:
    rows = InboxEvent.objects.select_for_update().filter(pk=inbox_event_id)
    row = rows.filter(organisation_id=organisation_id).first() if organisation_id else rows.first()
    if row is None:
        raise NotFound(inbox_event=public_id("ine", inbox_event_id))
    return row
