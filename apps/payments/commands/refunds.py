"""Giving money back to who paid it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict
from apps.core.ids import public_id
from apps.core.money import CurrencyMismatch, Money
from apps.payments import books
from apps.payments.commands.ach import CounterpartyStopped, check_ach
from apps.payments.commands.card_orders import refund_card
from apps.payments.commands.checks import check_amount, usable_account
from apps.payments.commands.payouts import order
from apps.payments.counterparties import current
from apps.payments.domain.lifecycle import Event, Kind, State
from apps.payments.domain.references import REMITTANCE_MAX, ach_reference, clean_text, end_to_end_id
from apps.payments.domain.refunds import check_refund, leads_back, speed_back
from apps.payments.lifecycle_store import Origin, begin, lock_payment
from apps.payments.models import Counterparty, Payment, Rail
from apps.payments.rail_choice import choose_rail
from apps.payments.representation import payment_data


class NotRefundable(Conflict):
    code = "not_refundable"
    title = "Only a settled transfer or pay-in, or a final collection, whose payer is known, can be refunded."


@dataclass(frozen=True)
class CreateRefund(Command):
    """Give back all or part of a settled transfer or pay-in, a final collection, or a captured card payment."""

    payment_id: UUID
    amount: Money
    reason: str = ""


@handles(CreateRefund, name="payments.create_refund", version=1, permission="payments.write")
def create_refund(command: CreateRefund, context: Context) -> dict[str, Any]:
    """Refund. Raises NotRefundable, ExceedsRefundable, NoRail, and what the accounts or the books refuse.

    What came at once goes back at once where an instant rail works; otherwise, by the rail of files.

    Locks the refunded payment, so that refunds of it follow one another.
    """
    assert command.organisation_id is not None
    check_amount(command.amount)
    paid = lock_payment(command.payment_id, organisation_id=command.organisation_id)
    if paid.kind == Kind.CARD:
        return refund_card(paid, command.amount, command.reason, context)
    if not _is_refundable(paid):
        raise NotRefundable(id=public_id("pay", paid.pk), state=paid.state, type=paid.kind)
    if command.amount.currency != paid.currency:
        raise CurrencyMismatch(expected=paid.currency, given=command.amount.currency)
    refunds = Payment.objects.filter(parent_id=paid.pk).order_by("id")
    check_refund(
        command.amount, paid=paid.amount, refunds=[(State(row.state), row.amount) for row in refunds]
    )
    refund = (
        _refund_transfer(command, paid, context)
        if paid.kind == Kind.TRANSFER
        else _refund_payin(command, paid, context)
    )
    return payment_data(refund)


def _is_refundable(paid: Payment) -> bool:
    """Tell whether a payment's money is there to be given back; a collection's is only when it is final."""
    if paid.kind == Kind.COLLECTION:
        return paid.state == State.FINAL and not paid.rail_options.get("reverses")
    if paid.quote_id is not None:
        return False  # the other way round it is an exchange of its own, at a rate of its own
    return paid.state == State.SETTLED and paid.kind in (Kind.TRANSFER, Kind.PAYIN)


def _refund_transfer(command: CreateRefund, paid: Payment, context: Context) -> Payment:
    assert paid.other_account_id is not None
    payer_id, payee_id = paid.account_id, paid.other_account_id
    source = usable_account(paid.organisation_id, payee_id, paid.currency)
    target = usable_account(paid.organisation_id, payer_id, paid.currency, incoming=True)
    refund = _new_refund(command, paid, Rail.BOOK, context, account_id=payee_id)
    refund.other_account_id = payer_id
    journal_seq = books.move(
        refund,
        "refund",
        ((source.ledger_account_id, target.ledger_account_id),),
        effective=context.at.date(),
        context=context,
    )
    begin(refund, Event.SETTLE, context, Origin(context.actor.kind), journal_seq=journal_seq)
    return refund


def _refund_payin(command: CreateRefund, paid: Payment, context: Context) -> Payment:
    payer = _payer(paid, context)
    speed = speed_back(paid.rail_options.get("came_by") or paid.rail)
    rail = Rail(choose_rail(command.amount, speed=speed, at=context.at))
    account = usable_account(paid.organisation_id, paid.account_id, paid.currency)
    refund = _new_refund(command, paid, rail, context, account_id=paid.account_id)
    refund.counterparty_id, refund.subject_id, refund.speed = payer.pk, payer.pk, speed.value
    if rail is Rail.ACH:
        check_ach(refund, payer, at=context.at)
    order(refund, account_ledger_id=account.ledger_account_id, context=context)
    return refund


def _payer(paid: Payment, context: Context) -> Counterparty:
    """Return who paid, with what their bank has corrected since. Raises NotRefundable, CounterpartyStopped."""
    known = Counterparty.objects.filter(pk=paid.counterparty_id).first() if paid.counterparty_id else None
    if known is None:
        raise NotRefundable(id=public_id("pay", paid.pk), reason="the payer is unknown")
    payer = current(known, at=context.at)
    if payer.stopped_code:
        raise CounterpartyStopped(code=payer.stopped_code, counterparty_id=public_id("cpt", payer.pk))
    if not leads_back(paid.currency, to_routing_number=bool(payer.routing_number)):
        raise NotRefundable(id=public_id("pay", paid.pk), reason="no rail leads back to the payer's account")
    return payer


def _new_refund(
    command: CreateRefund, paid: Payment, rail: Rail, context: Context, *, account_id: UUID
) -> Payment:
    key = context.new_id()
    return Payment(
        id=key,
        organisation_id=paid.organisation_id,
        kind=Kind.REFUND.value,
        rail=rail,
        amount_minor=command.amount.minor,
        currency=command.amount.currency,
        account_id=account_id,
        parent_id=paid.pk,
        subject_id=paid.organisation_id,
        end_to_end_id=ach_reference(key) if paid.currency == "USD" else end_to_end_id(key),
        remittance=clean_text(command.reason, field="reason", length_max=REMITTANCE_MAX) or None,
        ordered_by=str(context.actor),
        created_at=context.at,
    )
