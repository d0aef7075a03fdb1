"""Money coming in: told by a provider's webhook, or seen on a bank's statement first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from apps.accounts import public as accounts
from apps.core.commands import Command, Context, handles
from apps.core.errors import Invalid, NotFound, Refusal
from apps.core.ids import parse_public_id, public_id
from apps.core.money import Money
from apps.payments import books
from apps.payments.commands.card_words import apply_provider_word
from apps.payments.commands.checks import check_amount, usable_account
from apps.payments.commands.instant import apply_bank_message
from apps.payments.counterparties import counterparty, us_counterparty
from apps.payments.domain.lifecycle import Event, Kind
from apps.payments.domain.references import REMITTANCE_MAX, clean_text, end_to_end_id
from apps.payments.domain.refunds import CAME_BY
from apps.payments.lifecycle_store import Origin, begin, lock_payment, record_no_op
from apps.payments.models import Counterparty, Payment, Rail
from apps.payments.rails.card import EVENT_TYPES, read_event
from apps.payments.representation import payment_data
from apps.payments.routing import route_by_id, route_for

PAYIN_SUCCEEDED = "payin.succeeded"
BANK_MESSAGE = "bank.message"
"""A message of an instant rail that our bank hands over by webhook, such as a late status."""
NO_MONEY_MOVED = frozenset({"payin.created", "payin.pending", "payin.failed", "payin.cancelled"})


@dataclass(frozen=True)
class Debtor:
    """Who paid, as far as it is told; the account is an IBAN, or one in the United States."""

    name: str = ""
    iban: str = ""
    routing_number: str = ""
    account_number: str = ""
    account_kind: str = "checking"
    holder: str = "person"


@dataclass(frozen=True)
class BookPayin(Command):
    """A bank's statement shows money for one of our accounts that nobody announced."""

    account_id: UUID
    settlement_account_id: UUID
    amount: Money
    booking_date: date
    statement_line: str
    debtor: Debtor = Debtor()
    remittance: str = ""
    rail: str = ""  # by which it came, as far as the statement says


@handles(BookPayin, name="payments.book_payin", version=1, permission="payments.settle")
def book_payin(command: BookPayin, context: Context) -> dict[str, Any]:
    """Credit the account from cash and record a settled pay-in."""
    assert command.organisation_id is not None
    check_amount(command.amount)
    account = usable_account(
        command.organisation_id, command.account_id, command.amount.currency, incoming=True
    )
    route = route_by_id(command.settlement_account_id)
    payment = _new_payin(
        command.organisation_id,
        command.account_id,
        command.amount,
        command.debtor,
        command.remittance,
        context,
        rail=_came_by(command.rail, command.amount.currency),
    )
    payment.settlement_account_id = route.id
    journal_seq = books.move(
        payment,
        "payin",
        ((route.cash_id, account.ledger_account_id),),
        effective=command.booking_date,
        context=context,
    )
    begin(
        payment, Event.SETTLE, context, Origin("statement", command.statement_line), journal_seq=journal_seq
    )
    return {**payment_data(payment), "journal": journal_seq}


@dataclass(frozen=True)
class ApplyProviderEvent(Command):
    """A payment provider told us something by webhook; its signature has been verified.

    `payload` of `payin.succeeded`: id, account_id (`acc_…`), amount {amount, currency}, and optionally
    debtor {name, iban, or routing_number and account_number}, rail (how the payer paid) and reference. Of `bank.message`, from a source of the operator: rail, message.
    Events of cards (`card.…`) carry the processor's object, see `rails.card`.
    """

    provider: str
    event_id: str
    event_type: str
    payload: dict[str, Any]
    occurred_at: datetime


@handles(ApplyProviderEvent, name="payments.apply_provider_event", version=1, permission="payments.settle")
def apply_provider_event(command: ApplyProviderEvent, context: Context) -> dict[str, Any]:
    """Apply the event. Answers {"result": applied, ignored or waiting, "reason", "object_id"}.

    waiting: it is about an account that is not here (yet). Raises Invalid for a payload that cannot
    be right, and what the account or the books refuse: such an event never reaches the books.
    """
    assert command.organisation_id is not None
    if command.event_type in EVENT_TYPES:
        return _of_a_card(command, context)
    if command.event_type in NO_MONEY_MOVED:
        return _result("ignored", "no money moved")
    if command.event_type == BANK_MESSAGE:
        return _bank_message(command, context)
    if command.event_type != PAYIN_SUCCEEDED:
        return _result("ignored", "unknown event type")
    told = _read_payin(command.payload)
    known = Payment.objects.filter(
        organisation_id=command.organisation_id, provider=command.provider, provider_reference=told.reference
    ).first()
    if known is not None and (known.amount, known.account_id) != (told.amount, told.account_id):
        raise Invalid(field="payload", reason="told before with another amount or account", id=told.reference)
    if known is not None:
        payment = lock_payment(known.pk, organisation_id=command.organisation_id)
        record_no_op(payment, Event.RECEIVE, context, Origin("webhook", command.event_id), reason="repeated")
        return _result("ignored", "repeated", payment)
    try:
        accounts.payment_account(told.account_id)
    except NotFound:
        return _result("waiting", "unknown account")
    return _result("applied", "", _receive(command, told, context))


