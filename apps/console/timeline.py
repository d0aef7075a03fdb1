"""One timeline of an object, from everything that knows something about it."""

from __future__ import annotations

from uuid import UUID

from apps.compliance.public import audit_of_object
from apps.core.errors import Refusal
from apps.core.ids import parse_public_id, public_id
from apps.core.registries import TIMELINES, TimelineItem
from apps.ledger import public as ledger
from apps.payments import public as payments

ITEMS_MAX = 500


def timeline_of(object_id: str) -> list[TimelineItem]:
    """Gather what happened to the object, oldest first. Needs the platform's scope."""
    items = [item for source in TIMELINES.entries.values() for item in source(object_id)]
    return sorted(items, key=lambda item: item.at)[-ITEMS_MAX:]


def _audit(object_id: str) -> list[TimelineItem]:
    """Tell what was done, tried and refused."""
    return [
        TimelineItem(
            entry.at,
            "audit",
            f"{entry.action} {entry.outcome}",
            entry.actor,
            {"reason": entry.reason, **entry.data} if entry.reason else entry.data,
            f"/console/audit/{entry.id}/",
        )
        for entry in reversed(audit_of_object(object_id, limit=200))
    ]


def _payment(object_id: str) -> UUID | None:
    try:
        return parse_public_id("pay", object_id)
    except Refusal:
        return None


def _states(object_id: str) -> list[TimelineItem]:
    """Tell how a payment moved from state to state, and what came too late to move it."""
    payment_id = _payment(object_id)
    if payment_id is None:
        return _life(object_id)
    return [_state(event, payment_id) for event in payments.story_of(payment_id)]


def _life(object_id: str) -> list[TimelineItem]:
    """Tell the same of an object with a life of its own: an order, a mandate, a dispute."""
    prefix = object_id.partition("_")[0]
    try:
        key = parse_public_id(prefix, object_id)
    except Refusal:
        return []
    return [_state(event, key) for event in payments.life_events(prefix, key)]


_KINDS = {"file": "file", "webhook": "webhook", "statement": "statement"}


def _state(event: payments.PaymentEvent, payment_id: UUID) -> TimelineItem:
    part = "" if event.object_id == payment_id else f"{event.object_type}: "
    moved = (
        f"{event.from_state or 'new'} → {event.to_state}" if event.applied else f"stays {event.from_state}"
    )
    detail = {
        "told by": event.source,
        "message": event.external_id,
        "reason": event.reason,
        "journal": event.journal_seq,
    }
    return TimelineItem(
        event.at,
        _KINDS.get(event.source, "state"),
        f"{part}{event.event}: {moved}",
        event.actor,
        {name: value for name, value in detail.items() if value},
        f"/console/journals/{event.journal_seq}/" if event.journal_seq else "",
    )


def _journals(object_id: str) -> list[TimelineItem]:
    """Tell what the ledger posted and held under the object's reference.

    A journal stands at the moment of the step it belongs to; when it was recorded is in its details.
    """
    payment_id = _payment(object_id)
    steps = payments.story_of(payment_id) if payment_id else []
    moments = {step.journal_seq: step.at for step in steps if step.journal_seq}
    ordered = {ledger.Action.HOLD: steps[0].at} if steps else {}
    return [
        TimelineItem(
            moments.get(journal.seq) or ordered.get(journal.action) or journal.recorded_at,
            "journal",
            f"journal {journal.seq}: {journal.kind.removeprefix('ledger.')}",
            journal.actor,
            {"effective": journal.effective_date, "recorded": journal.recorded_at},
            f"/console/journals/{journal.seq}/",
        )
        for journal in ledger.journals_by_reference(object_id)
    ]


def _exchanges(object_id: str) -> list[TimelineItem]:
    """Tell at which quote a payment was exchanged, and what left the account for it."""
    payment_id = _payment(object_id)
    found = payments.payments().filter(pk=payment_id, quote_id__isnull=False).first() if payment_id else None
    if found is None or found.quote_id is None:
        return []
    quote, _ = payments.fx_quote(found.quote_id)
    exchange = quote.exchange
    return [
        TimelineItem(
            found.created_at,
            "journal",
            f"exchanged {exchange.sold} for {exchange.bought}",
            found.ordered_by,
            {
                "rate": payments.rate_text(found.exchange_rate or exchange.mid),
                "mid rate": f"{payments.rate_text(exchange.mid)} ({quote.source})",
                "spread": exchange.spread,
                "fee": exchange.fee,
                "quote": public_id("fxq", quote.id),
            },
            f"/console/journals/{found.exchange_seq}/",
        )
    ]


TIMELINES.register("console.exchanges", _exchanges)
TIMELINES.register("console.audit", _audit)
TIMELINES.register("console.states", _states)
TIMELINES.register("console.journals", _journals)
