"""Bulk orders: one order of many payouts, checked whole first, then written set by set, approved once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.accounts import public as accounts
from apps.core import db
from apps.core.commands import Command, Context, handles
from apps.core.crypto.runtime import key_ring
from apps.core.errors import Invalid, Refusal
from apps.core.ids import public_id
from apps.core.money import Money
from apps.payments import books
from apps.payments.ach_files import holders_of
from apps.payments.commands.accounts import must_verify_payees, needs_no_second_person
from apps.payments.commands.ach import require_profile
from apps.payments.commands.bulk_decisions import approve_all
from apps.payments.commands.checks import check_amount, usable_account
from apps.payments.commands.payouts import POLICY, Creditor
from apps.payments.counterparties import Draft, UsPayeeDraft, checked_payee, checked_us_payee, counterparties
from apps.payments.domain.lifecycle import Event, Kind
from apps.payments.domain.orders import OrderEvent
from apps.payments.domain.references import REMITTANCE_MAX, ach_reference, clean_text, end_to_end_id
from apps.payments.formats.nacha.codes import CREDIT
from apps.payments.inbound import DuplicateFile
from apps.payments.lifecycle_store import (
    Origin,
    Started,
    begin,
    begin_many,
)
from apps.payments.models import Payment, Rail
from apps.payments.models_orders import BulkOrder
from apps.payments.rails import adapter
from apps.payments.rails.ach import sec_code_for
from apps.payments.rails.base import Instruction, Party
from apps.payments.representation import bulk_order_data
from apps.payments.routing import route_for

PAYMENTS_MAX = 10_000
"""The most payments of one order: what one file to a bank holds."""

ERRORS_TOLD_MAX = 100

RAILS = {"EUR": Rail.SEPA_CT, "USD": Rail.ACH}
"""How the payments of an order travel, by its currency: in files, which cost the least."""


class BulkInvalid(Refusal):
    code = "bulk_invalid"
    title = "Some payments of the order cannot be made; nothing of it was ordered."


@dataclass(frozen=True)
class BulkPayout:
    """One payout of a bulk order; its place in the list, from 1, is its line."""

    amount: Money
    creditor: Creditor
    remittance: str = ""
    reference: str = ""


@dataclass(frozen=True)
class CreateBulkOrder(Command):
    """Pay many from one account, with one approval for all: euro by SEPA credit transfer, US dollars by ACH.

    All payments are in one currency, the account's. `source_sha256` is the digest of the file that the
    order was read from, if it was: a file makes one order of an organisation. `verify_payees` asks for
    verifications where the policy does not: what they find is then confirmed before anything goes.
    """

    account_id: UUID
    payments: tuple[BulkPayout, ...]
    reference: str = ""
    source_sha256: str = ""
    verify_payees: bool = False


@dataclass(frozen=True, slots=True)
class _Line:
    """A payout that has been checked, with its texts as they will be stored."""

    amount: Money
    payee: Draft
    remittance: str
    reference: str


@handles(CreateBulkOrder, name="payments.create_bulk_order", version=1, permission="payments.write")
def create_bulk_order(command: CreateBulkOrder, context: Context) -> dict[str, Any]:
    """Check every line, then hold all the money and order all the payouts, or nothing.

    Where the organisation's policy lets the sum go without a second person, all are approved at once.
    Raises BulkInvalid with the lines that are wrong, DuplicateFile, NoAchProfile, the account's refusals,
    InsufficientFunds.
    """
    assert command.organisation_id is not None
    currency = order_currency(command.payments)
    _take_file(command)
    account = usable_account(command.organisation_id, command.account_id, currency)
    payer = payer_of(account.id)
    lines = checked_lines(command.payments, payer=payer)
    total = Money(sum(line.amount.minor for line in lines), currency)
    order = BulkOrder(
        id=context.new_id(),
        organisation_id=command.organisation_id,
        account_id=account.id,
        payment_count=len(lines),
        total_minor=total.minor,
        currency=total.currency,
        reference=clean_text(command.reference, field="reference", length_max=70),
        source_sha256=command.source_sha256,
        verifies_payees=_verifies(command, currency, payer),
        ordered_by=str(context.actor),
        created_at=context.at,
    )
    begin(order, OrderEvent.ORDER, context, Origin(context.actor.kind))
    payments = _order_all(order, account, lines, context)
    if not order.verifies_payees and needs_no_second_person(command.organisation_id, total):
        approve_all(order, payments, context, Origin("policy"), approved_by=POLICY)
    return bulk_order_data(order)


def _verifies(command: CreateBulkOrder, currency: str, payer: str) -> bool:
    """Tell whether the payees of an order are verified: where IBANs are, and somebody asks for it."""
    if currency != "EUR":
        if command.verify_payees:
            raise Invalid(field="verify_payees", reason="names are verified for accounts with an IBAN")
        return False
    assert command.organisation_id is not None
    return command.verify_payees or must_verify_payees(command.organisation_id, currency, payer=payer)


def _take_file(command: CreateBulkOrder) -> None:
    """Let one order at a time be made of a file. Raises DuplicateFile for one that has made an order."""
    if not command.source_sha256:
        return
    db.transaction_lock(f"payments bulk file {command.organisation_id} {command.source_sha256}")
    if made_an_order(command.source_sha256):
        raise DuplicateFile(sha256=command.source_sha256)


def made_an_order(sha256: str) -> bool:
    """Tell whether an order of the organisation in scope was read from this file."""
    return BulkOrder.objects.filter(source_sha256=sha256).exists()


def order_currency(payments: Sequence[BulkPayout]) -> str:
    """Return the currency of an order: its first payment's. Raises Invalid, also for too many payments."""
    if not 1 <= len(payments) <= PAYMENTS_MAX:
        raise Invalid(field="payments", count=len(payments), count_max=PAYMENTS_MAX)
    currency = payments[0].amount.currency
    if currency not in RAILS:
        raise Invalid(field="amount.currency", reason="bulk orders are in euro or US dollars")
    if RAILS[currency] is Rail.ACH:
        require_profile(currency)
    return currency


