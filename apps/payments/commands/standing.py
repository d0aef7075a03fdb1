"""Standing orders: payments that are due on the days of a schedule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from apps.core import db
from apps.core.commands import Command, Context, handles
from apps.core.errors import Invalid, Refusal
from apps.core.events import Event as Fact
from apps.core.ids import parse_public_id, public_id
from apps.core.money import Money
from apps.ledger.public import InsufficientFunds
from apps.payments.calendar import calendar
from apps.payments.commands.accounts import needs_no_second_person
from apps.payments.commands.approval import REASON_MAX, SamePerson
from apps.payments.commands.checks import check_amount, usable_account
from apps.payments.commands.payouts import POLICY, CreatePayout, Creditor
from apps.payments.commands.transfers import CreateTransfer
from apps.payments.counterparties import counterparty
from apps.payments.domain.lifecycle import Event, Kind, State
from apps.payments.domain.orders import OrderEvent, OrderState
from apps.payments.domain.references import REMITTANCE_MAX, clean_text
from apps.payments.domain.schedules import Schedule
from apps.payments.events import (
    StandingOrderActivated,
    StandingOrderCancelled,
    StandingOrderChanged,
    StandingOrderCompleted,
    StandingOrderDeclined,
    StandingOrderExecuted,
    StandingOrderFailed,
    StandingOrderOrdered,
    StandingOrderPaused,
)
from apps.payments.lifecycle_store import Origin, advance, begin, decide_for, lock, lock_payment, tells
from apps.payments.models import Counterparty, Payment
from apps.payments.models_orders import StandingOrder
from apps.payments.rails import adapter
from apps.payments.representation import standing_order_data

TRIES_MAX = 3
"""How often a run is tried when the account has too little money."""

RETRY_AFTER = timedelta(hours=4)
CALENDAR = "TARGET"


def bank_today(at: datetime) -> date:
    """Return the day at the bank that executes euro payments."""
    zone = adapter("sepa_ct").capabilities().cut_offs[0].zone
    return at.astimezone(ZoneInfo(zone)).date()


@dataclass(frozen=True)
class CreateStandingOrder(Command):
    """Pay again and again, or once on a later day: to an account of ours, or to another bank."""

    account_id: UUID
    amount: Money
    schedule: Schedule
    other_account_id: UUID | None = None
    creditor: Creditor | None = None
    remittance: str = ""
    reference: str = ""


@handles(CreateStandingOrder, name="payments.create_standing_order", version=1, permission="payments.write")
def create_standing_order(command: CreateStandingOrder, context: Context) -> dict[str, Any]:
    """Store the order; it is active at once where each of its payments would need no second person.

    Raises Invalid for a schedule that cannot be meant, and what the accounts or the payee refuse.
    """
    assert command.organisation_id is not None
    organisation_id = command.organisation_id
    check_amount(command.amount)
    if command.amount.currency != "EUR":
        raise Invalid(field="amount.currency", reason="standing orders are in euro")
    command.schedule.check()
    if command.schedule.first < bank_today(context.at):
        raise Invalid(field="schedule.first", reason="in the past")
    usable_account(organisation_id, command.account_id, command.amount.currency)
    order = _new_order(command, context)
    _set_due(order, 0)
    begin(order, OrderEvent.ORDER, context, Origin(context.actor.kind))
    if order.kind == Kind.TRANSFER or needs_no_second_person(organisation_id, order.amount):
        _advance(order, OrderEvent.APPROVE, context, Origin("policy"), approved_by=POLICY)
    return standing_order_data(order)


def _new_order(command: CreateStandingOrder, context: Context) -> StandingOrder:
    assert command.organisation_id is not None
    payee = _payee(command, context)
    schedule = command.schedule
    return StandingOrder(
        id=context.new_id(),
        organisation_id=command.organisation_id,
        kind=(Kind.PAYOUT if payee is not None else Kind.TRANSFER).value,
        account_id=command.account_id,
        other_account_id=command.other_account_id,
        counterparty_id=payee.pk if payee is not None else None,
        amount_minor=command.amount.minor,
        currency=command.amount.currency,
        remittance=clean_text(command.remittance, field="remittance", length_max=REMITTANCE_MAX) or None,
        subject_id=payee.pk if payee is not None else command.organisation_id,
        reference=clean_text(command.reference, field="reference", length_max=70),
        frequency=schedule.frequency.value,
        first_on=schedule.first,
        last_on=schedule.last,
        run_count_max=schedule.count,
        end_of_month=schedule.end_of_month,
        day_rule=schedule.day_rule.value,
        ordered_by=str(context.actor),
        created_at=context.at,
    )


def _payee(command: CreateStandingOrder, context: Context) -> Counterparty | None:
    """Return who is at another bank, or None for an account of ours. Raises Invalid, BadIban, NotFound."""
    assert command.organisation_id is not None
    if (command.creditor is None) == (command.other_account_id is None):
        raise Invalid(field="creditor", reason="either a creditor or a destination account")
    if command.creditor is None:
        assert command.other_account_id is not None
        if command.other_account_id == command.account_id:
            raise Invalid(field="destination_account", reason="the same as the source account")
        usable_account(
            command.organisation_id,
            command.other_account_id,
            command.amount.currency,
            field="destination_account",
            incoming=True,
        )
        return None
    creditor = command.creditor
    return counterparty(
        organisation_id=command.organisation_id,
        name=creditor.name,
        iban=creditor.iban,
        country=creditor.country,
        town=creditor.town,
        context=context,
    )


@dataclass(frozen=True)
class _ChangeStandingOrder(Command):
    standing_order_id: UUID


@dataclass(frozen=True)
class ApproveStandingOrder(_ChangeStandingOrder):
    """Let a standing order make its payments, as a second person."""


@dataclass(frozen=True)
class DeclineStandingOrder(_ChangeStandingOrder):
    """Refuse a standing order, as a second person, and say why."""

    reason: str


@dataclass(frozen=True)
class PauseStandingOrder(_ChangeStandingOrder):
    """Make no payment until the order is resumed."""


@dataclass(frozen=True)
class ResumeStandingOrder(_ChangeStandingOrder):
    """Go on with the next day that is still ahead; days that have passed meanwhile are left out."""


@dataclass(frozen=True)
class CancelStandingOrder(_ChangeStandingOrder):
    """End a standing order; payments that it has made go their way."""

    reason: str = ""


@handles(
    ApproveStandingOrder, name="payments.approve_standing_order", version=1, permission="payments.approve"
)
def approve_standing_order(command: ApproveStandingOrder, context: Context) -> dict[str, Any]:
    """Activate it. Raises SamePerson for the one who ordered it, NotFound, IllegalTransition."""
    order = lock(StandingOrder, command.standing_order_id, organisation_id=command.organisation_id)
    if order.ordered_by == str(context.actor):
        raise SamePerson
    origin = Origin(context.actor.kind)
    _advance(order, OrderEvent.APPROVE, context, origin, approved_by=str(context.actor))
    return standing_order_data(order)


@handles(
    DeclineStandingOrder, name="payments.decline_standing_order", version=1, permission="payments.approve"
)
def decline_standing_order(command: DeclineStandingOrder, context: Context) -> dict[str, Any]:
    """Decline it."""
    order = lock(StandingOrder, command.standing_order_id, organisation_id=command.organisation_id)
    reason = clean_text(command.reason, field="reason", length_max=REASON_MAX, required=True)
    _end(order, OrderEvent.DECLINE, reason, context)
    return standing_order_data(order)


@handles(PauseStandingOrder, name="payments.pause_standing_order", version=1, permission="payments.write")
def pause_standing_order(command: PauseStandingOrder, context: Context) -> dict[str, Any]:
    """Pause it."""
    order = lock(StandingOrder, command.standing_order_id, organisation_id=command.organisation_id)
    _advance(order, OrderEvent.PAUSE, context, Origin(context.actor.kind))
    return standing_order_data(order)


@handles(ResumeStandingOrder, name="payments.resume_standing_order", version=1, permission="payments.write")
def resume_standing_order(command: ResumeStandingOrder, context: Context) -> dict[str, Any]:
    """Resume it; with nothing left to do it is completed."""
    order = lock(StandingOrder, command.standing_order_id, organisation_id=command.organisation_id)
    number, today = order.run_number, bank_today(context.at)
    while (due := order.schedule.due(number)) is not None and due < today:
        number += 1
    _set_due(order, number)
    _advance(order, OrderEvent.RESUME, context, Origin(context.actor.kind), **_due_fields(order))
    _complete_if_over(order, context)
    return standing_order_data(order)


@handles(CancelStandingOrder, name="payments.cancel_standing_order", version=1, permission="payments.write")
def cancel_standing_order(command: CancelStandingOrder, context: Context) -> dict[str, Any]:
    """Cancel it."""
    order = lock(StandingOrder, command.standing_order_id, organisation_id=command.organisation_id)
    reason = clean_text(command.reason, field="reason", length_max=REASON_MAX)
    _end(order, OrderEvent.CANCEL, reason, context)
    return standing_order_data(order)


@dataclass(frozen=True)
class RunStandingOrder(_ChangeStandingOrder):
    """Make the payment of one due day. A repeated run of the same day and try changes nothing."""

    due_on: date
    attempt: int = 0


@handles(RunStandingOrder, name="payments.run_standing_order", version=1, permission="payments.batch")
def run_standing_order(command: RunStandingOrder, context: Context) -> dict[str, Any]:
    """Make the payment by the command that anybody would order it with, and set the next day.

    With too little money it is tried again later, then given up with an event; any other refusal gives
    it up at once. Locks the order's row before whatever the payment locks.
    """
    order = lock(StandingOrder, command.standing_order_id, organisation_id=command.organisation_id)
    if not _is_due(order, command, context.at):
        return {**standing_order_data(order), "result": "not_due"}
    told = len(context.events)
    try:
        with db.savepoint():
            payment_id = _pay(order, context)
    except Refusal as refusal:
        if refusal.status >= 500:
            raise
        del context.events[told:]
        return _not_paid(order, refusal, context)
    order.told_payment = payment_id
    origin = Origin("job", f"{order.due_on}")
    _set_due(order, order.run_number + 1)
    _advance(order, OrderEvent.RUN, context, origin, **_due_fields(order))
    order.told_payment = ""
    _complete_if_over(order, context)
    return {**standing_order_data(order), "result": "paid", "payment_id": payment_id}


def _is_due(order: StandingOrder, command: RunStandingOrder, at: datetime) -> bool:
    return (
        order.state == OrderState.ACTIVE
        and order.due_on == command.due_on
        and order.attempt == command.attempt
        and order.execute_on is not None
        and order.execute_on <= bank_today(at)
        and (order.retry_at is None or order.retry_at <= at)
    )


def _pay(order: StandingOrder, context: Context) -> str:
    """Order the payment, approved by whoever approved the standing order. Returns its public id."""
    step = f"run:{order.due_on}:{order.attempt}"
    answer = context.run(_payment_command(order), step=step)
    key = parse_public_id("pay", answer["id"])
    Payment.objects.filter(pk=key).update(standing_order_id=order.pk)
    payment = lock_payment(key)
    if payment.state == State.ORDERED and order.approved_by != POLICY:
        transition = decide_for(payment, Event.APPROVE).transition
        assert transition is not None
        origin = Origin("order", public_id("sto", order.pk))
        advance(payment, transition, context, origin, approved_by=order.approved_by)
    return public_id("pay", key)


def _payment_command(order: StandingOrder) -> Command:
    remittance = order.remittance.reveal() if order.remittance is not None else ""
    if order.kind == Kind.TRANSFER:
        assert order.other_account_id is not None
        return CreateTransfer(
            order.organisation_id,
            order.account_id,
            order.other_account_id,
            order.amount,
            remittance,
            order.reference,
        )
    assert order.counterparty_id is not None
    payee = Counterparty.objects.get(pk=order.counterparty_id)
    creditor = Creditor(
        payee.name.reveal(),
        payee.iban.reveal(),
        payee.country,
        payee.town.reveal() if payee.town is not None else "",
    )
    return CreatePayout(
        order.organisation_id,
        account_id=order.account_id,
        amount=order.amount,
        creditor=creditor,
        remittance=remittance,
        reference=order.reference,
    )


def _not_paid(order: StandingOrder, refusal: Refusal, context: Context) -> dict[str, Any]:
    """Plan another try, or give the run up and go on with the next day."""
    if isinstance(refusal, InsufficientFunds) and order.attempt + 1 < TRIES_MAX:
        order.attempt, order.retry_at = order.attempt + 1, context.at + RETRY_AFTER
        order.save(update_fields=["attempt", "retry_at"])
        context.note("standing_order", public_id("sto", order.pk), reason=refusal.code, attempt=order.attempt)
        return {**standing_order_data(order), "result": "retry", "reason": refusal.code}
    origin = Origin("job", f"{order.due_on}", refusal.code[:60])
    order.told_reason = refusal.code
    _set_due(order, order.run_number + 1)
    _advance(order, OrderEvent.FAIL, context, origin, **_due_fields(order))
    order.told_reason = ""
    _complete_if_over(order, context)
    return {**standing_order_data(order), "result": "failed", "reason": refusal.code}


def _set_due(order: StandingOrder, number: int) -> None:
    """Set the run that is next, and the business day it falls on."""
    schedule = order.schedule
    order.run_number, order.attempt, order.retry_at = number, 0, None
    order.due_on = schedule.due(number)
    order.execute_on = schedule.executed(order.due_on, calendar(CALENDAR)) if order.due_on else None


def _due_fields(order: StandingOrder) -> dict[str, Any]:
    names = ("run_number", "attempt", "retry_at", "due_on", "execute_on")
    return {name: getattr(order, name) for name in names}


def _complete_if_over(order: StandingOrder, context: Context) -> None:
    if order.due_on is None and order.state == OrderState.ACTIVE:
        _advance(order, OrderEvent.COMPLETE, context, Origin("policy"))


def _end(order: StandingOrder, event: OrderEvent, reason: str, context: Context) -> None:
    _advance(order, event, context, Origin(context.actor.kind, reason=reason), due_on=None, execute_on=None)


def _advance(
    order: StandingOrder, event: OrderEvent, context: Context, origin: Origin, **changes: Any
) -> None:
    transition = decide_for(order, event).transition
    assert transition is not None, "an order's events are asked for, never late"
    advance(order, transition, context, origin, **changes)


_FACTS: dict[str, type[StandingOrderChanged]] = {
    OrderState.ORDERED: StandingOrderOrdered,
    OrderState.ACTIVE: StandingOrderActivated,
    OrderState.PAUSED: StandingOrderPaused,
    OrderState.DECLINED: StandingOrderDeclined,
    OrderState.CANCELLED: StandingOrderCancelled,
    OrderState.COMPLETED: StandingOrderCompleted,
}


@tells(StandingOrder)
def _standing_order_changed(order: StandingOrder, before: str) -> Fact:
    fact = _FACTS[order.state]
    if order.told_payment:
        fact = StandingOrderExecuted
    elif order.told_reason:
        fact = StandingOrderFailed
    return fact(
        standing_order_id=public_id("sto", order.pk),
        kind=order.kind,
        account_id=public_id("acc", order.account_id),
        amount=order.amount.decimal_text(),
        currency=order.currency,
        state=order.state,
        previous_state=before,
        reference=order.reference,
        due_on=order.due_on.isoformat() if order.due_on else "",
        payment_id=order.told_payment,
        reason=order.told_reason,
    )
