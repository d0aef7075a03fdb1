"""Payouts on instant rails: written down before they leave, moved by what the bank tells, or by silence.

The call itself is not here: `payments.instant` commits one of these commands, calls, and applies the
answer by another one. One command applies an answer, an inquiry's answer and a late status alike.
Lock order: circuit → payment → ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from apps.accounts import public as accounts
from apps.core import tenancy
from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict, Denied, Invalid, NotFound, Refusal
from apps.core.ids import parse_public_id
from apps.core.money import Money
from apps.payments import books, circuits
from apps.payments.commands.ach import check_ach
from apps.payments.commands.withholding import withhold_stopped
from apps.payments.domain import retries
from apps.payments.domain.lifecycle import Event, State, Step
from apps.payments.domain.machine import Transition
from apps.payments.domain.references import clean_text
from apps.payments.domain.routing import Speed
from apps.payments.formats import FormatError
from apps.payments.fx_books import pays_from
from apps.payments.lifecycle_store import Origin, advance, decide_for, lock_payment, record_no_op
from apps.payments.models import Counterparty, Payment, Rail
from apps.payments.models_instant import InstantAttempt
from apps.payments.rail_choice import choose_rail
from apps.payments.rails import adapter, instant_rail, instant_rails
from apps.payments.rails.base import Action, Classified, InboundEvent, Told
from apps.payments.representation import payment_data
from apps.payments.routing import route_by_id

ANSWER, INQUIRY, LATE = "answer", "inquiry", "webhook"
"""How a status reached us: as the answer to our call, to our question, or on the bank's own account."""
INQUIRY_WAITS_S = (120, 600, 3_600)
"""After the first question: how long until the next ones. Then people take over."""
OTHER_RAIL_AFTER = timedelta(seconds=60)
"""How long an approved payout waits for its rail to work again, if it may take another one."""
STATUSES = frozenset({Told.ACCEPTED, Told.REJECTED, Told.PENDING})
IN_DOUBT = frozenset({State.SENT, State.UNKNOWN})
_Outcome = InstantAttempt.Outcome


class NotDue(Conflict):
    code = "not_due"
    title = "The next attempt of this payment is later."


class ForeignStatus(Conflict):
    code = "foreign_status"
    title = "The status names our message and another payment."


@dataclass(frozen=True)
class SendInstant(Command):
    """Take an approved payout to its instant rail: capture its hold and write down the attempt.

    For the platform. Whoever gets the answer makes the call, at once and once; if it fails to, the
    payment is asked about and never sent again blindly.
    """

    payment_id: UUID


@handles(SendInstant, name="payments.send_instant", version=1, permission="payments.batch")
def send_instant(command: SendInstant, context: Context) -> dict[str, Any]:
    """Move to sent, or withhold it if its account is not open: then the answer names no message.

    Raises CircuitOpen, NotDue, IllegalTransition (also when another was first).
    """
    rail = _rail_of(command.payment_id)
    circuits.admit(rail, at=context.at)
    payment = lock_payment(command.payment_id)
    transition = decide_for(payment, Event.SEND).transition
    assert transition is not None, "sending is asked for, never late"
    if payment.rail != rail or (payment.next_attempt_at is not None and payment.next_attempt_at > context.at):
        raise NotDue
    if not withhold_stopped([payment], context):
        return {**payment_data(payment), "message_id": "", "attempt": 0}
    attempt = _new_attempt(payment, context)
    (journal_seq,) = books.capture_many([payment], effective=context.at.date(), context=context)
    origin = Origin("job", attempt.message_id)
    advance(payment, transition, context, origin, journal_seq=journal_seq, next_attempt_at=None)
    return {**payment_data(payment), "message_id": attempt.message_id, "attempt": attempt.number}


def _rail_of(payment_id: UUID) -> str:
    rail = Payment.objects.filter(pk=payment_id).values_list("rail", flat=True).first()
    if rail is None:
        raise NotFound(object="payment")
    try:
        return instant_rail(rail).name
    except KeyError:
        raise Conflict(rail=rail, reason="not an instant rail") from None


