"""Approving, declining and cancelling what was ordered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core.commands import Command, Context, handles
from apps.core.errors import Denied
from apps.payments import books
from apps.payments.commands.card_orders import cancel_card
from apps.payments.domain.lifecycle import Event, Kind, Step
from apps.payments.domain.references import clean_text
from apps.payments.lifecycle_store import Origin, advance, decide_for, lock_payment
from apps.payments.models import Payment
from apps.payments.representation import payment_data

REASON_MAX = 60


class SamePerson(Denied):
    code = "same_person"
    title = "Whoever ordered a payment cannot approve it."


@dataclass(frozen=True)
class ApprovePayment(Command):
    """Let an ordered payment go, as a second person."""

    payment_id: UUID


@dataclass(frozen=True)
class DeclinePayment(Command):
    """Refuse an ordered payment, as a second person, and say why."""

    payment_id: UUID
    reason: str


@dataclass(frozen=True)
class CancelPayment(Command):
    """Take back a payment that has not left yet."""

    payment_id: UUID
    reason: str = ""


@handles(ApprovePayment, name="payments.approve_payment", version=1, permission="payments.approve")
def approve_payment(command: ApprovePayment, context: Context) -> dict[str, Any]:
    """Approve. Raises SamePerson for the one who ordered it; the database would refuse that too."""
    payment = lock_payment(command.payment_id, organisation_id=command.organisation_id)
    if payment.ordered_by == str(context.actor):
        raise SamePerson
    transition = decide_for(payment, Event.APPROVE).transition
    assert transition is not None, "approval is asked for, never late"
    advance(payment, transition, context, Origin(context.actor.kind), approved_by=str(context.actor))
    return payment_data(payment)


@handles(DeclinePayment, name="payments.decline_payment", version=1, permission="payments.approve")
def decline_payment(command: DeclinePayment, context: Context) -> dict[str, Any]:
    """Decline and give the money free, where some was held."""
    payment = lock_payment(command.payment_id, organisation_id=command.organisation_id)
    reason = clean_text(command.reason, field="reason", length_max=REASON_MAX, required=True)
    return _stop(payment, Event.DECLINE, reason, context)


@handles(CancelPayment, name="payments.cancel_payment", version=1, permission="payments.write")
def cancel_payment(command: CancelPayment, context: Context) -> dict[str, Any]:
    """Cancel and give free what was held; a card payment that is authorised is voided at the processor."""
    payment = lock_payment(command.payment_id, organisation_id=command.organisation_id)
    reason = clean_text(command.reason, field="reason", length_max=REASON_MAX)
    if payment.kind == Kind.CARD:
        return cancel_card(payment, reason, context)
    return _stop(payment, Event.CANCEL, reason, context)


def _stop(payment: Payment, event: Event, reason: str, context: Context) -> dict[str, Any]:
    transition = decide_for(payment, event).transition
    assert transition is not None, "stopping is asked for, never late"
    held = transition.step == Step.RELEASE
    journal_seq = books.release(payment, context=context) if held else None
    origin = Origin(context.actor.kind, reason=reason)
    advance(payment, transition, context, origin, journal_seq=journal_seq)
    return payment_data(payment)
