"""Events that a consumer gave up on: staff hand them over again, or discard them with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core import outbox, tenancy
from apps.core.actors import Actor
from apps.core.commands import Command, Context, execute, handles
from apps.core.consumers import CONSUMERS
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.ids import public_id
from apps.core.models import DeadEvent
from apps.core.relay import fingerprint

REPLAYED, DISCARDED = "replayed", "discarded"
REASON_MAX = 200


class AlreadySettled(Conflict):
    code = "already_settled"
    title = "This dead event was replayed or discarded before."


@dataclass(frozen=True)
class SettleDeadEvent(Command):
    """Take a dead event off the list: it was handed over again, or is to be left alone."""

    dead_event_id: UUID
    settled_as: str
    reason: str


@handles(SettleDeadEvent, name="core.settle_dead_event", version=1, permission="platform.configure")
def settle_dead_event(command: SettleDeadEvent, context: Context) -> dict[str, Any]:
    """Record what became of it. Raises NotFound, AlreadySettled, Invalid for a missing reason."""
    reason = " ".join(command.reason.split())
    if command.settled_as not in (REPLAYED, DISCARDED):
        raise Invalid(field="settled_as")
    if not reason or len(reason) > REASON_MAX:
        raise Invalid(field="reason", reason=f"between 1 and {REASON_MAX} characters")
    dead = DeadEvent.objects.select_for_update().filter(pk=command.dead_event_id).first()
    key = public_id("dev", command.dead_event_id)
    if dead is None:
        raise NotFound(object="dead_event", id=key)
    if dead.settled_at is not None:
        raise AlreadySettled(id=key, settled_as=dead.settled_as)
    dead.settled_at, dead.settled_as = context.at, command.settled_as
    dead.save(update_fields=["settled_at", "settled_as"])
    context.note(
        "dead_event", key, consumer=dead.consumer, event=public_id("evt", dead.event_id), reason=reason
    )
    return {"id": key, "settled_as": dead.settled_as}


def open_dead_events(*, consumer: str = "") -> list[DeadEvent]:
    """Return the dead events that nobody has settled, oldest first; of one consumer, if named."""
    rows = DeadEvent.objects.filter(settled_at=None).order_by("id")
    return list(rows.filter(consumer=consumer) if consumer else rows)


def replay(dead: DeadEvent, *, actor: Actor, reason: str, at: datetime) -> str:
    """Hand the event to its consumer again and settle it. Returns "" or what it failed of now.

    Consumers know an event that they have applied already by its id, so handing it over twice does no
    harm. Raises NotFound when the consumer or the event is no longer here.
    """
    consumer = CONSUMERS.get(dead.consumer)
    with tenancy.scope(tenancy.PLATFORM):
        event = outbox.event_by_id(dead.event_id)
    if consumer is None or event is None:
        raise NotFound(object="consumer" if consumer is None else "event", id=dead.consumer)
    try:
        consumer.react(event)
    except Exception as error:  # it may fail in any way, as it did before
        return fingerprint(error)
    execute(SettleDeadEvent(None, dead.pk, REPLAYED, reason), actor=actor, key=None, at=at)
    return ""