def _new_attempt(payment: Payment, context: Context) -> InstantAttempt:
    number = InstantAttempt.objects.filter(payment_id=payment.pk).count() + 1
    first_s = instant_rail(payment.rail).first_inquiry_s
    return InstantAttempt.objects.create(
        id=context.new_id(),
        organisation_id=payment.organisation_id,
        payment_id=payment.pk,
        number=number,
        rail=payment.rail,
        message_id=f"{payment.end_to_end_id}-{number}",
        sent_at=context.at,
        inquire_at=context.at + timedelta(seconds=first_s),
    )


@dataclass(frozen=True)
class ApplyInstantStatus(Command):
    """Apply what the bank says of one attempt, by whatever way it came. For the platform.

    `told` is the rail adapter's word; `status_id` names the message that said it.
    """

    message_id: str
    end_to_end_id: str
    told: str
    source: str
    status_id: str
    code: str = ""
    amount: Money | None = None


@handles(ApplyInstantStatus, name="payments.apply_instant_status", version=1, permission="payments.batch")
def apply_instant_status(command: ApplyInstantStatus, context: Context) -> dict[str, Any]:
    """Move the payment. Answers with it, "applied", and why not. Raises NotFound, ForeignStatus.

    A repeated or late status is recorded and changes nothing. An amount or currency that is not what was
    sent leads to review, never into the books.
    """
    known = InstantAttempt.objects.filter(message_id=command.message_id).first()
    if known is None:
        raise NotFound(object="attempt", id=command.message_id)
    payment = lock_payment(known.payment_id)
    attempt = InstantAttempt.objects.get(pk=known.pk)
    if command.end_to_end_id and command.end_to_end_id != payment.end_to_end_id:
        raise ForeignStatus(message_id=command.message_id)
    told = _Told(payment, attempt, command, context)
    if command.amount is not None and command.amount != payment.amount:
        return told.move(Event.DOUBT, reason="amount_differs")
    if command.told == Told.ACCEPTED:
        return _accepted(told)
    if command.told == Told.REJECTED:
        return _rejected(told)
    return told.nothing("pending" if command.told == Told.PENDING else command.told)


def status_command(event: InboundEvent, source: str) -> ApplyInstantStatus:
    """Turn what a rail adapter has read into the command that applies it."""
    return ApplyInstantStatus(
        None,
        message_id=event.original_message_id,
        end_to_end_id=event.reference,
        told=event.told.value,
        source=source,
        status_id=event.message_id,
        code=event.code,
        amount=event.amount,
    )


def apply_bank_message(
    organisation_id: UUID, payload: dict[str, Any], context: Context
) -> tuple[UUID | None, str]:
    """Apply a bank's message that came by webhook: {"rail", "message"}, a pacs.002 as it is on the rail.

    Only a source of the operator's own speaks for our bank: a merchant who could would decide what
    became of their own payouts. Returns the payment and, if nothing was applied, why not. Raises Invalid,
    NotFound, ForeignStatus.
    """
    if accounts.operator().pk != organisation_id:
        return None, "not from our bank"
    rail, message = payload.get("rail"), payload.get("message")
    if not isinstance(rail, str) or rail not in instant_rails():
        raise Invalid(field="rail", allowed=instant_rails())
    if not isinstance(message, str):
        raise Invalid(field="message")
    try:
        events = instant_rail(str(rail)).parse_inbound(message.encode(errors="replace"))
    except FormatError as error:
        raise Invalid(field="message", reason=error.code) from None
    statuses = [event for event in events if event.told in STATUSES]
    if not statuses:
        return None, "no status of a payment"
    # The payments, and the events that tell of them, are other organisations'.
    tenancy.switch(tenancy.PLATFORM)
    for number, event in enumerate(statuses):
        answer = context.run(status_command(event, LATE), step=f"status:{number}")
    reason = "" if answer["applied"] else str(answer["reason"])
    return parse_public_id("pay", answer["id"]), reason