def payer_of(account_id: UUID) -> str:
    """Tell whether the account is a person's or a company's, as the ACH's entry classes ask."""
    return holders_of({account_id}).get(account_id, "company")


def checked_lines(payments: Sequence[BulkPayout], *, payer: str) -> list[_Line]:
    """Check the payouts of an order. Raises BulkInvalid with each wrong line: its number, field and reason."""
    lines, errors = check_lines(payments, payer=payer)
    if errors:
        raise BulkInvalid(count=len(errors), errors=errors[:ERRORS_TOLD_MAX])
    return lines


def check_lines(payments: Sequence[BulkPayout], *, payer: str) -> tuple[list[_Line], list[dict[str, Any]]]:
    """Check the payouts of an order and return those that can be made, and what is wrong with the others.

    All are in the currency of the first. `payer` is a person or a company.
    """
    lines: list[_Line] = []
    errors: list[dict[str, Any]] = []
    seen: dict[str, int] = {}
    currency = payments[0].amount.currency if payments else ""
    for number, payout in enumerate(payments, 1):
        try:
            line = _checked(payout, currency, payer)
        except Refusal as refusal:
            errors.append({"reason": refusal.title, **refusal.facts, "line": number, "code": refusal.code})
            continue
        earlier = seen.setdefault(line.reference, number) if line.reference else number
        if earlier != number:
            errors.append(
                {
                    "line": number,
                    "code": "duplicate_reference",
                    "field": "reference",
                    "of": earlier,
                    "reason": "another payment of the order has this reference",
                }
            )
        lines.append(line)
    return lines, errors


class MixedCurrencies(Refusal):
    code = "mixed_currencies"
    title = "All payments of an order are in one currency: euro go by SEPA, US dollars by ACH."