def _of_a_card(command: ApplyProviderEvent, context: Context) -> dict[str, Any]:
    assert command.organisation_id is not None
    word = read_event(command.event_type, command.payload)
    origin = Origin("webhook", command.event_id)
    applied = apply_provider_word(command.organisation_id, command.provider, word, context, origin)
    return {"result": applied.result, "reason": applied.reason, "object_id": applied.object_id}


def _bank_message(command: ApplyProviderEvent, context: Context) -> dict[str, Any]:
    assert command.organisation_id is not None
    payment_id, reason = apply_bank_message(command.organisation_id, command.payload, context)
    object_id = public_id("pay", payment_id) if payment_id else ""
    return {"result": "ignored" if reason else "applied", "reason": reason, "object_id": object_id}


@dataclass(frozen=True, slots=True)
class _ToldPayin:
    reference: str
    account_id: UUID
    amount: Money
    debtor: Debtor
    remittance: str
    came_by: str


def _read_payin(payload: dict[str, Any]) -> _ToldPayin:
    """Read a pay-in out of a provider's payload. Raises Invalid naming the member."""
    debtor = _member(payload, "debtor", dict, {})
    amount = _member(payload, "amount", dict)
    try:
        money = Money.parse(_member(amount, "amount", str), _member(amount, "currency", str))
        account_id = parse_public_id("acc", _member(payload, "account_id", str))
    except Invalid:
        raise
    except Refusal as refusal:
        raise Invalid(field="payload", reason=refusal.code) from None
    return _ToldPayin(
        reference=clean_text(_member(payload, "id", str), field="payload.id", length_max=100, required=True),
        account_id=account_id,
        amount=money,
        debtor=_read_debtor(debtor),
        remittance=_member(payload, "reference", str, ""),
        came_by=_came_by(rail, money.currency).value if (rail := _member(payload, "rail", str, "")) else "",
    )


def _read_debtor(told: dict[str, Any]) -> Debtor:
    """Read who paid. An account in the United States is of use only with both of its numbers."""
    words = {name: _member(told, name, str, "") for name in ("name", "iban")}
    abroad = {name: _member(told, name, str, "") for name in ("routing_number", "account_number")}
    if not all(abroad.values()):
        return Debtor(**words)
    kinds = {
        "account_kind": _member(told, "account_kind", str, "checking"),
        "holder": _member(told, "holder", str, "person"),
    }
    return Debtor(**words, **abroad, **kinds)


def _came_by(rail: str, currency: str) -> Rail:
    """Return the rail by which money of a currency came. Raises Invalid for one that does not carry it."""
    known = CAME_BY.get(currency, (Rail.SEPA_CT.value,))
    if rail and rail not in known:
        raise Invalid(field="rail", allowed=list(known))
    return Rail(rail or known[0])


def _member(data: dict[str, Any], name: str, kind: type, default: Any = None) -> Any:
    value = data.get(name, default)
    if not isinstance(value, kind):
        raise Invalid(field=f"payload.{name}")
    return value


def _receive(command: ApplyProviderEvent, told: _ToldPayin, context: Context) -> Payment:
    assert command.organisation_id is not None
    check_amount(told.amount)
    account = usable_account(command.organisation_id, told.account_id, told.amount.currency, incoming=True)
    route = route_for(told.amount.currency)
    payment = _new_payin(
        command.organisation_id,
        told.account_id,
        told.amount,
        told.debtor,
        told.remittance,
        context,
        rail=Rail.PROVIDER,
    )
    payment.provider, payment.provider_reference = command.provider, told.reference
    payment.rail_options = {"came_by": told.came_by} if told.came_by else {}
    payment.settlement_account_id = route.id
    journal_seq = books.move(
        payment,
        "payin_received",
        ((route.receivable_id, account.ledger_account_id),),
        effective=command.occurred_at.date(),
        context=context,
    )
    begin(payment, Event.RECEIVE, context, Origin("webhook", command.event_id), journal_seq=journal_seq)
    return payment


def _payer(organisation_id: UUID, debtor: Debtor, context: Context) -> Counterparty | None:
    name = debtor.name or "Unknown"
    if debtor.routing_number:
        return us_counterparty(
            organisation_id=organisation_id,
            name=name,
            routing_number=debtor.routing_number,
            account_number=debtor.account_number,
            account_kind=debtor.account_kind,
            holder=debtor.holder,
            context=context,
        )
    if not debtor.iban:
        return None
    return counterparty(organisation_id=organisation_id, name=name, iban=debtor.iban, context=context)


def _new_payin(
    organisation_id: UUID,
    account_id: UUID,
    amount: Money,
    debtor: Debtor,
    remittance: str,
    context: Context,
    *,
    rail: Rail,
) -> Payment:
    payer = _payer(organisation_id, debtor, context)
    key = context.new_id()
    return Payment(
        id=key,
        organisation_id=organisation_id,
        kind=Kind.PAYIN.value,
        rail=rail,
        amount_minor=amount.minor,
        currency=amount.currency,
        account_id=account_id,
        counterparty_id=payer.pk if payer else None,
        subject_id=payer.pk if payer else organisation_id,
        end_to_end_id=end_to_end_id(key),
        remittance=clean_text(remittance[:REMITTANCE_MAX], field="remittance", length_max=REMITTANCE_MAX)
        or None,
        ordered_by=str(context.actor),
        created_at=context.at,
    )


def _result(result: str, reason: str, payment: Payment | None = None) -> dict[str, Any]:
    object_id = payment_data(payment)["id"] if payment is not None else ""
    return {"result": result, "reason": reason, "object_id": object_id}
