"""What becomes of a bulk order: its payees are verified, it is approved or confirmed, declined, cancelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core.commands import Command, Context, handles
from apps.core.crypto.runtime import key_ring
from apps.core.errors import Conflict, Denied, Refusal
from apps.core.events import Event as Fact
from apps.core.ids import public_id
from apps.core.money import Money
from apps.core.rows import insert_rows
from apps.payments import books
from apps.payments.bulk_results import payees_of, results_of
from apps.payments.commands.accounts import needs_no_second_person
from apps.payments.commands.approval import REASON_MAX, SamePerson
from apps.payments.commands.payouts import POLICY
from apps.payments.domain.lifecycle import Event, State
from apps.payments.domain.orders import OrderEvent, OrderState
from apps.payments.domain.payee import NAME_MAX as HOLDER_MAX
from apps.payments.domain.payee import Result
from apps.payments.domain.references import clean_text
from apps.payments.events import (
    BulkOrderApproved,
    BulkOrderCancelled,
    BulkOrderChanged,
    BulkOrderDeclined,
    BulkOrderOrdered,
)
from apps.payments.lifecycle_store import (
    Origin,
    advance,
    advance_many,
    decide_for,
    lock,
    tells,
)
from apps.payments.models import Payment
from apps.payments.models_instant import BulkVerification
from apps.payments.models_orders import BulkOrder
from apps.payments.representation import bulk_order_data


@dataclass(frozen=True)
class ApproveBulkOrder(Command):
    """Let all payments of a bulk order go, as a second person.

    `verification` is the digest of what was found of the payees, where they are verified: it says that
    exactly these results are accepted.
    """

    bulk_order_id: UUID
    verification: str = ""


@dataclass(frozen=True)
class ConfirmBulkOrder(Command):
    """Accept what was found of the payees of a bulk order that needs no second person, and let it go."""

    bulk_order_id: UUID
    verification: str


@dataclass(frozen=True)
class BulkAnswer:
    """What was found of a payee; `matched_name` is the holder's, for a close match alone."""

    counterparty_id: UUID
    result: str
    provider: str
    matched_name: str = ""


@dataclass(frozen=True)
class RecordBulkVerification(Command):
    """Store what was found of payees of a bulk order."""

    bulk_order_id: UUID
    answers: tuple[BulkAnswer, ...]


class ResultsNotAccepted(Conflict):
    code = "results_not_accepted"
    title = "What was found of the payees must be complete, recent, unchanged, and accepted by its digest."


class NothingToVerify(Conflict):
    code = "nothing_to_verify"
    title = "The order does not verify its payees, or waits for nobody any more."


class NeedsSecondPerson(Denied):
    code = "needs_second_person"
    title = "The order is above what goes without a second person."


@dataclass(frozen=True)
class DeclineBulkOrder(Command):
    """Refuse a bulk order as a whole, as a second person, and say why."""

    bulk_order_id: UUID
    reason: str


@dataclass(frozen=True)
class CancelBulkOrder(Command):
    """Take back what has not gone into a file yet."""

    bulk_order_id: UUID
    reason: str = ""


@handles(ApproveBulkOrder, name="payments.approve_bulk_order", version=1, permission="payments.approve")
def approve_bulk_order(command: ApproveBulkOrder, context: Context) -> dict[str, Any]:
    """Approve every payment that still waits.

    Raises SamePerson, ResultsNotAccepted, NotFound, IllegalTransition.
    """
    order = lock(BulkOrder, command.bulk_order_id, organisation_id=command.organisation_id)
    if order.ordered_by == str(context.actor):
        raise SamePerson
    waiting = _payments(order, State.ORDERED)
    by, origin = str(context.actor), Origin(context.actor.kind)
    approve_all(order, waiting, context, origin, approved_by=by, accepted=command.verification)
    return bulk_order_data(order)


@handles(ConfirmBulkOrder, name="payments.confirm_bulk_order", version=1, permission="payments.write")
def confirm_bulk_order(command: ConfirmBulkOrder, context: Context) -> dict[str, Any]:
    """Approve by the policy what waited for its payees' results alone.

    Raises NeedsSecondPerson, ResultsNotAccepted, NotFound, IllegalTransition.
    """
    order = lock(BulkOrder, command.bulk_order_id, organisation_id=command.organisation_id)
    total = Money(order.total_minor, order.currency)
    if not order.verifies_payees or not needs_no_second_person(order.organisation_id, total):
        raise NeedsSecondPerson(id=public_id("blk", order.pk))
    waiting = _payments(order, State.ORDERED)
    approve_all(order, waiting, context, Origin("policy"), approved_by=POLICY, accepted=command.verification)
    context.note("bulk_order", public_id("blk", order.pk), accepted_results=order.accepted_results)
    return bulk_order_data(order)


def approve_all(
    order: BulkOrder,
    payments: list[Payment],
    context: Context,
    origin: Origin,
    *,
    approved_by: str,
    accepted: str = "",
) -> None:
    """Approve an order that is locked, and all of its payments. Raises ResultsNotAccepted."""
    transition = decide_for(order, OrderEvent.APPROVE).transition
    assert transition is not None, "approval is asked for, never late"
    if order.verifies_payees:
        results = results_of(order)
        reason = results.why_not(accepted, at=context.at)
        if reason:
            raise ResultsNotAccepted(reason=reason, **results.as_data())
        advance(order, transition, context, origin, approved_by=approved_by, accepted_results=accepted)
    else:
        advance(order, transition, context, origin, approved_by=approved_by)
    each = Origin(origin.source, public_id("blk", order.pk))
    advance_many(payments, Event.APPROVE, context, each, approved_by=approved_by)