class _Told:
    """A status on its way into one locked payment."""

    def __init__(
        self, payment: Payment, attempt: InstantAttempt, command: ApplyInstantStatus, context: Context
    ) -> None:
        self.payment, self.attempt, self.command, self.context = payment, attempt, command, context
        later = InstantAttempt.objects.filter(payment_id=payment.pk, number__gt=attempt.number)
        self.is_latest = not later.exists()

    def nothing(self, reason: str) -> dict[str, Any]:
        """Say that the status tells nothing yet, or nothing that moves the payment."""
        return {**payment_data(self.payment), "applied": False, "reason": reason}

    def move(self, event: Event, *, reason: str = "", **changes: object) -> dict[str, Any]:
        """Apply the event by the table, with what its step books."""
        why = reason or self.command.code or self.command.told
        origin = Origin(_SOURCES[self.command.source], self.command.status_id, reason=why[:60])
        decision = decide_for(self.payment, event)
        if decision.transition is None:
            record_no_op(self.payment, event, self.context, origin, reason=decision.reason)
            return self.nothing(decision.reason)
        _walk(self.payment, decision.transition, origin, self.context, **changes)
        return {**payment_data(self.payment), "applied": True}

    def close(self, outcome: InstantAttempt.Outcome) -> None:
        """Write down what became of the attempt; nobody asks about it any more."""
        _close(self.attempt, outcome, self.command.code, self.context.at)


_SOURCES = {ANSWER: "answer", INQUIRY: "inquiry", LATE: "webhook"}


def _accepted(told: _Told) -> dict[str, Any]:
    if told.attempt.outcome in (_Outcome.REJECTED, _Outcome.NOT_SENT) or not told.is_latest:
        # The bank takes back its word, or what should never have left has arrived: a person looks.
        return told.move(Event.DOUBT, reason="accepted_after_rejection")
    told.close(_Outcome.ACCEPTED)
    return told.move(Event.ACCEPT)


def _rejected(told: _Told) -> dict[str, Any]:
    if told.attempt.outcome == _Outcome.REJECTED or not told.is_latest:
        return told.nothing("repeated")
    classified = adapter(told.attempt.rail).classify(told.command.code)
    if _is_no_rejection(classified, told.command.source):
        return told.move(Event.TIME_OUT)
    told.close(_Outcome.REJECTED)
    if told.payment.state in IN_DOUBT:
        return _after_failure(told.payment, told.attempt, classified.code, told)
    return told.move(Event.REJECT, failure_code=told.command.code[:35] or "RJCT")


def _is_no_rejection(classified: Classified, source: str) -> bool:
    """Tell whether the payment may have gone through behind the bank's "rejected".

    A time-out is believed only as the answer to an inquiry; "duplicate" says that the first copy is there.
    """
    return classified.code == "duplicate" or (classified.action is Action.INQUIRE and source != INQUIRY)


def _after_failure(payment: Payment, attempt: InstantAttempt, code: str, told: _Told) -> dict[str, Any]:
    """Reject the payment, or let the retry policy give it another attempt."""
    changes = _next_attempt(payment, code, told.context.at)
    if changes is None:
        return told.move(Event.REJECT, failure_code=told.command.code[:35] or "RJCT")
    return told.move(Event.RETRY, reason=code, **changes)


def _next_attempt(payment: Payment, code: str, at: datetime) -> dict[str, object] | None:
    """Return what changes for a further attempt: the moment, or the rail. None: there is none."""
    rails = list(InstantAttempt.objects.filter(payment_id=payment.pk).values_list("rail", flat=True))
    following = retries.next_step(
        code,
        on_this_rail=rails.count(payment.rail),
        in_all=len(rails),
        may_change_rail=not payment.rail_fixed,
    )
    if following.step is retries.Step.AGAIN:
        return {"next_attempt_at": at + timedelta(seconds=following.wait_s)}
    if following.step is retries.Step.STOP:
        return None
    rail = _other_rail(payment, set(rails), at)
    return {"rail": rail} if rail else None


