"""What a return does: to the payment, to the books, to the mandate it was under, to a recall of ours.

Whoever calls holds the payment's lock. Lock order: payment → return → mandate → recall → ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from apps.accounts import public as accounts
from apps.core.commands import Context
from apps.core.errors import Conflict, Refusal
from apps.core.ids import public_id
from apps.core.money import Money
from apps.payments import books
from apps.payments.calendar import calendar
from apps.payments.collecting import presented_collection
from apps.payments.domain.lifecycle import Event, Kind, Step
from apps.payments.domain.machine import Transition
from apps.payments.domain.mandates import SAYS_OF_THE_MANDATE
from apps.payments.domain.recalls import RecallEvent
from apps.payments.domain.returns import ReturnEvent, ReturnKind, ReturnState, kind_of
from apps.payments.fx_books import pays_from
from apps.payments.lifecycle_store import Origin, advance, begin, decide_for, lock, record_no_op
from apps.payments.models import Payment, Rail
from apps.payments.models_debits import MOVING_KINDS, Collection, Mandate, Recall, Return
from apps.payments.rails import ADAPTERS
from apps.payments.rails.base import Action, Classified
from apps.payments.rails.sepa_dd import RETURN_BUSINESS_DAYS
from apps.payments.routing import SettlementRoute, route_by_id
from apps.payments.stopping import account_of_entry, stop_account

Pair = tuple[int, int]


class AmountDiffers(Refusal):
    code = "amount_differs"
    title = "The bank's amount is not the payment's."


class NotSettledYet(Conflict):
    code = "not_settled_yet"
    title = "The bank shows that the payment came back, and its settlement is not in the books yet."


@dataclass(frozen=True, slots=True)
class ToldReturn:
    """What somebody tells of a return. `at_bank`: a statement shows it, else it is only announced."""

    amount: Money
    code: str
    effective: date
    at_bank: bool


def check_told_amount(payment: Payment, amount: Money) -> None:
    """Raise AmountDiffers unless the amount is the payment's."""
    if amount != payment.amount:
        raise AmountDiffers(
            expected_minor=payment.amount_minor,
            given_minor=amount.minor,
            currency=payment.currency,
            given_currency=amount.currency,
        )


def come_back(payment: Payment, told: ToldReturn, context: Context, origin: Origin) -> dict[str, Any]:
    """Apply a return to a locked payment. Answers {"applied", "reason", "journal"}.

    Told before the settlement it waits for it; shown before the settlement it is refused (NotSettledYet),
    to be shown again. A repeated or late one changes nothing. Raises AmountDiffers.
    """
    decision = decide_for(payment, Event.RETURN)
    known = Return.objects.filter(payment_id=payment.pk, kind__in=MOVING_KINDS).first()
    if decision.transition is not None:
        check_told_amount(payment, told.amount)
        return _applied(_take(payment, known, decision.transition, told, context, origin))
    if known is not None and known.state == ReturnState.TOLD and told.at_bank:
        check_told_amount(payment, told.amount)
        return _applied(_book(payment, lock(Return, known.pk), told, context, origin))
    early = payment.machine.is_early(payment.state, Event.RETURN)
    if early and told.at_bank:
        raise NotSettledYet(id=public_id("pay", payment.pk), state=payment.state)
    if early and known is None:
        check_told_amount(payment, told.amount)
        _record(payment, ReturnEvent.WAIT, told, context, origin)
        return {"applied": True, "reason": "waiting", "journal": None}
    record_no_op(payment, Event.RETURN, context, origin, reason=decision.reason)
    return {"applied": False, "reason": decision.reason, "journal": None}


def apply_waiting(payment: Payment, context: Context, origin: Origin) -> None:
    """Let a return that was told too soon have its effect, now that its payment has settled."""
    waiting = Return.objects.filter(payment_id=payment.pk, state=ReturnState.WAITING.value).first()
    if waiting is None:
        return
    transition = decide_for(payment, Event.RETURN).transition
    assert transition is not None, "what has settled can come back"
    told = ToldReturn(
        waiting.amount, waiting.code, max(waiting.effective_on, context.at.date()), at_bank=False
    )
    _take(payment, waiting, transition, told, context, origin)


def note_reject(payment: Payment, code: str, context: Context, origin: Origin) -> None:
    """Record that a bank rejected a payment before settlement, and what that means for its mandate."""
    told = ToldReturn(payment.amount, code, context.at.date(), at_bank=False)
    row = _record(payment, ReturnEvent.NOTE, told, context, origin, kind=ReturnKind.REJECT)
    _consequences(payment, row, context, origin)


def classified(rail: str, code: str) -> Classified:
    """Say what a code means on a rail; a rail without an adapter has no codes of its own."""
    adapter = ADAPTERS.get(rail)
    return adapter.classify(code) if adapter is not None else Classified("other", Action.FIX)


def _take(
    payment: Payment,
    known: Return | None,
    transition: Transition,
    told: ToldReturn,
    context: Context,
    origin: Origin,
) -> int:
    """Move the payment, and its return: a new one, or the one that waited for the settlement."""
    seq = _post(payment, Step(transition.step), told, context)
    advance(payment, transition, context, origin, journal_seq=seq, failure_code=told.code[:35])
    _forget_reserve(payment)
    event = ReturnEvent.BOOK if told.at_bank else ReturnEvent.TELL
    if known is None:
        row = _record(payment, event, told, context, origin, journal_seq=seq)
    else:
        row = lock(Return, known.pk)
        booked = told.effective if told.at_bank else None
        advance(row, _transition(row, event), context, origin, booked_on=booked)
    _consequences(payment, row, context, origin)
    return seq