def _checked(payout: BulkPayout, currency: str, payer: str) -> _Line:
    check_amount(payout.amount)
    if payout.amount.currency != currency:
        raise MixedCurrencies(field="amount.currency", expected=currency)
    line = _Line(
        payout.amount,
        _checked_payee(payout.creditor, currency),
        clean_text(payout.remittance, field="remittance", length_max=REMITTANCE_MAX),
        clean_text(payout.reference, field="reference", length_max=70),
    )
    if isinstance(line.payee, UsPayeeDraft):
        _check_entry(line, line.payee, payer)
    return line


def _checked_payee(creditor: Creditor, currency: str) -> Draft:
    if currency == "USD":
        if creditor.iban or not creditor.routing_number:
            field = "creditor.iban" if creditor.iban else "creditor.routing_number"
            raise Invalid(field=field, reason="US dollars go to a routing number and an account number")
        return checked_us_payee(
            creditor.name,
            creditor.routing_number,
            creditor.account_number,
            account_kind=creditor.account_kind,
            holder=creditor.holder,
            town=creditor.town,
        )
    if creditor.routing_number or creditor.account_number:
        raise Invalid(field="creditor.routing_number", reason="euro go to an IBAN")
    return checked_payee(creditor.name, creditor.iban, country=creditor.country, town=creditor.town)


def _check_entry(line: _Line, payee: UsPayeeDraft, payer: str) -> None:
    """Raise Invalid with the first rule that the line's ACH entry would break."""
    sec_code = sec_code_for(direction=CREDIT, payer=payer, payee=payee.holder, remittance=line.remittance)
    findings = adapter("ach").validate(
        Instruction(
            reference="",
            amount=line.amount,
            debtor=Party("", ""),
            creditor=Party(payee.name, payee.account_number, payee.routing_number),
            remittance=line.remittance,
            options={"sec_code": sec_code, "account_kind": payee.account_kind},
        )
    )
    if findings:
        raise Invalid(field=findings[0].place, reason=findings[0].message, rule=findings[0].code)


def _order_all(
    order: BulkOrder, account: accounts.PaymentAccount, lines: list[_Line], context: Context
) -> list[Payment]:
    """Add the payees that are new, hold each amount, write the payments with their first events."""
    payees = counterparties(order.organisation_id, [line.payee for line in lines], context)
    stopped = [
        {
            "line": number,
            "code": "counterparty_stopped",
            "field": "creditor",
            "reason": payee.stopped_code,
        }
        for number, payee in enumerate(payees, 1)
        if payee.stopped_code
    ]
    if stopped:
        raise BulkInvalid(count=len(stopped), errors=stopped[:ERRORS_TOLD_MAX])
    payments = [
        _new_payout(order, line, payee.pk, context) for line, payee in zip(lines, payees, strict=True)
    ]
    route = route_for(order.currency)
    books.hold_many(payments, account_id=account.ledger_account_id, route=route, context=context)
    origin = Origin(context.actor.kind, public_id("blk", order.pk))
    sealed = {(order.organisation_id, payment.subject_id) for payment in payments}
    with key_ring().at_hand(sealed, to_seal=True):
        begin_many([Started(payment, Event.ORDER, context, origin) for payment in payments])
    return payments


def _new_payout(order: BulkOrder, line: _Line, counterparty_id: UUID, context: Context) -> Payment:
    key = context.new_id()
    return Payment(
        id=key,
        organisation_id=order.organisation_id,
        kind=Kind.PAYOUT.value,
        rail=RAILS[order.currency],
        amount_minor=line.amount.minor,
        currency=line.amount.currency,
        account_id=order.account_id,
        counterparty_id=counterparty_id,
        subject_id=counterparty_id,
        bulk_order_id=order.pk,
        end_to_end_id=ach_reference(key) if order.currency == "USD" else end_to_end_id(key),
        remittance=line.remittance or None,
        reference=line.reference,
        ordered_by=str(context.actor),
        created_at=context.at,
    )
