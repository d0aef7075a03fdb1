"""Writing attempts, operations and disputes: prepared rows, and what each word of a processor does.

The payment's row is locked first, always; below it these rows need no lock of their own, since whoever
changes them holds the payment's. After the ledger call only inserts and updates of rows read before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from apps.core.commands import Context
from apps.core.errors import Conflict
from apps.core.ids import BadId, parse_public_id, public_id
from apps.core.money import Money
from apps.payments import card_books
from apps.payments.card_routing import processor_by_id
from apps.payments.domain import cards
from apps.payments.domain.cards import (
    AttemptEvent,
    AttemptState,
    CardStep,
    DisputeEvent,
    Done,
    OperationEvent,
    OperationState,
    OperationType,
)
from apps.payments.domain.lifecycle import Event, State
from apps.payments.lifecycle_store import Origin, advance, begin, decide_for, record_no_op
from apps.payments.models import Payment
from apps.payments.models_cards import Attempt, CardDetails, Dispute, Operation
from apps.payments.rails.card import Card, Word

SEND_AFTER = timedelta(seconds=10)
"""Who prepared a request sends it at once; after this long a job does, since that one is gone."""
ASK_AFTER = timedelta(seconds=30)
PAUSES_S = (30, 120, 600, 3_600)
"""How long to wait before asking again, the last one for ever."""
ACTION_WAITS = timedelta(minutes=30)
AUTHORISED_FOR = timedelta(days=7)
CREATED_FOR = timedelta(hours=1)


class TooMany(Conflict):
    code = "too_many"
    title = "One payment has no more of these."


@dataclass
class Applied:
    """What a word did: applied, ignored or waiting, and what is to be sent because of it."""

    result: str
    reason: str = ""
    object_id: str = ""
    next: list[str] = field(default_factory=list)

    def data(self) -> dict[str, Any]:
        """Return the answer of a command."""
        return {
            "result": self.result,
            "reason": self.reason,
            "object_id": self.object_id,
            "next": list(self.next),
        }


def details_of(payment: Payment) -> CardDetails:
    """Return what belongs to a card payment."""
    return CardDetails.objects.get(pk=payment.pk)


def books_of(payment: Payment) -> card_books.Books:
    """Return the accounts that a card payment's journals touch."""
    details = details_of(payment)
    return card_books.books_of(payment, details, processor_by_id(details.processor_id))


def done_of(payment: Payment) -> list[Done]:
    """Return a payment's operations and disputes as the totals see them.

    A void of an earlier try gives up nothing of the present one, and is left out.
    """
    latest = latest_attempt(payment)
    operations = [
        row
        for row in Operation.objects.filter(payment_id=payment.pk).order_by("id")
        if row.type != OperationType.VOID or (latest is not None and row.attempt_id == latest.pk)
    ]
    disputes = Dispute.objects.filter(payment_id=payment.pk).order_by("id")
    return [Done(row.type, row.state, row.amount, row.final) for row in operations] + [
        Done("dispute", row.state, row.amount) for row in disputes
    ]


def latest_attempt(payment: Payment) -> Attempt | None:
    """Return the payment's latest attempt."""
    return Attempt.objects.filter(payment_id=payment.pk).order_by("-number").first()


def prepare_attempt(payment: Payment, details: CardDetails, card_token: str, context: Context) -> Attempt:
    """Record the next try. Raises TooMany."""
    latest = latest_attempt(payment)
    number = latest.number + 1 if latest else 1
    if number > cards.ATTEMPTS_MAX:
        raise TooMany(object="attempt", maximum=cards.ATTEMPTS_MAX)
    attempt = Attempt(
        id=context.new_id(),
        organisation_id=payment.organisation_id,
        payment_id=payment.pk,
        provider=details.provider,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        number=number,
        card_token=card_token,
        ask_at=context.at + SEND_AFTER,
        created_at=context.at,
    )
    begin(attempt, AttemptEvent.PREPARE, context, Origin(context.actor.kind))
    return attempt


