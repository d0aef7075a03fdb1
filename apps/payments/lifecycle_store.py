"""Writing a life: an object's row, its events, and the fact that goes out with each transition.

The object is a payment, or another `Living` row such as a mandate or a dispute. Lock order: the
object's row first, then the ledger's balances, which the ledger sorts itself. A payout that ends with its
money back is exchanged back here, whoever ends it, so that no way to an end can forget it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from django.db import models

from apps.core.commands import Context
from apps.core.errors import Conflict, NotFound
from apps.core.events import Event
from apps.core.ids import public_id
from apps.core.rows import insert_rows, insert_values
from apps.payments import fx_books
from apps.payments.domain.cards import AttemptState, DisputeState, OperationState
from apps.payments.domain.fx import rate_text
from apps.payments.domain.lifecycle import State
from apps.payments.domain.machine import Decision, Transition
from apps.payments.events import EVENT_OF_STATE
from apps.payments.events_cards import OF_ATTEMPT, OF_DISPUTE, OF_OPERATION
from apps.payments.models import Living, Payment, PaymentEvent
from apps.payments.models_cards import Attempt, Dispute, Operation

L = TypeVar("L", bound=Living)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an event came from: api, console, policy, webhook, file, statement or job, and its name there."""

    source: str
    external_id: str = ""
    reason: str = ""


class MovedOn(Conflict):
    code = "payment_moved_on"
    title = "It changed while this was being done; look again."


Teller = Callable[[Any, str], Event | None]
_TELLERS: dict[type[Living], Teller] = {}


def tells(model: type[Living]) -> Callable[[Teller], Teller]:
    """Register the function below as the one that words the fact of a transition of such a row.

    It is given the row and the state before (empty at the beginning), and returns None to say nothing.
    """

    def register(teller: Teller) -> Teller:
        _TELLERS[model] = teller
        return teller

    return register


def lives() -> list[type[Living]]:
    """Return every kind of row that has a life of its own, in the order of their names."""
    return sorted(_TELLERS, key=lambda model: model.OBJECT)


def lock(model: type[L], key: UUID, *, organisation_id: UUID | None = None) -> L:
    """Lock a row for a transition. Raises NotFound also for another organisation's."""
    rows = model._default_manager.select_for_update(no_key=True).filter(pk=key)
    if organisation_id is not None:
        rows = rows.filter(organisation_id=organisation_id)
    row = rows.first()
    if row is None:
        raise NotFound(object=model.OBJECT, id=public_id(model.PREFIX, key))
    return row


def lock_payment(payment_id: UUID, *, organisation_id: UUID | None = None) -> Payment:
    """Lock a payment's row for a transition. Raises NotFound also for another organisation's."""
    return lock(Payment, payment_id, organisation_id=organisation_id)


def decide_for(row: Living, event: StrEnum) -> Decision:
    """Ask the table what the event does to the row. Raises IllegalTransition."""
    return row.machine.decide(row.state, event)


def begin(
    row: Living, event: StrEnum, context: Context, origin: Origin, *, journal_seq: int | None = None
) -> None:
    """Insert a new row with its first event. Its state is what the table says."""
    transition = _first(row, event)
    row.state, row.version = transition.target.value, 1
    row.changed_at = context.at
    row.save(force_insert=True)
    _append(row, transition, context, origin, journal_seq)
    _tell(row, "", context)


@dataclass(frozen=True, slots=True)
class Started:
    """A new payment and what it begins with."""

    payment: Payment
    event: StrEnum
    context: Context
    origin: Origin
    journal_seq: int | None = None


def begin_many(started: list[Started]) -> None:
    """Insert new payments with their first events, with two statements for each thousand."""
    if not started:
        return
    transitions = [_first(item.payment, item.event) for item in started]
    for item, transition in zip(started, transitions, strict=True):
        item.payment.state, item.payment.version = transition.target.value, 1
        item.payment.changed_at = item.context.at
    insert_rows(Payment, [item.payment for item in started])
    insert_values(
        PaymentEvent,
        _EVENT_FIELDS,
        [
            _event_values(item.payment, transition, item.context, item.origin, item.journal_seq)
            for item, transition in zip(started, transitions, strict=True)
        ],
    )
    for item in started:
        _tell(item.payment, "", item.context)


def advance(
    row: Living,
    transition: Transition,
    context: Context,
    origin: Origin,
    *,
    journal_seq: int | None = None,
    **changes: object,
) -> None:
    """Move a locked row along a transition, with what it brings. Raises MovedOn.

    `changes` are columns that come with the transition, such as `approved_by` or `batch_message_id`.
    """
    before = row.state
    row.version += 1
    row.state, row.changed_at = transition.target.value, context.at
    for name, value in changes.items():
        setattr(row, name, value)
    same = type(row)._default_manager.filter(pk=row.pk, state=before, version=row.version - 1)
    updated = same.update(state=row.state, version=row.version, changed_at=context.at, **changes)
    if updated != 1:
        raise MovedOn(id=public_id(row.PREFIX, row.pk))
    _exchange_back(row, context)
    _append(row, transition, context, origin, journal_seq)
    _tell(row, before, context)


