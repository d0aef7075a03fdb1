"""Payouts to accounts at other banks: ordered and held here; batches send them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core.commands import Command, Context, handles
from apps.core.errors import Invalid
from apps.core.money import Money
from apps.payments import books
from apps.payments.commands.accounts import needs_no_second_person
from apps.payments.commands.checks import check_amount, usable_account
from apps.payments.counterparties import counterparty
from apps.payments.domain.lifecycle import Event, Kind
from apps.payments.domain.references import REMITTANCE_MAX, clean_text, end_to_end_id
from apps.payments.lifecycle_store import Origin, advance, begin, decide_for
from apps.payments.models import Payment, Rail
from apps.payments.representation import payment_data
from apps.payments.routing import route_for

POLICY = "policy:limit"


@dataclass(frozen=True)
class Creditor:
    """Who is to get the money. `country` and `town` go into the address the scheme asks for."""

    name: str
    iban: str
    country: str = ""
    town: str = ""


@dataclass(frozen=True)
class CreatePayout(Command):
    """Pay from an account to an account at another bank, by SEPA credit transfer."""

    account_id: UUID
    amount: Money
    creditor: Creditor
    remittance: str = ""
    reference: str = ""


@handles(CreatePayout, name="payments.create_payout", version=1, permission="payments.write")
def create_payout(command: CreatePayout, context: Context) -> dict[str, Any]:
    """Hold the amount and, where the organisation's policy allows it, approve at once."""
    assert command.organisation_id is not None
    check_amount(command.amount)
    if command.amount.currency != "EUR":
        raise Invalid(field="amount.currency", reason="SEPA credit transfers are in euro")
    account = usable_account(command.organisation_id, command.account_id, command.amount.currency)
    creditor = command.creditor
    other_end = counterparty(
        organisation_id=command.organisation_id,
        name=creditor.name,
        iban=creditor.iban,
        country=creditor.country,
        town=creditor.town,
        context=context,
    )
    payment = _new_payout(command, other_end.pk, context)
    order(payment, account_ledger_id=account.ledger_account_id, context=context)
    return payment_data(payment)


def order(payment: Payment, *, account_ledger_id: int, context: Context) -> None:
    """Hold the money of a new bank payment, record the order, and approve it if the policy does."""
    route = route_for(payment.currency)
    payment.settlement_account_id = route.id
    payment.hold_id = books.hold_for(payment, account_id=account_ledger_id, route=route, context=context)
    begin(payment, Event.ORDER, context, Origin(context.actor.kind))
    if needs_no_second_person(payment.organisation_id, payment.amount):
        transition = decide_for(payment, Event.APPROVE).transition
        assert transition is not None
        advance(payment, transition, context, Origin("policy"), approved_by=POLICY)


def _new_payout(command: CreatePayout, counterparty_id: UUID, context: Context) -> Payment:
    assert command.organisation_id is not None
    key = context.new_id()
    return Payment(
        id=key,
        organisation_id=command.organisation_id,
        kind=Kind.PAYOUT.value,
        rail=Rail.SEPA_CT,
        amount_minor=command.amount.minor,
        currency=command.amount.currency,
        account_id=command.account_id,
        counterparty_id=counterparty_id,
        subject_id=counterparty_id,
        end_to_end_id=end_to_end_id(key),
        remittance=clean_text(command.remittance, field="remittance", length_max=REMITTANCE_MAX) or None,
        reference=clean_text(command.reference, field="reference", length_max=70),
        ordered_by=str(context.actor),
        created_at=context.at,
    )