@handles(
    RecordBulkVerification, name="payments.record_bulk_verification", version=1, permission="payments.write"
)
def record_bulk_verification(command: RecordBulkVerification, context: Context) -> dict[str, Any]:
    """Store answers about payees that the order still pays. Raises NotFound, NothingToVerify."""
    order = lock(BulkOrder, command.bulk_order_id, organisation_id=command.organisation_id)
    if not order.verifies_payees or order.state != OrderState.ORDERED:
        raise NothingToVerify(state=order.state)
    payees = payees_of(order)
    rows = [
        BulkVerification(
            id=context.new_id(),
            organisation_id=order.organisation_id,
            bulk_order_id=order.pk,
            counterparty_id=answer.counterparty_id,
            result=Result(answer.result).value,
            matched_name=_holder(answer),
            provider=answer.provider[:30],
            answered_at=context.at,
        )
        for answer in command.answers
        if answer.counterparty_id in payees
    ]
    with key_ring().at_hand([(row.organisation_id, row.counterparty_id) for row in rows], to_seal=True):
        insert_rows(BulkVerification, rows)
    context.note("bulk_order", public_id("blk", order.pk), payees_answered=len(rows))
    return {"id": public_id("blk", order.pk), "answered": len(rows)}


def _holder(answer: BulkAnswer) -> str | None:
    if answer.result != Result.CLOSE_MATCH:
        return None
    return clean_text(answer.matched_name, field="matched_name", length_max=HOLDER_MAX)


@handles(DeclineBulkOrder, name="payments.decline_bulk_order", version=1, permission="payments.approve")
def decline_bulk_order(command: DeclineBulkOrder, context: Context) -> dict[str, Any]:
    """Decline every payment that still waits, and give the money free."""
    order = lock(BulkOrder, command.bulk_order_id, organisation_id=command.organisation_id)
    reason = clean_text(command.reason, field="reason", length_max=REASON_MAX, required=True)
    return _stop(order, OrderEvent.DECLINE, Event.DECLINE, (State.ORDERED,), reason, context)


@handles(CancelBulkOrder, name="payments.cancel_bulk_order", version=1, permission="payments.write")
def cancel_bulk_order(command: CancelBulkOrder, context: Context) -> dict[str, Any]:
    """Cancel every payment that is in no file yet; the answer tells how many were.

    Raises TooLate when all of them have gone, NotFound, IllegalTransition.
    """
    order = lock(BulkOrder, command.bulk_order_id, organisation_id=command.organisation_id)
    reason = clean_text(command.reason, field="reason", length_max=REASON_MAX)
    waiting = (State.ORDERED, State.APPROVED, State.WITHHELD)
    return _stop(order, OrderEvent.CANCEL, Event.CANCEL, waiting, reason, context)


class TooLate(Refusal):
    code = "too_late"
    status = 409
    title = "Every payment of the order has gone into a file, or has ended."


def _stop(
    order: BulkOrder,
    order_event: OrderEvent,
    event: Event,
    states: tuple[State, ...],
    reason: str,
    context: Context,
) -> dict[str, Any]:
    transition = decide_for(order, order_event).transition
    assert transition is not None, "stopping is asked for, never late"
    origin = Origin(context.actor.kind, public_id("blk", order.pk), reason)
    stopped = 0
    for state in states:
        payments = _payments(order, state)
        seqs = books.release_many(payments, context=context)
        advance_many(payments, event, context, origin, journal_seqs=seqs)
        stopped += len(payments)
    if not stopped:
        raise TooLate(id=public_id("blk", order.pk), payments=order.payment_count)
    advance(order, transition, context, Origin(context.actor.kind, reason=reason))
    return {**bulk_order_data(order), "stopped": stopped, "gone": order.payment_count - stopped}


def _payments(order: BulkOrder, state: State) -> list[Payment]:
    """Lock the payments of an order that are in a state, in the order of their keys."""
    rows = Payment.objects.select_for_update(no_key=True).filter(bulk_order_id=order.pk, state=state)
    return list(rows.order_by("id"))


_FACTS: dict[str, type[BulkOrderChanged]] = {
    OrderState.ORDERED: BulkOrderOrdered,
    OrderState.APPROVED: BulkOrderApproved,
    OrderState.DECLINED: BulkOrderDeclined,
    OrderState.CANCELLED: BulkOrderCancelled,
}


@tells(BulkOrder)
def _bulk_order_changed(order: BulkOrder, before: str) -> Fact:
    return _FACTS[order.state](
        bulk_order_id=public_id("blk", order.pk),
        account_id=public_id("acc", order.account_id),
        payments=order.payment_count,
        total=Money(order.total_minor, order.currency).decimal_text(),
        currency=order.currency,
        state=order.state,
        previous_state=before,
        reference=order.reference,
    )