def _other_rail(payment: Payment, tried: set[str], at: datetime) -> str | None:
    """Return a rail that has not been tried and can carry the payment now, or None."""
    try:
        rail = choose_rail(payment.amount, speed=Speed(payment.speed), tried=tried, at=at)
        if rail == Rail.ACH and payment.counterparty_id is not None:
            check_ach(payment, Counterparty.objects.get(pk=payment.counterparty_id), at=at)
    except Refusal:
        return None
    return rail


def _walk(
    payment: Payment, transition: Transition, origin: Origin, context: Context, **changes: object
) -> None:
    """Book the transition's step and move the payment."""
    journal_seq = None
    step = Step(transition.step)
    if step in (Step.UNDO, Step.HOLD_AGAIN):
        journal_seq = _give_back(payment, "payout_rejected" if step is Step.UNDO else "payout_again", context)
    if step is Step.HOLD_AGAIN:
        changes["hold_id"] = _hold_again(payment, context)
    if step is Step.CAPTURE:
        (journal_seq,) = books.capture_many([payment], effective=context.at.date(), context=context)
    advance(payment, transition, context, origin, journal_seq=journal_seq, **changes)


def _give_back(payment: Payment, kind: str, context: Context) -> int:
    assert payment.settlement_account_id is not None
    route = route_by_id(payment.settlement_account_id)
    account = accounts.payment_account(payment.account_id)
    pairs = ((route.clearing_out_id, pays_from(payment, account)),)
    return books.move(payment, kind, pairs, effective=context.at.date(), context=context)


def _hold_again(payment: Payment, context: Context) -> int:
    assert payment.settlement_account_id is not None
    route = route_by_id(payment.settlement_account_id)
    account = accounts.payment_account(payment.account_id)
    return books.hold_for(payment, account_id=pays_from(payment, account), route=route, context=context)


def _close(attempt: InstantAttempt, outcome: InstantAttempt.Outcome, code: str, at: datetime) -> None:
    attempt.outcome, attempt.code = outcome, code[:35]
    attempt.answered_at, attempt.inquire_at = at, None
    attempt.save(update_fields=["outcome", "code", "answered_at", "inquire_at"])


@dataclass(frozen=True)
class TakeOtherRail(Command):
    """Let an approved payout go by another rail, since its own does not work at the moment. For the platform."""

    payment_id: UUID


@handles(TakeOtherRail, name="payments.take_other_rail", version=1, permission="payments.batch")
def take_other_rail(command: TakeOtherRail, context: Context) -> dict[str, Any]:
    """Change the rail of what waits too long and names none; the event log keeps it. Nothing has been sent."""
    payment = lock_payment(command.payment_id)
    waited = context.at - payment.changed_at
    if payment.state != State.APPROVED or payment.rail_fixed or waited < OTHER_RAIL_AFTER:
        return {**payment_data(payment), "applied": False}
    rail = _other_rail(payment, {payment.rail}, context.at)
    if rail is None:
        return {**payment_data(payment), "applied": False}
    payment.rail = rail
    Payment.objects.filter(pk=payment.pk).update(rail=rail, next_attempt_at=None)
    record_no_op(payment, Event.SEND, context, Origin("job"), reason=f"other rail: {rail}")
    return {**payment_data(payment), "applied": True}


@dataclass(frozen=True)
class NoteNotSent(Command):
    """Record that an attempt certainly never reached the bank, so that it may be made again. For the platform."""

    message_id: str
    error: str


@handles(NoteNotSent, name="payments.note_not_sent", version=1, permission="payments.batch")
def note_not_sent(command: NoteNotSent, context: Context) -> dict[str, Any]:
    """Give the payment another attempt, on this rail or another, or reject it. A late word changes nothing."""
    payment, attempt = _locked(command.message_id)
    if attempt.outcome != _Outcome.NONE or payment.state not in IN_DOUBT:
        return {**payment_data(payment), "applied": False, "reason": "late"}
    _close(attempt, _Outcome.NOT_SENT, command.error, context.at)
    changes = _next_attempt(payment, "not_sent", context.at)
    event = Event.REJECT if changes is None else Event.RETRY
    transition = decide_for(payment, event).transition
    assert transition is not None, "a payment in doubt can be rejected and retried"
    origin = Origin("job", attempt.message_id, reason=f"not_sent {command.error}"[:60])
    _walk(payment, transition, origin, context, **(changes or {"failure_code": "not_sent"}))
    return {**payment_data(payment), "applied": True}


