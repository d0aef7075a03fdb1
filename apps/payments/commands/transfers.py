"""Transfers between two accounts that we hold: ordered and settled in one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core.commands import Command, Context, handles
from apps.core.errors import Invalid
from apps.core.money import Money
from apps.payments import books
from apps.payments.commands.checks import check_amount, usable_account
from apps.payments.domain.lifecycle import Event, Kind
from apps.payments.domain.references import REMITTANCE_MAX, clean_text, end_to_end_id
from apps.payments.lifecycle_store import Origin, begin
from apps.payments.models import Payment, Rail
from apps.payments.representation import payment_data


@dataclass(frozen=True)
class CreateTransfer(Command):
    """Move money from one account of an organisation to another."""

    account_id: UUID
    other_account_id: UUID
    amount: Money
    remittance: str = ""
    reference: str = ""


@handles(CreateTransfer, name="payments.create_transfer", version=1, permission="payments.write")
def create_transfer(command: CreateTransfer, context: Context) -> dict[str, Any]:
    """Post the transfer and record it as settled. Refuses what the accounts or the books refuse."""
    assert command.organisation_id is not None
    check_amount(command.amount)
    if command.account_id == command.other_account_id:
        raise Invalid(field="destination_account", reason="the same as the source account")
    source = usable_account(command.organisation_id, command.account_id, command.amount.currency)
    target = usable_account(
        command.organisation_id,
        command.other_account_id,
        command.amount.currency,
        field="destination_account",
    )
    payment = _new_transfer(command, context)
    journal_seq = books.move(
        payment,
        "transfer",
        ((source.ledger_account_id, target.ledger_account_id),),
        effective=context.at.date(),
        context=context,
    )
    begin(payment, Event.ORDER, context, Origin(context.actor.kind), journal_seq=journal_seq)
    return payment_data(payment)


def _new_transfer(command: CreateTransfer, context: Context) -> Payment:
    assert command.organisation_id is not None
    key = context.new_id()
    return Payment(
        id=key,
        organisation_id=command.organisation_id,
        kind=Kind.TRANSFER.value,
        rail=Rail.BOOK,
        amount_minor=command.amount.minor,
        currency=command.amount.currency,
        account_id=command.account_id,
        other_account_id=command.other_account_id,
        subject_id=command.organisation_id,
        end_to_end_id=end_to_end_id(key),
        remittance=clean_text(command.remittance, field="remittance", length_max=REMITTANCE_MAX) or None,
        reference=clean_text(command.reference, field="reference", length_max=70),
        ordered_by=str(context.actor),
        created_at=context.at,
    )
