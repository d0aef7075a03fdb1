"""Dead letters of deliveries, and replays of many letters of either direction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.ids import public_id
from apps.webhooks import letters
from apps.webhooks.commands.inbox import require_reason
from apps.webhooks.models import Delivery, ReplayJob

RATE_MAX_PER_S = 1_000


@dataclass(frozen=True)
class ResendDelivery(Command):
    """Send a finished delivery once more, under its own event id, with all its tries."""

    delivery_id: UUID
    reason: str = "asked for by the owner"


@handles(ResendDelivery, name="webhooks.resend_delivery", version=1, permission="webhooks.write")
def resend_delivery(command: ResendDelivery, context: Context) -> dict[str, Any]:
    """Queue the delivery again. Raises NotFound, Conflict while it is queued already, Invalid."""
    require_reason(command.reason)
    delivery = _delivery(command.delivery_id, command.organisation_id)
    with connection.cursor() as cursor:
        cursor.execute("SELECT webhooks_requeue(%s)", [delivery.pk])
        (queued,) = cursor.fetchone()
    if not queued:
        raise Conflict(status=delivery.status)
    context.note("webhook_delivery", public_id("del", delivery.pk), reason=command.reason)
    return {"id": public_id("del", delivery.pk), "status": "pending"}


@dataclass(frozen=True)
class DiscardDelivery(Command):
    """Decide that a dead delivery stays undelivered."""

    delivery_id: UUID
    reason: str


@handles(DiscardDelivery, name="webhooks.discard_delivery", version=1, permission="events.replay")
def discard_delivery(command: DiscardDelivery, context: Context) -> dict[str, Any]:
    """Take the delivery off the list of dead letters. Raises NotFound, Conflict, Invalid."""
    require_reason(command.reason)
    delivery = _delivery(command.delivery_id, command.organisation_id)
    changed = Delivery.objects.filter(pk=delivery.pk, status="dead").update(
        status="discarded", reason=command.reason
    )
    if not changed:
        raise Conflict(status=delivery.status)
    context.note("webhook_delivery", public_id("del", delivery.pk), reason=command.reason)
    return {"id": public_id("del", delivery.pk), "status": "discarded"}


@dataclass(frozen=True)
class StartReplay(Command):
    """Replay all dead letters that match, oldest first, so many a second. None is every organisation."""

    direction: str
    reason: str
    filters: dict[str, Any] = field(default_factory=dict)
    rate_per_s: int = 50


@handles(StartReplay, name="webhooks.start_replay", version=1, permission="events.replay")
def start_replay(command: StartReplay, context: Context) -> dict[str, Any]:
    """Return the job's id and how many letters it has. Raises Invalid, Conflict when there are none."""
    require_reason(command.reason)
    if command.organisation_id is None:
        raise Invalid(field="organisation_id")
    if not 1 <= command.rate_per_s <= RATE_MAX_PER_S:
        raise Invalid(field="rate_per_s", max=RATE_MAX_PER_S)
    total, newest = letters.measure(command.direction, command.filters)
    if newest is None:
        raise Conflict(matching=0)
    job = ReplayJob.objects.create(
        id=context.new_id(),
        organisation_id=command.organisation_id,
        direction=command.direction,
        filters=command.filters,
        total=total,
        rate_per_s=command.rate_per_s,
        reason=command.reason,
        asked_by=str(context.actor)[:120],
        until_id=newest,
        next_at=context.at,
        created_at=context.at,
    )
    context.note(
        "webhook_replay",
        public_id("rpl", job.pk),
        total=total,
        filters=command.filters,
        reason=command.reason,
        direction=command.direction,
    )
    return {"id": public_id("rpl", job.pk), "total": total}


@dataclass(frozen=True)
class SteerReplay(Command):
    """Pause, resume or cancel a replay."""

    job_id: UUID
    to: str  # paused, running, cancelled


@handles(SteerReplay, name="webhooks.steer_replay", version=1, permission="events.replay")
def steer_replay(command: SteerReplay, context: Context) -> dict[str, Any]:
    """Return the job's state. Raises NotFound, Conflict when it has ended, Invalid."""
    if command.to not in (ReplayJob.State.PAUSED, ReplayJob.State.RUNNING, ReplayJob.State.CANCELLED):
        raise Invalid(field="to")
    job = ReplayJob.objects.select_for_update().filter(pk=command.job_id).first()
    if job is None:
        raise NotFound(webhook_replay=public_id("rpl", command.job_id))
    if job.finished_at is not None:
        raise Conflict(state=str(job.state))
    job.state, job.next_at = ReplayJob.State(command.to), context.at
    if command.to == ReplayJob.State.CANCELLED:
        job.finished_at = context.at
    job.save(update_fields=["state", "next_at", "finished_at"])
    context.note("webhook_replay", public_id("rpl", job.pk), state=str(job.state), done=job.done)
    return {"id": public_id("rpl", job.pk), "state": str(job.state), "done": job.done}


@dataclass(frozen=True)
class AdvanceReplay(Command):
    """Replay the next letters of a job: as many as its rate allows since the time before."""

    job_id: UUID


@handles(AdvanceReplay, name="webhooks.advance_replay", version=1, permission="events.replay")
def advance_replay(command: AdvanceReplay, context: Context) -> dict[str, Any]:
    """Replay a tick's worth and remember how far the job came, in the same transaction.

    A worker that dies in the middle leaves nothing half done, and each letter is replayed once.
    Raises NotFound.
    """
    job = ReplayJob.objects.select_for_update().filter(pk=command.job_id).first()
    if job is None:
        raise NotFound(webhook_replay=public_id("rpl", command.job_id))
    if job.state != ReplayJob.State.RUNNING or job.next_at > context.at:
        return {"replayed": 0, "state": str(job.state)}
    limit = max(1, job.rate_per_s * letters.TICK_MS // 1000)
    batch = letters.next_batch(
        job.direction, job.filters, after=job.after_id, until=job.until_id, limit=limit
    )
    for letter_id in batch:
        letters.requeue(job.direction, letter_id, at=context.at)
        context.note(
            letters.KINDS[job.direction],
            letters.public(job.direction, letter_id),
            replay=public_id("rpl", job.pk),
            reason=job.reason,
        )
    job.done += len(batch)
    job.after_id = batch[-1] if batch else job.after_id
    job.next_at = context.at + letters.TICK
    if len(batch) < limit:
        job.state, job.finished_at = ReplayJob.State.DONE, context.at
        context.note("webhook_replay", public_id("rpl", job.pk), state="done", done=job.done)
    job.save(update_fields=["done", "after_id", "next_at", "state", "finished_at"])
    return {"replayed": len(batch), "state": str(job.state)}


def _delivery(delivery_id: UUID, organisation_id: UUID | None) -> Delivery:
    rows = Delivery.objects.filter(pk=delivery_id)
    row = rows.filter(organisation_id=organisation_id).first() if organisation_id else rows.first()
    if row is None:
        raise NotFound(webhook_delivery=public_id("del", delivery_id))
    return row