@dataclass(frozen=True)
class NoteSilence(Command):
    """The rail's limit has passed without an answer that tells something. For the platform."""

    message_id: str


@handles(NoteSilence, name="payments.note_silence", version=1, permission="payments.batch")
def note_silence(command: NoteSilence, context: Context) -> dict[str, Any]:
    """Move a sent payment to unknown, where its money stays in clearing."""
    payment, attempt = _locked(command.message_id)
    if attempt.outcome != _Outcome.NONE or payment.state != State.SENT:
        return {**payment_data(payment), "applied": False, "reason": "late"}
    transition = decide_for(payment, Event.TIME_OUT).transition
    assert transition is not None
    _walk(payment, transition, Origin("job", attempt.message_id), context)
    return {**payment_data(payment), "applied": True}


@dataclass(frozen=True)
class PlanInquiry(Command):
    """Write down that an attempt is about to be asked about, and when the next time is. For the platform."""

    message_id: str


@handles(PlanInquiry, name="payments.plan_inquiry", version=1, permission="payments.batch")
def plan_inquiry(command: PlanInquiry, context: Context) -> dict[str, Any]:
    """Count the question; silence becomes unknown first. "ask" says whether there is still a reason to."""
    payment, attempt = _locked(command.message_id)
    due = attempt.inquire_at is not None and attempt.inquire_at <= context.at
    if attempt.outcome != _Outcome.NONE or payment.state not in IN_DOUBT or not due:
        if attempt.inquire_at is not None and payment.state not in IN_DOUBT:
            attempt.inquire_at = None
            attempt.save(update_fields=["inquire_at"])
        return {"ask": False, "question_id": "", "state": payment.state}
    if payment.state == State.SENT:
        transition = decide_for(payment, Event.TIME_OUT).transition
        assert transition is not None
        _walk(payment, transition, Origin("job", attempt.message_id), context)
    attempt.inquiries += 1
    waits = INQUIRY_WAITS_S[attempt.inquiries - 1 : attempt.inquiries]
    attempt.inquire_at = context.at + timedelta(seconds=waits[0]) if waits else None
    attempt.save(update_fields=["inquiries", "inquire_at"])
    return {
        "ask": True,
        "question_id": f"Q{attempt.inquiries}{attempt.message_id}"[:35],
        "state": payment.state,
    }


def _locked(message_id: str) -> tuple[Payment, InstantAttempt]:
    known = InstantAttempt.objects.filter(message_id=message_id).first()
    if known is None:
        raise NotFound(object="attempt", id=message_id)
    payment = lock_payment(known.payment_id)
    return payment, InstantAttempt.objects.get(pk=known.pk)


@dataclass(frozen=True)
class ResolveReview(Command):
    """Decide, as a person who has asked the bank, whether a payment in review left or did not."""

    payment_id: UUID
    left: bool
    reason: str


@handles(ResolveReview, name="payments.resolve_review", version=1, permission="payments.resolve")
def resolve_review(command: ResolveReview, context: Context) -> dict[str, Any]:
    """Accept it, or reject it and give the money back. Raises Denied for whoever ordered it."""
    payment = lock_payment(command.payment_id, organisation_id=command.organisation_id)
    if payment.ordered_by == str(context.actor):
        raise Denied(reason="whoever ordered a payment does not decide its review")
    reason = clean_text(command.reason, field="reason", length_max=60, required=True)
    transition = decide_for(payment, Event.CONFIRM if command.left else Event.DENY).transition
    assert transition is not None, "a decision is asked for, never late"
    changes: dict[str, object] = {} if command.left else {"failure_code": "review_denied"}
    _walk(payment, transition, Origin(context.actor.kind, reason=reason), context, **changes)
    InstantAttempt.objects.filter(payment_id=payment.pk).update(inquire_at=None)
    return payment_data(payment)