def prepare_operation(
    payment: Payment,
    attempt: Attempt,
    kind: OperationType,
    amount: Money,
    context: Context,
    *,
    origin: str,
    final: bool = False,
    reason: str = "",
) -> Operation:
    """Record a capture, void or refund. A refund takes its money from the merchant now.

    Whoever asked for it sends it; what a processor's word or a policy brings about is due for the job at once.

    Raises TooMany, and for a refund the ledger's InsufficientFunds.
    """
    limit = cards.REFUNDS_MAX if kind is OperationType.REFUND else cards.CAPTURES_MAX
    if Operation.objects.filter(payment_id=payment.pk, type=kind.value).count() >= limit:
        raise TooMany(object=kind.value, maximum=limit)
    operation = Operation(
        id=context.new_id(),
        organisation_id=payment.organisation_id,
        payment_id=payment.pk,
        attempt_id=attempt.pk,
        provider=attempt.provider,
        type=kind.value,
        amount_minor=amount.minor,
        currency=amount.currency,
        final=final,
        reason=reason,
        ordered_by=str(context.actor),
        ask_at=context.at if origin == "policy" else context.at + SEND_AFTER,
        created_at=context.at,
    )
    if kind is OperationType.REFUND:
        # Named by the command alone: a repetition of it, however late, posts nothing twice.
        operation.booked_seq = books_of(payment).reserve_refund(amount, context, "order")
    begin(operation, OperationEvent.PREPARE, context, Origin(origin), journal_seq=operation.booked_seq)
    return operation


def next_look(asked: int, at: datetime) -> datetime:
    """Say when to ask again about something that was asked so often already."""
    return at + timedelta(seconds=PAUSES_S[min(asked, len(PAUSES_S) - 1)])


_ATTEMPT_EVENTS = {
    "authorised": AttemptEvent.AUTHORISE,
    "requires_action": AttemptEvent.REQUIRE_ACTION,
    "declined": AttemptEvent.DECLINE,
    "failed": AttemptEvent.FAIL,
}
_OPERATION_EVENTS = {
    "pending": OperationEvent.PEND,
    "succeeded": OperationEvent.SUCCEED,
    "failed": OperationEvent.FAIL,
}
_DISPUTE_EVENTS = {
    "inquiry": DisputeEvent.INQUIRE,
    "opened": DisputeEvent.OPEN,
    "won": DisputeEvent.WIN,
    "lost": DisputeEvent.LOSE,
    "reversed": DisputeEvent.REVERSE,
    "closed": DisputeEvent.CLOSE,
}


def apply_word(
    payment: Payment, row: Attempt | Operation, word: Word, context: Context, origin: Origin
) -> Applied:
    """Apply what a processor says of an attempt or an operation, whose payment is locked.

    Another amount, currency or id than ours leads to a review and never into the books.
    """
    wrong = _contradiction(row, word)
    if wrong:
        return _review(payment, row, word, wrong, context, origin)
    if isinstance(row, Attempt):
        return attempt_told(
            payment, row, _ATTEMPT_EVENTS[word.status], context, origin, word=word, code=word.code
        )
    return operation_told(
        payment, row, _OPERATION_EVENTS[word.status], context, origin, external_id=word.id, code=word.code
    )


def _contradiction(row: Attempt | Operation, word: Word) -> str:
    kind = "authorisation" if isinstance(row, Attempt) else row.type
    if word.object != kind:
        return "object_differs"
    if word.amount.currency != row.currency:
        return "currency_differs"
    if word.amount != row.amount:
        return "amount_differs"
    if row.external_id not in (None, word.id):
        return "external_id_differs"
    same = type(row)._default_manager.filter(provider=row.provider, external_id=word.id)
    if row.external_id is None and same.exclude(pk=row.pk).exists():
        return "external_id_taken"
    return ""


def _review(
    payment: Payment, row: Attempt | Operation, word: Word, reason: str, context: Context, origin: Origin
) -> Applied:
    event: Any = (
        _ATTEMPT_EVENTS.get(word.status, AttemptEvent.FAIL)
        if isinstance(row, Attempt)
        else _OPERATION_EVENTS.get(word.status, OperationEvent.PEND)
    )
    record_no_op(row, event, context, origin, reason=reason)
    _set(row, ask_at=None)
    to_review(payment, reason, context, origin)
    return Applied("applied", f"review: {reason}", public_id(row.PREFIX, row.pk))


