"""Card payments as they are ordered: created, tried again, captured, given up, refunded, reviewed, expired.

Nothing here calls the processor: a request is `prepared` and committed; `card_calls` sends it and applies
the answer by a second command.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict, Invalid, Refusal
from apps.core.ids import public_id
from apps.core.money import CurrencyMismatch, Money
from apps.payments.card_books import open_merchant_accounts
from apps.payments.card_routing import processor_for
from apps.payments.card_store import (
    CREATED_FOR,
    attempt_told,
    details_of,
    done_of,
    latest_attempt,
    prepare_attempt,
    prepare_operation,
    settle_if_all_is,
    void_orphan,
)
from apps.payments.commands.checks import check_amount, usable_account
from apps.payments.domain import cards
from apps.payments.domain.card_numbers import check_card_token, refuse_card_number
from apps.payments.domain.cards import AttemptEvent, AttemptState, OperationType
from apps.payments.domain.lifecycle import Event, Kind, State
from apps.payments.domain.references import REMITTANCE_MAX, clean_text, end_to_end_id
from apps.payments.domain.refunds import ExceedsRefundable
from apps.payments.lifecycle_store import Origin, advance, begin, decide_for, lock_payment
from apps.payments.models import Payment, Rail
from apps.payments.models_cards import Attempt, CardDetails, Operation
from apps.payments.rails.base import Action
from apps.payments.rails.card import Card, retry_at
from apps.payments.representation import operation_data, payment_data

EXPIRE_BATCH_MAX = 200


class NotACard(Conflict):
    code = "not_a_card_payment"
    title = "This can be done to card payments only."


class NothingAuthorised(Conflict):
    code = "nothing_authorised"
    title = "There is no authorised amount to do this with."


class OperationUnderWay(Conflict):
    code = "operation_under_way"
    title = "An operation on this payment is under way; look again when it has ended."


class RetryAdvised(Refusal):
    code = "retry_not_advised"
    title = "The issuer's answer says not to try this card again, or not yet."


@dataclass(frozen=True)
class CreateCardPayment(Command):
    """Take an amount from a card for one of the organisation's accounts.

    `card_token` is the processor's token (tok_…), never a card number. `capture` is automatic or manual.
    `return_url` is where the payer comes back to after authenticating.
    """

    account_id: UUID
    amount: Money
    card_token: str = field(repr=False)
    capture: str = cards.Capture.AUTOMATIC.value
    return_url: str = ""
    remittance: str = ""
    reference: str = ""


@handles(CreateCardPayment, name="payments.create_card_payment", version=1, permission="payments.write")
def create_card_payment(command: CreateCardPayment, context: Context) -> dict[str, Any]:
    """Record the intent and its first attempt, which is not sent yet. Answers {payment…, next}.

    Raises CardNumberRefused, BadCardToken, NoProcessor, and what the account refuses.
    """
    assert command.organisation_id is not None
    check_amount(command.amount)
    token = check_card_token(command.card_token)
    if command.capture not in set(cards.Capture):
        raise Invalid(field="capture", allowed=sorted(one.value for one in cards.Capture))
    currency = command.amount.currency
    account = usable_account(command.organisation_id, command.account_id, currency, incoming=True)
    processor = processor_for(currency)
    key = context.new_id()
    payment = Payment(
        id=key,
        organisation_id=command.organisation_id,
        kind=Kind.CARD.value,
        rail=Rail.CARD,
        amount_minor=command.amount.minor,
        currency=currency,
        account_id=command.account_id,
        subject_id=command.organisation_id,
        end_to_end_id=end_to_end_id(key),
        remittance=_text(command.remittance, "remittance", REMITTANCE_MAX) or None,
        reference=_text(command.reference, "reference", 70),
        provider=processor.name,
        ordered_by=str(context.actor),
        created_at=context.at,
    )
    pending_id, owed_id = open_merchant_accounts(account, str(context.actor))
    begin(payment, Event.ORDER, context, Origin(context.actor.kind))
    details = CardDetails.objects.create(
        id=key,
        organisation_id=command.organisation_id,
        processor_id=processor.id,
        provider=processor.name,
        capture=command.capture,
        return_url=_return_url(command.return_url),
        pending_id=pending_id,
        owed_id=owed_id,
        expires_at=context.at + CREATED_FOR,
    )
    attempt = prepare_attempt(payment, details, token, context)
    return {**payment_data(payment), "next": [public_id("att", attempt.pk)]}


@dataclass(frozen=True)
class RetryCardPayment(Command):
    """Try a failed card payment again, with another token or, where the issuer allows it, the same."""

    payment_id: UUID
    card_token: str = field(repr=False)


@handles(RetryCardPayment, name="payments.retry_card_payment", version=1, permission="payments.write")
def retry_card_payment(command: RetryCardPayment, context: Context) -> dict[str, Any]:
    """Prepare the next attempt. Raises RetryAdvised, TooMany, IllegalTransition while one is under way."""
    payment = _lock_card(command.payment_id, command.organisation_id)
    token = check_card_token(command.card_token)
    transition = decide_for(payment, Event.RETRY).transition
    assert transition is not None, "a retry is asked for, never late"
    latest = latest_attempt(payment)
    if latest is not None and latest.card_token == token:
        _check_advice(latest, context)
    advance(payment, transition, context, Origin(context.actor.kind), failure_code="")
    CardDetails.objects.filter(pk=payment.pk).update(expires_at=context.at + CREATED_FOR)
    attempt = prepare_attempt(payment, details_of(payment), token, context)
    return {**payment_data(payment), "next": [public_id("att", attempt.pk)]}


def _check_advice(latest: Attempt, context: Context) -> None:
    advice = Card().classify(latest.code)
    allowed_from = retry_at(latest.code, latest.changed_at)
    if advice.action is Action.STOP or (allowed_from is not None and context.at < allowed_from):
        raise RetryAdvised(
            code=advice.code,
            advice=advice.action.value,
            not_before=allowed_from.isoformat() if allowed_from else None,
        )


@dataclass(frozen=True)
class CaptureCardPayment(Command):
    """Capture what was authorised, or a part; after a `final` capture the rest is given up."""

    payment_id: UUID
    amount: Money | None = None
    final: bool = False


@handles(CaptureCardPayment, name="payments.capture_card_payment", version=1, permission="payments.write")
def capture_card_payment(command: CaptureCardPayment, context: Context) -> dict[str, Any]:
    """Prepare a capture. Raises NothingAuthorised, ExceedsAuthorised, CurrencyMismatch, TooMany.

    Locks the payment, so that captures of it follow one another.
    """
    payment = _lock_card(command.payment_id, command.organisation_id)
    attempt = _authorised(payment, State.AUTHORISED, State.PARTIALLY_CAPTURED)
    left = cards.capturable(payment.amount, done_of(payment))
    amount = command.amount if command.amount is not None else left
    _check_currency(payment, amount)
    if amount.minor <= 0 or amount > left:
        if command.amount is not None:
            check_amount(amount)
        raise cards.ExceedsAuthorised(capturable=left.minor, asked=amount.minor, currency=left.currency)
    operation = prepare_operation(
        payment,
        attempt,
        OperationType.CAPTURE,
        amount,
        context,
        origin=context.actor.kind,
        final=command.final or amount == left,
    )
    return {**operation_data(operation), "next": [public_id("opr", operation.pk)]}


def cancel_card(payment: Payment, reason: str, context: Context) -> dict[str, Any]:
    """Take a locked card payment back: at once before it is authorised, else by a void at the processor.

    An authorisation that still arrives for a cancelled payment is voided. Raises OperationUnderWay,
    IllegalTransition.
    """
    refuse_card_number(reason, field="reason")
    if payment.state not in (State.AUTHORISED, State.PARTIALLY_CAPTURED):
        transition = decide_for(payment, Event.CANCEL).transition
        assert transition is not None, "cancelling is asked for, never late"
        advance(payment, transition, context, Origin(context.actor.kind, reason=reason))
        return {**payment_data(payment), "next": _give_up_prepared(payment, context)}
    attempt = _authorised(payment, State.AUTHORISED, State.PARTIALLY_CAPTURED)
    done = done_of(payment)
    if any(one.is_open for one in done if one.type in ("capture", "void")):
        raise OperationUnderWay(id=public_id("pay", payment.pk))
    left = cards.capturable(payment.amount, done)
    if left.minor <= 0:
        raise NothingAuthorised(id=public_id("pay", payment.pk))
    operation = prepare_operation(
        payment, attempt, OperationType.VOID, left, context, origin=context.actor.kind, reason=reason
    )
    return {**payment_data(payment), "next": [public_id("opr", operation.pk)]}


def _give_up_prepared(payment: Payment, context: Context) -> list[str]:
    """End an attempt that was never sent, and void one that the processor has authorised unasked."""
    latest = latest_attempt(payment)
    if latest is None:
        return []
    if latest.state == AttemptState.PREPARED:
        attempt_told(payment, latest, AttemptEvent.FAIL, context, Origin("policy"), code="not_sent")
        return []
    return void_orphan(payment, latest, context) if latest.state == AttemptState.AUTHORISED else []


def refund_card(paid: Payment, amount: Money, reason: str, context: Context) -> dict[str, Any]:
    """Prepare a refund of a locked card payment; its money is taken from the merchant now.

    Raises NothingAuthorised before anything was captured, ExceedsRefundable, CurrencyMismatch, TooMany,
    and the ledger's InsufficientFunds.
    """
    attempt = _authorised(paid, *cards.TAKES_MONEY)
    _check_currency(paid, amount)
    left = cards.refundable(done_of(paid), paid.currency)
    if amount > left:
        raise ExceedsRefundable(refundable=left.minor, asked=amount.minor, currency=amount.currency)
    text = _text(reason, "reason", REMITTANCE_MAX)
    usable_account(paid.organisation_id, paid.account_id, paid.currency)
    operation = prepare_operation(
        paid, attempt, OperationType.REFUND, amount, context, origin=context.actor.kind, reason=text
    )
    return {**operation_data(operation), "next": [public_id("opr", operation.pk)]}


@dataclass(frozen=True)
class ResolveCardReview(Command):
    """End a review, as a person: go on as attempts and operations say (`resume`), or give up (`abandon`)."""

    payment_id: UUID
    decision: str
    reason: str


@handles(ResolveCardReview, name="payments.resolve_card_review", version=1, permission="payments.resolve")
def resolve_card_review(command: ResolveCardReview, context: Context) -> dict[str, Any]:
    """Lead the payment out of review. Abandoning it is refused once something was captured.

    Raises Invalid, IllegalTransition, OperationUnderWay.
    """
    payment = _lock_card(command.payment_id, command.organisation_id)
    reason = _text(command.reason, "reason", 60, required=True)
    if command.decision not in ("resume", "abandon"):
        raise Invalid(field="decision", allowed=["resume", "abandon"])
    attempt, done = latest_attempt(payment), done_of(payment)
    is_authorised = attempt is not None and attempt.state == AttemptState.AUTHORISED
    if command.decision == "abandon" and any(one.type == "capture" and one.state != "failed" for one in done):
        raise OperationUnderWay(id=public_id("pay", payment.pk), reason="captured, or being captured")
    event = (
        Event.ABANDON
        if command.decision == "abandon"
        else cards.resume(payment.amount, done, is_authorised=is_authorised)
    )
    transition = decide_for(payment, event).transition
    assert transition is not None, "a decision is asked for, never late"
    origin = Origin(context.actor.kind, reason=reason)
    advance(payment, transition, context, origin, failure_code="")
    following: list[str] = []
    if event is Event.ABANDON:
        following = void_orphan(payment, attempt, context) if attempt is not None else []
    else:
        _ask_again(payment, context)
        settle_if_all_is(payment, context, origin)
    return {**payment_data(payment), "next": following}


def _ask_again(payment: Payment, context: Context) -> None:
    """Have what was set aside by the review asked about again."""
    in_doubt = {"sent", "unknown", "pending", "requires_action"}
    for model in (Attempt, Operation):
        model.objects.filter(payment_id=payment.pk, state__in=in_doubt, ask_at=None).update(ask_at=context.at)


@dataclass(frozen=True)
class ExpireIntents(Command):
    """Expire card payments that were not completed, or not captured, in time. For the platform."""

    limit: int = EXPIRE_BATCH_MAX


@handles(ExpireIntents, name="payments.expire_intents", version=1, permission="payments.batch")
def expire_intents(command: ExpireIntents, context: Context) -> dict[str, Any]:
    """Expire what is due, oldest first; what has an operation or an answer under way is left for later."""
    states = [State.CREATED, State.REQUIRES_ACTION, State.AUTHORISED, State.PARTIALLY_CAPTURED]
    # Skipping what others hold: they are about to change it.
    due = (
        Payment.objects.select_for_update(no_key=True, skip_locked=True)
        .filter(
            rail=Rail.CARD,
            pk__in=CardDetails.objects.filter(expires_at__lte=context.at).order_by("expires_at").values("pk"),
            state__in=[state.value for state in states],
        )
        .order_by("id")[: max(1, min(command.limit, EXPIRE_BATCH_MAX))]
    )
    expired = [public_id("pay", payment.pk) for payment in due if _expire(payment, context)]
    return {"expired": expired, "count": len(expired)}


def _expire(payment: Payment, context: Context) -> bool:
    attempt = latest_attempt(payment)
    in_doubt = attempt is not None and attempt.state in (AttemptState.SENT, AttemptState.UNKNOWN)
    if in_doubt or any(one.is_open for one in done_of(payment)):
        CardDetails.objects.filter(pk=payment.pk).update(expires_at=context.at + timedelta(minutes=10))
        return False
    transition = decide_for(payment, Event.EXPIRE).transition
    assert transition is not None
    origin = Origin("job", reason="expired")
    advance(payment, transition, context, origin)
    if attempt is not None and attempt.state in (AttemptState.PREPARED, AttemptState.REQUIRES_ACTION):
        code = "not_sent" if attempt.state == AttemptState.PREPARED else "authentication_failed"
        attempt_told(payment, attempt, AttemptEvent.FAIL, context, origin, code=code)
    settle_if_all_is(payment, context, origin)
    return True


def _lock_card(payment_id: UUID, organisation_id: UUID | None) -> Payment:
    payment = lock_payment(payment_id, organisation_id=organisation_id)
    if payment.kind != Kind.CARD:
        raise NotACard(id=public_id("pay", payment.pk), type=payment.kind)
    return payment


def _authorised(payment: Payment, *states: State) -> Attempt:
    attempt = latest_attempt(payment)
    if payment.state not in states or attempt is None or attempt.state != AttemptState.AUTHORISED:
        raise NothingAuthorised(id=public_id("pay", payment.pk), state=payment.state)
    return attempt


def _check_currency(payment: Payment, amount: Money) -> None:
    if amount.currency != payment.currency:
        raise CurrencyMismatch(expected=payment.currency, given=amount.currency)


def _text(text: str, name: str, length_max: int, *, required: bool = False) -> str:
    return refuse_card_number(
        clean_text(text, field=name, length_max=length_max, required=required), field=name
    )


def _return_url(url: str) -> str:
    """Return an https address, or one of this machine. Raises Invalid, CardNumberRefused."""
    if not url:
        return ""
    refuse_card_number(url, field="return_url")
    try:
        address = urlsplit(url)
        local = address.hostname in ("localhost", "127.0.0.1")
    except ValueError:
        raise Invalid(field="return_url") from None
    if len(url) > 500 or not url.isascii() or not url.isprintable() or " " in url:
        raise Invalid(field="return_url")
    if not address.hostname or not (address.scheme == "https" or (address.scheme == "http" and local)):
        raise Invalid(field="return_url", reason="https")
    return url