def _book(payment: Payment, row: Return, told: ToldReturn, context: Context, origin: Origin) -> int:
    """Book the bank's side of a return whose other side is in clearing since it was told."""
    seq = books.move(
        payment,
        "return_booked",
        (_bank_side(payment, _route(payment)),),
        effective=told.effective,
        context=context,
    )
    advance(
        row,
        _transition(row, ReturnEvent.BOOK),
        context,
        origin,
        journal_seq=seq,
        booked_on=told.effective,
    )
    return seq


def _post(payment: Payment, step: Step, told: ToldReturn, context: Context) -> int:
    """Post the customer's side of a return, and the bank's too if a statement shows it."""
    route = _route(payment)
    account = accounts.payment_account(payment.account_id)
    bank = (_bank_side(payment, route),) if told.at_bank else ()
    if step is Step.CLAIM:
        return books.claim(
            payment,
            account,
            clearing_in_id=route.clearing_in_id,
            rest=bank,
            effective=told.effective,
            context=context,
        )
    side = _CUSTOMER_SIDE[step](payment, account, route)
    return books.move(payment, step.value, (*bank, side), effective=told.effective, context=context)


_CUSTOMER_SIDE: dict[Step, Callable[[Payment, accounts.PaymentAccount, SettlementRoute], Pair]] = {
    Step.CASH_BACK: lambda payment, account, route: (route.clearing_in_id, pays_from(payment, account)),
    Step.TAKE_BACK: lambda payment, account, route: (account.ledger_account_id, route.clearing_in_id),
    Step.TAKE_RESERVE: lambda payment, account, route: (books.reserve_of(account), route.clearing_in_id),
}


def _bank_side(payment: Payment, route: SettlementRoute) -> Pair:
    """Return (debit, credit) at the bank: what came in goes out again, and the other way round."""
    came_in = payment.kind in (Kind.COLLECTION, Kind.PAYIN)
    return (route.clearing_in_id, route.cash_id) if came_in else (route.cash_id, route.clearing_in_id)


def _route(payment: Payment) -> SettlementRoute:
    assert payment.settlement_account_id is not None, "what a bank settles has a bank account"
    return route_by_id(payment.settlement_account_id)


def _record(
    payment: Payment,
    event: ReturnEvent,
    told: ToldReturn,
    context: Context,
    origin: Origin,
    *,
    kind: ReturnKind | None = None,
    journal_seq: int | None = None,
) -> Return:
    meaning = classified(payment.rail, told.code)
    row = Return(
        id=context.new_id(),
        organisation_id=payment.organisation_id,
        kind=(kind or _kind_of(payment, meaning.code, told.effective)).value,
        payment_id=payment.pk,
        code=told.code[:35],
        reason_class=meaning.code,
        action=meaning.action.value,
        amount_minor=told.amount.minor,
        currency=told.amount.currency,
        original_reference=payment.end_to_end_id,
        external_id=origin.external_id[:140],
        effective_on=told.effective,
        booked_on=told.effective if told.at_bank else None,
        created_at=context.at,
    )
    begin(row, event, context, origin, journal_seq=journal_seq)
    return row


def _kind_of(payment: Payment, reason_class: str, effective: date) -> ReturnKind:
    presented = presented_collection(payment)
    if presented is None or payment.rail != Rail.SEPA_DD:
        return ReturnKind.RETURN
    window_ends = calendar("TARGET").add(presented.day, RETURN_BUSINESS_DAYS)
    return kind_of(reason_class, collected=True, after_return_window=effective > window_ends)


def _consequences(payment: Payment, row: Return, context: Context, origin: Origin) -> None:
    _tell_mandate(payment, row, context, origin)
    _stop_account(payment, row, context)
    if row.kind != ReturnKind.REJECT:
        _end_recall(payment, row, context, origin)


def _tell_mandate(payment: Payment, row: Return, context: Context, origin: Origin) -> None:
    event = SAYS_OF_THE_MANDATE.get(row.reason_class)
    under = Collection.objects.filter(pk=payment.pk).first() if payment.kind == Kind.COLLECTION else None
    if event is None or under is None or under.mandate_id is None:
        return
    mandate = lock(Mandate, under.mandate_id)
    why = Origin(origin.source, origin.external_id, reason=row.code)
    decision = decide_for(mandate, event)
    if decision.transition is None:
        record_no_op(mandate, event, context, why, reason=decision.reason)
    else:
        advance(mandate, decision.transition, context, why)


def _stop_account(payment: Payment, row: Return, context: Context) -> None:
    """In the ACH a code such as R03 closes the account for us, not the one payment alone."""
    end = account_of_entry(payment.pk, payment.counterparty_id, payment.rail)
    if end is not None and row.action == Action.STOP:
        stop_account(end, row.code, context, organisation_id=payment.organisation_id, payment_id=payment.pk)


def _end_recall(payment: Payment, row: Return, context: Context, origin: Origin) -> None:
    asked = Recall.objects.filter(payment_id=payment.pk).first()
    if asked is None:
        return
    recall = lock(Recall, asked.pk)
    transition = decide_for(recall, RecallEvent.ACCEPT).transition
    if transition is not None:
        advance(recall, transition, context, origin, answer_code=row.code)


def _forget_reserve(payment: Payment) -> None:
    if payment.kind == Kind.COLLECTION:
        Collection.objects.filter(pk=payment.pk).update(reserved_until=None)


def _transition(row: Return, event: ReturnEvent) -> Transition:
    transition = decide_for(row, event).transition
    assert transition is not None, "the row was locked in this state"
    return transition


def _applied(seq: int) -> dict[str, Any]:
    return {"applied": True, "reason": "", "journal": seq}