def to_review(payment: Payment, reason: str, context: Context, origin: Origin) -> None:
    """Put a payment before a person."""
    told = Origin(origin.source, origin.external_id, reason=reason)
    decision = decide_for(payment, Event.REVIEW)
    if decision.transition is None:
        record_no_op(payment, Event.REVIEW, context, told, reason=f"{reason}, {decision.reason}")
        return
    advance(payment, decision.transition, context, told, failure_code=reason)


def attempt_told(
    payment: Payment,
    attempt: Attempt,
    event: AttemptEvent,
    context: Context,
    origin: Origin,
    *,
    word: Word | None = None,
    code: str = "",
) -> Applied:
    """Apply an event to an attempt, and what it means for the intent."""
    decision = decide_for(attempt, event)
    answer = Applied("applied", object_id=public_id("att", attempt.pk))
    external_id = attempt.external_id or (word.id if word else None)
    if decision.transition is None:
        record_no_op(attempt, event, context, origin, reason=decision.reason)
        _set(attempt, external_id=external_id)
        if event is AttemptEvent.AUTHORISE and attempt.state != AttemptState.AUTHORISED:
            answer.next += void_orphan(payment, attempt, context)
        answer.result, answer.reason = "ignored", decision.reason
        return answer
    told = Origin(origin.source, origin.external_id, reason=code[:60])
    changes: dict[str, Any] = {
        "external_id": external_id,
        "code": code[:40],
        "failure_code": _failure(code) if event in (AttemptEvent.DECLINE, AttemptEvent.FAIL) else "",
        "action_url": word.action_url if word and event is AttemptEvent.REQUIRE_ACTION else "",
        "ask_at": {
            AttemptEvent.SEND: context.at + ASK_AFTER,
            AttemptEvent.LOSE: context.at + ASK_AFTER,
            AttemptEvent.REQUIRE_ACTION: context.at + ACTION_WAITS,
        }.get(event),
    }
    advance(attempt, decision.transition, context, told, **changes)
    answer.next += _intent_follows(payment, attempt, event, word, context, told)
    return answer


def _intent_follows(
    payment: Payment,
    attempt: Attempt,
    event: AttemptEvent,
    word: Word | None,
    context: Context,
    origin: Origin,
) -> list[str]:
    meaning = {
        AttemptEvent.AUTHORISE: Event.AUTHORISE,
        AttemptEvent.REQUIRE_ACTION: Event.REQUIRE_ACTION,
        AttemptEvent.DECLINE: Event.FAIL,
        AttemptEvent.FAIL: Event.FAIL,
    }.get(event)
    if meaning is None:
        return []
    moved = _tell_intent(payment, meaning, context, origin, failure_code=attempt.failure_code)
    if meaning is not Event.AUTHORISE:
        return []
    if not moved:
        return [] if payment.state == State.REVIEW else void_orphan(payment, attempt, context)
    expires_at = (word.expires_at if word else None) or context.at + AUTHORISED_FOR
    CardDetails.objects.filter(pk=payment.pk).update(expires_at=expires_at)
    if details_of(payment).capture != cards.Capture.AUTOMATIC:
        return []
    operation = prepare_operation(
        payment, attempt, OperationType.CAPTURE, payment.amount, context, origin="policy", final=True
    )
    return [public_id("opr", operation.pk)]


def void_orphan(payment: Payment, attempt: Attempt, context: Context) -> list[str]:
    """Give up an authorisation that came when nobody wanted it any more (cancelled, expired, failed)."""
    voids = Operation.objects.filter(attempt_id=attempt.pk, type=OperationType.VOID.value)
    if attempt.external_id is None or voids.exclude(state=OperationState.FAILED.value).exists():
        return []
    if voids.count() >= cards.CAPTURES_MAX:
        return []
    operation = prepare_operation(
        payment, attempt, OperationType.VOID, attempt.amount, context, origin="policy", reason="not wanted"
    )
    return [public_id("opr", operation.pk)]


