"""Payouts to accounts at other banks: ordered and held here; batches send them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core.commands import Command, Context, handles
from apps.core.errors import Invalid
from apps.core.ids import public_id
from apps.core.money import Money
from apps.payments import books, fx_books
from apps.payments.commands.accounts import needs_no_second_person
from apps.payments.commands.ach import CounterpartyStopped, check_ach
from apps.payments.commands.checks import check_amount, usable_account
from apps.payments.commands.payees import confirmed_result
from apps.payments.counterparties import counterparty, us_counterparty
from apps.payments.domain.lifecycle import Event, Kind
from apps.payments.domain.references import REMITTANCE_MAX, ach_reference, clean_text, end_to_end_id
from apps.payments.domain.routing import PAYOUT_RAILS, Speed
from apps.payments.lifecycle_store import Origin, advance, begin, decide_for
from apps.payments.models import Counterparty, Payment, Rail
from apps.payments.rail_choice import choose_rail
from apps.payments.representation import payment_data
from apps.payments.routing import route_for

POLICY = "policy:limit"


@dataclass(frozen=True)
class Creditor:
    """Who is to get the money. `country` and `town` go into the address the scheme asks for.

    The account is an IBAN, or in the United States a routing and an account number; `account_kind` is
    checking or savings, `holder` a person or a company.
    """

    name: str
    iban: str = ""
    country: str = ""
    town: str = ""
    routing_number: str = ""
    account_number: str = ""
    account_kind: str = "checking"
    holder: str = "person"


@dataclass(frozen=True)
class CreatePayout(Command):
    """Pay from an account to an account at another bank.

    `speed` (instant, standard) is a wish, `rail` a demand; `same_day` demands the ACH, and that it
    settles on the same day, as far as its limit and cut-offs allow. `verification_id` names the
    verification of the payee that was shown to whoever orders, and which they confirm by ordering.
    `amount` is what the payee gets. With a quote it is bought with what the account has.
    """

    account_id: UUID
    amount: Money
    creditor: Creditor
    remittance: str = ""
    reference: str = ""
    same_day: bool = False
    speed: str = Speed.STANDARD.value
    rail: str = ""
    verification_id: UUID | None = None
    quote_id: UUID | None = None


@handles(CreatePayout, name="payments.create_payout", version=1, permission="payments.write")
def create_payout(command: CreatePayout, context: Context) -> dict[str, Any]:
    """Hold the amount and, where the organisation's policy allows it, approve at once.

    Raises NoRail, PayeeNotVerified, what is wrong with a quote, and what the account or the books refuse.
    """
    assert command.organisation_id is not None
    check_amount(command.amount)
    rail = _rail(command, context)
    quote = (
        fx_books.usable_quote(command.organisation_id, command.quote_id, command.amount, at=context.at)
        if command.quote_id
        else None
    )
    paid_in = quote.sold_currency if quote is not None else command.amount.currency
    account = usable_account(command.organisation_id, command.account_id, paid_in)
    other_end = _other_end(command, context)
    if other_end.stopped_code:
        raise CounterpartyStopped(code=other_end.stopped_code, counterparty_id=public_id("cpt", other_end.pk))
    payment = _new_payout(command, rail, other_end.pk, context)
    payment.payee_result = confirmed_result(
        command.organisation_id,
        command.verification_id,
        name=command.creditor.name,
        iban=command.creditor.iban,
        currency=command.amount.currency,
        at=context.at,
    )
    if rail is Rail.ACH:
        check_ach(payment, other_end, at=context.at)
    source_id = account.ledger_account_id
    if quote is not None:
        source_id = fx_books.buy_for(payment, quote, account, context=context)
    order(payment, account_ledger_id=source_id, context=context)
    return payment_data(payment)


def _rail(command: CreatePayout, context: Context) -> Rail:
    """Choose how the money travels. Raises Invalid for words and accounts that fit no rail, NoRail."""
    currency, abroad = command.amount.currency, bool(command.creditor.routing_number)
    if command.speed not in set(Speed):
        raise Invalid(field="speed", allowed=[speed.value for speed in Speed])
    if command.rail and command.rail not in PAYOUT_RAILS:
        raise Invalid(field="rail", allowed=list(PAYOUT_RAILS))
    if currency not in ("EUR", "USD"):
        raise Invalid(field="amount.currency", reason="payouts are in euro or US dollars")
    if currency == "USD" and not abroad:
        raise Invalid(field="creditor.routing_number", reason="US dollars go to a routing number")
    if currency == "EUR" and (abroad or command.same_day):
        raise Invalid(
            field="creditor.routing_number" if abroad else "same_day", reason="this is for US dollars"
        )
    if command.same_day and command.rail not in ("", Rail.ACH):
        raise Invalid(field="same_day", reason="this is for the ACH")
    rail = Rail.ACH.value if command.same_day else command.rail
    return Rail(choose_rail(command.amount, speed=Speed(command.speed), rail=rail, at=context.at))


def _other_end(command: CreatePayout, context: Context) -> Counterparty:
    creditor, organisation_id = command.creditor, command.organisation_id
    assert organisation_id is not None
    if not creditor.routing_number:
        return counterparty(
            organisation_id=organisation_id,
            name=creditor.name,
            iban=creditor.iban,
            country=creditor.country,
            town=creditor.town,
            context=context,
        )
    if creditor.iban:
        raise Invalid(field="creditor.iban", reason="there is a routing number already")
    return us_counterparty(
        organisation_id=organisation_id,
        name=creditor.name,
        routing_number=creditor.routing_number,
        account_number=creditor.account_number,
        account_kind=creditor.account_kind,
        holder=creditor.holder,
        town=creditor.town,
        context=context,
    )


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


def _new_payout(command: CreatePayout, rail: Rail, counterparty_id: UUID, context: Context) -> Payment:
    assert command.organisation_id is not None
    key = context.new_id()
    in_dollars = command.amount.currency == "USD"
    return Payment(
        id=key,
        organisation_id=command.organisation_id,
        kind=Kind.PAYOUT.value,
        rail=rail,
        amount_minor=command.amount.minor,
        currency=command.amount.currency,
        account_id=command.account_id,
        counterparty_id=counterparty_id,
        subject_id=counterparty_id,
        end_to_end_id=ach_reference(key) if in_dollars else end_to_end_id(key),
        rail_options={"same_day": True} if command.same_day else {},
        remittance=clean_text(command.remittance, field="remittance", length_max=REMITTANCE_MAX) or None,
        reference=clean_text(command.reference, field="reference", length_max=70),
        speed=command.speed,
        rail_fixed=bool(command.rail) or command.same_day,
        verification_id=command.verification_id,
        ordered_by=str(context.actor),
        created_at=context.at,
    )
