"""Writing a payment's life: its row, its events, and the fact that goes out with each transition.

Lock order: the payment's row first, then the ledger's balances, which the ledger sorts itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import models

from apps.core.commands import Context
from apps.core.errors import Conflict, NotFound
from apps.core.ids import public_id
from apps.payments.domain.lifecycle import Decision, Event, Kind, State, Transition, decide
from apps.payments.events import EVENT_OF_STATE
from apps.payments.models import Payment, PaymentEvent


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an event came from: api, console, policy, webhook, file, statement or job, and its name there."""

    source: str
    external_id: str = ""
    reason: str = ""


class MovedOn(Conflict):
    code = "payment_moved_on"
    title = "The payment changed while this was being done; look again."


def lock_payment(payment_id: UUID, *, organisation_id: UUID | None = None) -> Payment:
    """Lock a payment's row for a transition. Raises NotFound also for another organisation's."""
    rows = Payment.objects.select_for_update(no_key=True).filter(pk=payment_id)
    if organisation_id is not None:
        rows = rows.filter(organisation_id=organisation_id)
    payment = rows.first()
    if payment is None:
        raise NotFound(object="payment", id=public_id("pay", payment_id))
    return payment


def decide_for(payment: Payment, event: Event) -> Decision:
    """Ask the table what the event does to the payment. Raises IllegalTransition."""
    return decide(Kind(payment.kind), State(payment.state), event)


def begin(
    payment: Payment, event: Event, context: Context, origin: Origin, *, journal_seq: int | None = None
) -> None:
    """Insert a new payment with its first event. Its state is what the table says."""
    transition = _first(Kind(payment.kind), event)
    payment.state, payment.version = transition.target.value, 1
    payment.changed_at = context.at
    payment.save(force_insert=True)
    _append(payment, transition, context, origin, journal_seq)
    _tell(payment, "", context)


@dataclass(frozen=True, slots=True)
class Started:
    """A new payment and what it begins with."""

    payment: Payment
    event: Event
    context: Context
    origin: Origin
    journal_seq: int | None = None


def begin_many(started: list[Started]) -> None:
    """Insert new payments with their first events, with two statements however many there are."""
    if not started:
        return
    transitions = [_first(Kind(item.payment.kind), item.event) for item in started]
    for item, transition in zip(started, transitions, strict=True):
        item.payment.state, item.payment.version = transition.target.value, 1
        item.payment.changed_at = item.context.at
    Payment.objects.bulk_create([item.payment for item in started])
    PaymentEvent.objects.bulk_create(
        [
            _event_row(item.payment, transition, item.context, item.origin, item.journal_seq)
            for item, transition in zip(started, transitions, strict=True)
        ]
    )
    for item in started:
        _tell(item.payment, "", item.context)


def advance(
    payment: Payment,
    transition: Transition,
    context: Context,
    origin: Origin,
    *,
    journal_seq: int | None = None,
    **changes: object,
) -> None:
    """Move a locked payment along a transition, with what it brings. Raises MovedOn.

    `changes` are columns that come with the transition, such as `approved_by` or `batch_message_id`.
    """
    before = payment.state
    payment.version += 1
    payment.state, payment.changed_at = transition.target.value, context.at
    for name, value in changes.items():
        setattr(payment, name, value)
    updated = Payment.objects.filter(pk=payment.pk, state=before, version=payment.version - 1).update(
        state=payment.state, version=payment.version, changed_at=context.at, **changes
    )
    if updated != 1:
        raise MovedOn(id=public_id("pay", payment.pk))
    _append(payment, transition, context, origin, journal_seq)
    _tell(payment, before, context)


def record_no_op(payment: Payment, event: Event, context: Context, origin: Origin, *, reason: str) -> None:
    """Record an event that changes nothing, because it is late or was told before."""
    payment.version += 1
    Payment.objects.filter(pk=payment.pk).update(version=payment.version)
    PaymentEvent.objects.create(
        id=context.new_id(),
        organisation_id=payment.organisation_id,
        payment_id=payment.pk,
        number=payment.version,
        event=event.value,
        from_state=payment.state,
        to_state=payment.state,
        applied=False,
        reason=reason,
        source=origin.source,
        external_id=origin.external_id,
        actor=str(context.actor),
        command_id=context.command_id,
        at=context.at,
    )


def _first(kind: Kind, event: Event) -> Transition:
    transition = decide(kind, None, event).transition
    assert transition is not None, "the beginning of a life is never late"
    return transition


def _append(
    payment: Payment, transition: Transition, context: Context, origin: Origin, journal_seq: int | None
) -> None:
    _event_row(payment, transition, context, origin, journal_seq).save(force_insert=True)


def _event_row(
    payment: Payment, transition: Transition, context: Context, origin: Origin, journal_seq: int | None
) -> PaymentEvent:
    return PaymentEvent(
        id=context.new_id(),
        organisation_id=payment.organisation_id,
        payment_id=payment.pk,
        number=payment.version,
        event=transition.event.value,
        from_state=transition.source.value if transition.source else "",
        to_state=transition.target.value,
        applied=True,
        reason=origin.reason,
        source=origin.source,
        external_id=origin.external_id,
        journal_seq=journal_seq,
        actor=str(context.actor),
        command_id=context.command_id,
        at=context.at,
    )


def _tell(payment: Payment, before: str, context: Context) -> None:
    key = public_id("pay", payment.pk)
    fact = EVENT_OF_STATE[State(payment.state)](
        payment_id=key,
        kind=payment.kind,
        rail=payment.rail,
        amount=payment.amount.decimal_text(),
        currency=payment.currency,
        account_id=public_id("acc", payment.account_id),
        state=payment.state,
        previous_state=before,
        end_to_end_id=payment.end_to_end_id,
        reference=payment.reference,
        failure_code=payment.failure_code,
        batch_message_id=payment.batch_message_id,
        parent_id=public_id("pay", payment.parent_id) if payment.parent_id else "",
    )
    context.emit(fact, organisation_id=payment.organisation_id)
    context.note(
        "payment", key, organisation_id=payment.organisation_id, state=payment.state, previous_state=before
    )


def advance_many(
    payments: list[Payment],
    event: Event,
    context: Context,
    origin: Origin,
    *,
    journal_seqs: list[int] | None = None,
    **changes: object,
) -> None:
    """Move many locked payments, all in one state, along the same transition with three statements.

    Raises MovedOn when one of them is no longer where it was locked, IllegalTransition.
    """
    if not payments:
        return
    transition = decide_for(payments[0], event).transition
    assert transition is not None, "a batch is made of payments that can move"
    before = payments[0].state
    updated = Payment.objects.filter(pk__in=[payment.pk for payment in payments], state=before).update(
        state=transition.target.value, version=models.F("version") + 1, changed_at=context.at, **changes
    )
    if updated != len(payments):
        raise MovedOn(expected=len(payments), moved=updated)
    for payment in payments:
        payment.version += 1
        payment.state, payment.changed_at = transition.target.value, context.at
        for name, value in changes.items():
            setattr(payment, name, value)
    seqs: list[int | None] = list(journal_seqs) if journal_seqs is not None else [None] * len(payments)
    PaymentEvent.objects.bulk_create(
        [
            _event_row(payment, transition, context, origin, seq)
            for payment, seq in zip(payments, seqs, strict=True)
        ]
    )
    for payment in payments:
        _tell(payment, before, context)