def operation_told(
    payment: Payment,
    operation: Operation,
    event: OperationEvent,
    context: Context,
    origin: Origin,
    *,
    external_id: str = "",
    code: str = "",
    journal_seq: int | None = None,
) -> Applied:
    """Apply an event to an operation: book what it books, and tell the intent."""
    decision = decide_for(operation, event)
    answer = Applied("applied", object_id=public_id("opr", operation.pk))
    external = operation.external_id or external_id or None
    if decision.transition is None:
        record_no_op(operation, event, context, origin, reason=decision.reason)
        _set(operation, external_id=external)
        answer.result, answer.reason = "ignored", decision.reason
        return answer
    told = Origin(origin.source, origin.external_id, reason=code[:60])
    step = CardStep(decision.transition.step)
    seq = journal_seq if journal_seq is not None else _book(payment, operation, step, context)
    changes: dict[str, Any] = {
        "external_id": external,
        "code": code[:40] or operation.code,
        "failure_code": _failure(code) if event is OperationEvent.FAIL else "",
        "ask_at": context.at + ASK_AFTER
        if event in (OperationEvent.SEND, OperationEvent.LOSE, OperationEvent.PEND)
        else None,
    }
    if step is CardStep.CAPTURE:
        days = processor_by_id(details_of(payment).processor_id).reserve_days
        changes |= {"booked_seq": seq, "release_at": context.at + timedelta(days=days)}
    advance(operation, decision.transition, context, told, journal_seq=seq, **changes)
    _intent_after(payment, operation, event, context, told)
    return answer


def _book(payment: Payment, operation: Operation, step: CardStep, context: Context) -> int | None:
    books, amount, name = books_of(payment), operation.amount, str(operation.pk)
    if step is CardStep.CAPTURE:
        fees = card_books.fees_for(payment.organisation_id, amount, context.at.date())
        return books.capture(amount, fees, context, name)
    if step is CardStep.UNDO_REFUND:
        return books.undo_refund(amount, context, name)
    assert step is CardStep.NOTHING, f"{step} is booked by the settlement"
    return None


def _intent_after(
    payment: Payment, operation: Operation, event: OperationEvent, context: Context, origin: Origin
) -> None:
    if event is OperationEvent.SUCCEED and operation.type == OperationType.CAPTURE:
        _tell_intent(payment, cards.after_capture(payment.amount, done_of(payment)), context, origin)
    elif event is OperationEvent.SUCCEED and operation.type == OperationType.VOID:
        latest = latest_attempt(payment)
        if latest is not None and latest.pk == operation.attempt_id:
            _tell_intent(payment, Event.VOID, context, origin)
    settle_if_all_is(payment, context, origin)


def settle_if_all_is(payment: Payment, context: Context, origin: Origin) -> None:
    """Settle a captured intent once every capture is part of a payout."""
    if payment.state != State.CAPTURED:
        return
    captures = [
        one for one in done_of(payment) if one.type == "capture" and one.state != OperationState.FAILED
    ]
    if captures and all(one.state == OperationState.SETTLED for one in captures):
        _tell_intent(payment, Event.SETTLE, context, origin)


def _tell_intent(
    payment: Payment, event: Event, context: Context, origin: Origin, *, failure_code: str = ""
) -> bool:
    decision = decide_for(payment, event)
    if decision.transition is None:
        record_no_op(payment, event, context, origin, reason=decision.reason)
        return False
    advance(payment, decision.transition, context, origin, failure_code=failure_code)
    return True


