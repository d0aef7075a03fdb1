"""What a bank's statement does to payments, and to money that no payment explains yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from apps.accounts import public as accounts
from apps.core.commands import Command, Context, handles
from apps.core.ids import public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments import books
from apps.payments.collecting import reserve_until_final
from apps.payments.domain.lifecycle import Event, Kind, Step
from apps.payments.domain.references import clean_text
from apps.payments.lifecycle_store import Origin, advance, decide_for, lock_payment, record_no_op
from apps.payments.models import Payment
from apps.payments.representation import payment_data
from apps.payments.returning import ToldReturn, apply_waiting, check_told_amount, come_back
from apps.payments.routing import SettlementRoute, route_by_id


@dataclass(frozen=True)
class SettlePayment(Command):
    """The bank's statement shows the payment: its money is out of, or in, our account there."""

    payment_id: UUID
    amount: Money
    booking_date: date
    statement_line: str


@dataclass(frozen=True)
class ReturnPayment(Command):
    """The bank's statement shows that a settled payment came back, or was taken back."""

    payment_id: UUID
    amount: Money
    booking_date: date
    statement_line: str
    reason: str = ""


@handles(SettlePayment, name="payments.settle_payment", version=1, permission="payments.settle")
def settle_payment(command: SettlePayment, context: Context) -> dict[str, Any]:
    """Book the settlement. A repeated or late one is recorded and changes nothing. Raises AmountDiffers."""
    payment = lock_payment(command.payment_id, organisation_id=command.organisation_id)
    origin = Origin("statement", command.statement_line)
    decision = decide_for(payment, Event.SETTLE)
    if decision.transition is None:
        record_no_op(payment, Event.SETTLE, context, origin, reason=decision.reason)
        return {**payment_data(payment), "applied": False, "reason": decision.reason}
    check_told_amount(payment, command.amount)
    journal_seq = books.move(
        payment,
        decision.transition.step.value,
        _steps(payment, Step(decision.transition.step)),
        effective=command.booking_date,
        context=context,
    )
    advance(payment, decision.transition, context, origin, journal_seq=journal_seq)
    if payment.kind == Kind.COLLECTION:
        reserve_until_final(payment, command.booking_date)
    apply_waiting(payment, context, origin)
    return {**payment_data(payment), "applied": True, "journal": journal_seq}


@handles(ReturnPayment, name="payments.return_payment", version=1, permission="payments.settle")
def return_payment(command: ReturnPayment, context: Context) -> dict[str, Any]:
    """Book the return; the money goes back to the account, or back out of it.

    Of a return that a file told before, only the bank's side is left to book. Raises AmountDiffers,
    NotSettledYet.
    """
    payment = lock_payment(command.payment_id, organisation_id=command.organisation_id)
    told = ToldReturn(command.amount, command.reason[:35], command.booking_date, at_bank=True)
    origin = Origin("statement", command.statement_line, reason=command.reason[:60])
    done = come_back(payment, told, context, origin)
    return {**payment_data(payment), **{name: value for name, value in done.items() if value is not None}}


def _steps(payment: Payment, step: Step) -> tuple[tuple[int, int], ...]:
    """Return the (debit, credit) pairs of a settlement at the bank."""
    assert payment.settlement_account_id is not None, "what a bank settles has a bank account"
    route = route_by_id(payment.settlement_account_id)
    if step is Step.RESERVE:
        account = accounts.payment_account(payment.account_id)
        reserve = books.reserve_of(account)
        return ((route.cash_id, route.clearing_in_id), (route.clearing_in_id, reserve))
    return {
        Step.CASH_OUT: ((route.clearing_out_id, route.cash_id),),
        Step.CASH_IN: ((route.cash_id, route.receivable_id),),
    }[step]


@dataclass(frozen=True)
class BookToSuspense(Command):
    """Book a statement line that nothing explains yet, so that cash in the books is the bank's cash.

    `amount` is signed as the bank sees it: positive came in, negative went out.
    """

    settlement_account_id: UUID
    amount: Money
    booking_date: date
    statement_line: str


@dataclass(frozen=True)
class BookBankCharge(Command):
    """Book what the bank charged (negative) or gave back (positive)."""

    settlement_account_id: UUID
    amount: Money
    booking_date: date
    statement_line: str


@handles(BookToSuspense, name="payments.book_to_suspense", version=1, permission="payments.settle")
def book_to_suspense(command: BookToSuspense, context: Context) -> dict[str, Any]:
    """Post between cash and suspense."""
    route = route_by_id(command.settlement_account_id)
    return _book_line(command, "suspense", route, route.suspense_id, context)


@handles(BookBankCharge, name="payments.book_bank_charge", version=1, permission="payments.settle")
def book_bank_charge(command: BookBankCharge, context: Context) -> dict[str, Any]:
    """Post between cash and bank charges."""
    route = route_by_id(command.settlement_account_id)
    return _book_line(command, "bank_charge", route, route.charges_id, context)


def _book_line(
    command: BookToSuspense | BookBankCharge,
    kind: str,
    route: SettlementRoute,
    other_id: int,
    context: Context,
) -> dict[str, Any]:
    amount = command.amount
    pair = (route.cash_id, other_id) if amount.minor > 0 else (other_id, route.cash_id)
    journal = ledger.post(
        ledger.JournalDraft(
            key=context.step_key(kind),
            kind=kind,
            organisation_id=route.organisation_id,
            postings=(
                ledger.Posting(
                    debit=pair[0], credit=pair[1], amount=Money(abs(amount.minor), amount.currency)
                ),
            ),
            effective_date=command.booking_date,
            actor=str(context.actor),
            reference=clean_text(
                command.statement_line, field="statement_line", length_max=64, required=True
            ),
        )
    )
    context.note(
        "statement_line",
        command.statement_line,
        journal=journal.seq,
        kind=kind,
        account=public_id("sta", route.id),
    )
    return {"journal": journal.seq}
