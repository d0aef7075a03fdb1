"""What became of a request to a card processor: marked as sent, answered, refused, lost, found again."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from apps.core.commands import Command, Context, handles
from apps.core.errors import Invalid, NotFound
from apps.core.ids import parse_public_id, public_id
from apps.payments.card_store import (
    Applied,
    apply_dispute,
    apply_word,
    attempt_told,
    next_look,
    object_of_reference,
    operation_told,
)
from apps.payments.domain.cards import AttemptEvent, AttemptState, OperationEvent, OperationState
from apps.payments.lifecycle_store import Origin, lock, lock_payment
from apps.payments.models import Payment
from apps.payments.models_cards import Attempt, Dispute, Operation
from apps.payments.rails.card import Word, read_word
from apps.payments.representation import dispute_data, operation_data, payment_or_card_data

NOT_FOUND_GRACE_S = 60
"""How long after sending a processor may not know our request yet: it may still be on its way."""


class Outcome(StrEnum):
    """What a call came to."""

    ANSWERED = "answered"  # with an object, of whatever status
    REFUSED = "refused"  # the processor will not do it, and says why
    NOT_SENT = "not_sent"  # no connection: nothing has left
    NO_ANSWER = "no_answer"  # it may or may not have arrived
    NOT_FOUND = "not_found"  # asked by our reference, the processor knows nothing of it


@dataclass(frozen=True)
class MarkCardSent(Command):
    """Claim a prepared request before it is sent: of two who want to send it, one may."""

    reference: str


@dataclass(frozen=True)
class ApplyCardOutcome(Command):
    """Apply what a call came to. `asked` tells an inquiry from the request itself; `word` is the object."""

    reference: str
    outcome: str
    asked: bool = False
    code: str = ""
    word: dict[str, Any] = field(default_factory=dict)


@handles(MarkCardSent, name="payments.mark_card_sent", version=1, permission="payments.settle")
def mark_card_sent(command: MarkCardSent, context: Context) -> dict[str, Any]:
    """Mark as sent. Raises IllegalTransition for what was claimed before, NotFound."""
    payment, row = _locked(command.reference, command.organisation_id)
    origin = Origin("job")
    if isinstance(row, Attempt):
        return attempt_told(payment, row, AttemptEvent.SEND, context, origin).data()
    return operation_told(payment, row, OperationEvent.SEND, context, origin).data()


@handles(ApplyCardOutcome, name="payments.apply_card_outcome", version=1, permission="payments.settle")
def apply_card_outcome(command: ApplyCardOutcome, context: Context) -> dict[str, Any]:
    """Apply the outcome to the attempt or operation. Answers {result, reason, object_id, next}.

    An answer that cannot be read is no answer. Raises NotFound.
    """
    payment, row = _locked(command.reference, command.organisation_id)
    outcome, origin = Outcome(command.outcome), Origin("inquiry" if command.asked else "call")
    if outcome is Outcome.ANSWERED:
        try:
            word = read_word(command.word)
        except Invalid:
            outcome = Outcome.NO_ANSWER
        else:
            answer = apply_word(payment, row, word, context, origin)
            _ask_later(row, command.asked, context)
            return answer.data()
    if outcome is Outcome.NOT_FOUND and (context.at - row.changed_at).total_seconds() < NOT_FOUND_GRACE_S:
        outcome = Outcome.NO_ANSWER
    code = command.code or ("not_received" if outcome is Outcome.NOT_FOUND else outcome.value)
    lost = outcome is Outcome.NO_ANSWER
    if lost and command.asked:
        _ask_later(row, command.asked, context)
        return Applied("ignored", "no answer", command.reference).data()
    if isinstance(row, Attempt):
        attempt_event = AttemptEvent.LOSE if lost else AttemptEvent.FAIL
        return attempt_told(payment, row, attempt_event, context, origin, code=code).data()
    event = OperationEvent.LOSE if lost else OperationEvent.FAIL
    return operation_told(payment, row, event, context, origin, code=code).data()


def _ask_later(row: Attempt | Operation, asked: bool, context: Context) -> None:
    """Look again after a pause that grows, as long as nothing final is known."""
    open_states = {
        *(AttemptState.SENT, AttemptState.UNKNOWN, AttemptState.REQUIRES_ACTION),
        *(OperationState.SENT, OperationState.UNKNOWN, OperationState.PENDING),
    }
    if row.state not in open_states or row.ask_at is None:
        return
    row.ask_at, row.asked = next_look(row.asked, context.at), row.asked + asked
    type(row)._default_manager.filter(pk=row.pk).update(ask_at=row.ask_at, asked=row.asked)


def _locked(reference: str, organisation_id: UUID | None) -> tuple[Payment, Attempt | Operation]:
    """Lock the payment of an attempt or operation and read it under that lock. Raises NotFound."""
    found = object_of_reference(reference)
    if found is None or found.organisation_id != organisation_id:
        raise NotFound(object="attempt or operation", id=reference[:40])
    payment = lock_payment(found.payment_id, organisation_id=organisation_id)
    found.refresh_from_db()
    return payment, found


def apply_provider_word(
    organisation_id: UUID, provider: str, word: Word, context: Context, origin: Origin
) -> Applied:
    """Apply a verified webhook's word. What it is about may not be here yet: then it waits.

    Raises Invalid for a reference of ours that belongs to another kind of object.
    """
    if word.object == "dispute":
        attempt = _attempt_of(provider, word.parent)
        if attempt is None:
            return Applied("waiting", "unknown authorisation")
        payment = lock_payment(attempt.payment_id, organisation_id=organisation_id)
        return apply_dispute(payment, word, provider, context, origin)
    row = _row_of(provider, word)
    if row is None or row.provider != provider:
        return Applied("waiting", f"unknown {word.object}")
    payment = lock_payment(row.payment_id, organisation_id=organisation_id)
    row.refresh_from_db()
    return apply_word(payment, row, word, context, origin)


def _row_of(provider: str, word: Word) -> Attempt | Operation | None:
    if word.reference:
        return object_of_reference(word.reference)
    model = Attempt if word.object == "authorisation" else Operation
    found: Attempt | Operation | None = model.objects.filter(provider=provider, external_id=word.id).first()
    return found


def _attempt_of(provider: str, authorisation: str) -> Attempt | None:
    return Attempt.objects.filter(provider=provider, external_id=authorisation).first()


@dataclass(frozen=True)
class TellCardOutcome(Command):
    """Tell how a card payment, an operation or a dispute stands, to be told the same under the same key."""

    object_id: str


@handles(TellCardOutcome, name="payments.tell_card_outcome", version=1, permission="payments.write")
def tell_card_outcome(command: TellCardOutcome, context: Context) -> dict[str, Any]:
    """Answer with the object as APIs show it. Raises NotFound, BadId."""
    kinds: dict[str, tuple[Any, Any]] = {
        "pay": (Payment, payment_or_card_data),
        "opr": (Operation, operation_data),
        "dsp": (Dispute, dispute_data),
    }
    model, tell = kinds.get(command.object_id[:3], kinds["pay"])
    key = parse_public_id(model.PREFIX, command.object_id)
    row = model._default_manager.filter(pk=key, organisation_id=command.organisation_id).first()
    if row is None:
        raise NotFound(object=model.OBJECT, id=command.object_id)
    answer: dict[str, Any] = tell(row)
    return answer


@dataclass(frozen=True)
class ApplyDisputeAnswer(Command):
    """The processor has taken our answer to a dispute (or not). `outcome` is what the call came to."""

    dispute_id: UUID
    outcome: str
    word: dict[str, Any] = field(default_factory=dict)


@handles(ApplyDisputeAnswer, name="payments.apply_dispute_answer", version=1, permission="payments.settle")
def apply_dispute_answer(command: ApplyDisputeAnswer, context: Context) -> dict[str, Any]:
    """Note that the answer arrived, or when to hand it in again; apply a decision that came with it."""
    found = Dispute.objects.filter(pk=command.dispute_id).first()
    if found is None:
        raise NotFound(object="dispute", id=public_id("dsp", command.dispute_id))
    payment = lock_payment(found.payment_id, organisation_id=command.organisation_id)
    row = lock(Dispute, command.dispute_id, organisation_id=command.organisation_id)
    delivered = command.outcome in (Outcome.ANSWERED, Outcome.REFUSED)
    row.ask_at, row.asked = None if delivered else next_look(row.asked, context.at), row.asked + 1
    Dispute.objects.filter(pk=row.pk).update(ask_at=row.ask_at, asked=row.asked)
    context.note("dispute", public_id("dsp", row.pk), outcome=command.outcome)
    if command.outcome == Outcome.ANSWERED:
        try:
            word = read_word(command.word)
        except Invalid:
            return Applied("applied", "delivered", public_id("dsp", row.pk)).data()
        if word.object == "dispute" and word.id == row.external_id and word.status in ("won", "lost"):
            return apply_dispute(payment, word, row.provider, context, Origin("call")).data()
    return Applied("applied", "delivered" if delivered else "again", public_id("dsp", row.pk)).data()