def apply_dispute(payment: Payment, word: Word, provider: str, context: Context, origin: Origin) -> Applied:
    """Apply what a processor says of a dispute; the first word of it makes the row.

    What comes too early waits. Another currency, or more than was captured, leads to a review.
    """
    event = _DISPUTE_EVENTS[word.status]
    row = Dispute.objects.filter(provider=provider, external_id=word.id).first()
    if _may_be_captured_yet(payment, word.amount):
        return Applied("waiting", "a capture is under way")
    wrong = _dispute_contradiction(payment, row, word)
    if wrong:
        if row is not None:
            record_no_op(row, event, context, origin, reason=wrong)
        to_review(payment, wrong, context, origin)
        return Applied("applied", f"review: {wrong}", public_id("pay", payment.pk))
    if row is None:
        if event not in (DisputeEvent.INQUIRE, DisputeEvent.OPEN):
            return Applied("waiting", "unknown dispute")
        return _open_dispute(payment, word, provider, event, context, origin)
    answer = Applied("applied", object_id=public_id("dsp", row.pk))
    decision = decide_for(row, event)
    if decision.transition is None and cards.DISPUTE.is_early(row.state, event):
        return Applied("waiting", f"dispute is {row.state}")
    if decision.transition is None:
        record_no_op(row, event, context, origin, reason=decision.reason)
        answer.result, answer.reason = "ignored", decision.reason
        return answer
    seq = _book_dispute(payment, row, CardStep(decision.transition.step), context)
    advance(
        row,
        decision.transition,
        context,
        origin,
        journal_seq=seq,
        evidence_due_at=word.evidence_due_at or row.evidence_due_at,
        ask_at=None,
    )
    return answer


def _dispute_contradiction(payment: Payment, row: Dispute | None, word: Word) -> str:
    if word.amount.currency != payment.currency:
        return "currency_differs"
    if row is not None and row.payment_id != payment.pk:
        return "external_id_taken"
    if row is not None and row.amount != word.amount:
        return "amount_differs"
    if word.amount > cards.captured(done_of(payment), payment.currency):
        return "exceeds_captured"
    return ""


def _may_be_captured_yet(payment: Payment, amount: Money) -> bool:
    """Tell whether captures under way would explain an amount that those we know of do not."""
    if amount.currency != payment.currency:
        return False
    done = done_of(payment)
    known = possible = cards.captured(done, payment.currency)
    for one in done:
        if one.type == "capture" and one.is_open:
            possible += one.amount
    return known < amount <= possible


def _open_dispute(
    payment: Payment, word: Word, provider: str, event: DisputeEvent, context: Context, origin: Origin
) -> Applied:
    row = Dispute(
        id=context.new_id(),
        organisation_id=payment.organisation_id,
        payment_id=payment.pk,
        provider=provider,
        external_id=word.id,
        amount_minor=word.amount.minor,
        currency=word.amount.currency,
        reason=word.reason,
        evidence_due_at=word.evidence_due_at,
        created_at=context.at,
    )
    step = cards.DISPUTE.decide(None, event).transition
    assert step is not None
    seq = _book_dispute(payment, row, CardStep(step.step), context)
    begin(row, event, context, origin, journal_seq=seq)
    return Applied("applied", object_id=public_id("dsp", row.pk))


def _book_dispute(payment: Payment, row: Dispute, step: CardStep, context: Context) -> int | None:
    if step is CardStep.NOTHING:
        return None
    books = books_of(payment)
    post = {
        CardStep.RESERVE: books.reserve_dispute,
        CardStep.GIVE_BACK: books.give_back,
        CardStep.SPEND: books.spend,
        CardStep.RESTORE: books.restore,
    }[step]
    return post(row.amount, context, row.external_id)


def object_of_reference(reference: str) -> Attempt | Operation | None:
    """Find an attempt or an operation of the open scope by our own reference."""
    for model, prefix in ((Attempt, "att"), (Operation, "opr")):
        if reference.startswith(f"{prefix}_"):
            try:
                key = parse_public_id(prefix, reference)
            except BadId:
                return None
            found: Attempt | Operation | None = model.objects.filter(pk=key).first()
            return found
    return None


def _failure(code: str) -> str:
    return Card().classify(code).code if code else "declined"


def _set(row: Attempt | Operation, **changes: Any) -> None:
    """Complete what is no part of the life: when to ask again, and an external id that was missing."""
    changed = {name: value for name, value in changes.items() if getattr(row, name) != value}
    if changed:
        for name, value in changed.items():
            setattr(row, name, value)
        type(row)._default_manager.filter(pk=row.pk).update(**changed)