def record_no_op(row: Living, event: StrEnum, context: Context, origin: Origin, *, reason: str) -> None:
    """Record an event that changes nothing, because it is late or was told before."""
    row.version += 1
    type(row)._default_manager.filter(pk=row.pk).update(version=row.version)
    PaymentEvent.objects.create(
        id=context.new_id(),
        organisation_id=row.organisation_id,
        object_type=row.OBJECT,
        object_id=row.pk,
        payment_id=row.life_of,
        number=row.version,
        event=event.value,
        from_state=row.state,
        to_state=row.state,
        applied=False,
        reason=reason,
        source=origin.source,
        external_id=origin.external_id,
        actor=str(context.actor),
        command_id=context.command_id,
        at=context.at,
    )


def advance_many(
    payments: list[Payment],
    event: StrEnum,
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
        _exchange_back(payment, context)
    seqs: list[int | None] = list(journal_seqs) if journal_seqs is not None else [None] * len(payments)
    insert_values(
        PaymentEvent,
        _EVENT_FIELDS,
        [
            _event_values(payment, transition, context, origin, seq)
            for payment, seq in zip(payments, seqs, strict=True)
        ],
    )
    for payment in payments:
        _tell(payment, before, context)


def _exchange_back(row: Living, context: Context) -> None:
    if isinstance(row, Payment) and row.quote_id is not None and row.state in fx_books.ENDED_BADLY:
        fx_books.exchange_back(row, context)


def _first(row: Living, event: StrEnum) -> Transition:
    transition = row.machine.decide(None, event).transition
    assert transition is not None, "the beginning of a life is never late"
    return transition


def _append(
    row: Living, transition: Transition, context: Context, origin: Origin, journal_seq: int | None
) -> None:
    insert_values(PaymentEvent, _EVENT_FIELDS, [_event_values(row, transition, context, origin, journal_seq)])


_EVENT_FIELDS = (
    "id", "organisation_id", "object_type", "object_id", "payment_id", "number", "event", "from_state",
    "to_state", "applied", "reason", "source", "external_id", "journal_seq", "actor", "command_id", "at",
)  # fmt: skip


def _event_values(
    row: Living, transition: Transition, context: Context, origin: Origin, journal_seq: int | None
) -> tuple[object, ...]:
    """Return the values of `_EVENT_FIELDS`: events are written by the thousand, and never as instances."""
    return (
        context.new_id(), row.organisation_id, row.OBJECT, row.pk, row.life_of, row.version,
        transition.event.value, transition.source.value if transition.source else "", transition.target.value,
        True, origin.reason, origin.source, origin.external_id, journal_seq, str(context.actor),
        context.command_id, context.at,
    )  # fmt: skip


def _tell(row: Living, before: str, context: Context) -> None:
    fact = _TELLERS[type(row)](row, before)
    if fact is not None:
        context.emit(fact, organisation_id=row.organisation_id)
    context.note(
        row.OBJECT,
        public_id(row.PREFIX, row.pk),
        organisation_id=row.organisation_id,
        state=row.state,
        previous_state=before,
    )


@tells(Payment)
def _payment_changed(payment: Payment, before: str) -> Event:
    return EVENT_OF_STATE[State(payment.state)](
        payment_id=public_id("pay", payment.pk),
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
        quote_id=public_id("fxq", payment.quote_id) if payment.quote_id else "",
        source_amount=payment.source_amount.decimal_text() if payment.source_amount else "",
        source_currency=payment.source_currency,
        exchange_rate=rate_text(payment.exchange_rate) if payment.exchange_rate else "",
    )


@tells(Attempt)
def _attempt_changed(attempt: Attempt, before: str) -> Event:
    return OF_ATTEMPT[AttemptState(attempt.state)](
        attempt_id=public_id("att", attempt.pk),
        payment_id=public_id("pay", attempt.payment_id),
        number=attempt.number,
        amount=attempt.amount.decimal_text(),
        currency=attempt.currency,
        state=attempt.state,
        previous_state=before,
        failure_code=attempt.failure_code,
    )


@tells(Operation)
def _operation_changed(operation: Operation, before: str) -> Event:
    return OF_OPERATION[OperationState(operation.state)](
        operation_id=public_id("opr", operation.pk),
        payment_id=public_id("pay", operation.payment_id),
        type=operation.type,
        amount=operation.amount.decimal_text(),
        currency=operation.currency,
        state=operation.state,
        previous_state=before,
        failure_code=operation.failure_code,
    )


@tells(Dispute)
def _dispute_changed(dispute: Dispute, before: str) -> Event:
    due = dispute.evidence_due_at
    return OF_DISPUTE[DisputeState(dispute.state)](
        dispute_id=public_id("dsp", dispute.pk),
        payment_id=public_id("pay", dispute.payment_id),
        amount=dispute.amount.decimal_text(),
        currency=dispute.currency,
        state=dispute.state,
        previous_state=before,
        reason=dispute.reason,
        evidence_due_at=due.isoformat() if due else "",
    )
