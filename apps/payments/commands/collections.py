"""Collections: money pulled under a mandate, ordered, told to the debtor, final when nobody can take it back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from apps.accounts import public as accounts
from apps.core.commands import Command, Context, handles
from apps.core.errors import Invalid, NotFound
from apps.core.ids import public_id
from apps.core.money import Money
from apps.payments import books
from apps.payments.calendar import calendar
from apps.payments.collecting import DEAD_STATES, amendment_was_told, options_of
from apps.payments.commands.approval import CancelPayment
from apps.payments.commands.checks import check_amount, usable_account
from apps.payments.commands.mandates import collection_policy
from apps.payments.commands.payouts import POLICY
from apps.payments.debits_store import collection_data
from apps.payments.domain.lifecycle import Event, Kind, State
from apps.payments.domain.mandates import (
    MandateNotUsable,
    MandateState,
    Recurrence,
    SequenceType,
    sequence_type,
)
from apps.payments.domain.references import REMITTANCE_MAX, clean_text, end_to_end_id
from apps.payments.events_debits import CollectionPrenotified
from apps.payments.lifecycle_store import Origin, advance, begin, decide_for, lock, lock_payment, record_no_op
from apps.payments.models import Counterparty, Payment, Rail
from apps.payments.models_debits import Collection, CollectionPolicy, Mandate
from apps.payments.rails import adapter
from apps.payments.rails.base import Instruction, Party
from apps.payments.rails.sepa_dd import SUBMIT_BUSINESS_DAYS
from apps.payments.routing import route_for

AHEAD_DAYS_MAX = 366
"""How far ahead a collection can be ordered."""


class TooSoon(Invalid):
    code = "collection_too_soon"
    title = "The debtor must be told, and the bank reached, before that day."


@dataclass(frozen=True)
class CreateCollection(Command):
    """Collect an amount under a mandate to one of our accounts.

    Without a date it is the first possible one. `sequence_type` is derived from the mandate; FRST and
    FNAL can be asked for.
    """

    mandate_id: UUID
    account_id: UUID
    amount: Money
    collection_date: date | None = None
    sequence_type: str = ""
    remittance: str = ""
    reference: str = ""


@handles(CreateCollection, name="payments.create_collection", version=1, permission="payments.write")
def create_collection(command: CreateCollection, context: Context) -> dict[str, Any]:
    """Order it; nothing is booked. It is approved at once unless the policy wants a second person.

    Locks the mandate, so that collections under it follow one another. Raises MandateNotUsable, TooSoon,
    NoCollectionPolicy, Invalid, and what the account refuses.
    """
    assert command.organisation_id is not None
    check_amount(command.amount)
    if command.amount.currency != "EUR":
        raise Invalid(field="amount.currency", reason="SEPA direct debits are in euro")
    mandate = _usable_mandate(command, context)
    account = usable_account(
        command.organisation_id, command.account_id, command.amount.currency, incoming=True
    )
    policy = collection_policy(command.organisation_id)
    collection = _collection(command, mandate, policy, context)
    payment = _payment(command, collection, mandate, context)
    books.reserve_of(account)
    begin(payment, Event.ORDER, context, Origin(context.actor.kind))
    collection.save(force_insert=True)
    if policy.approval_above_minor is None or payment.amount_minor <= policy.approval_above_minor:
        transition = decide_for(payment, Event.APPROVE).transition
        assert transition is not None
        advance(payment, transition, context, Origin("policy"), approved_by=POLICY)
    return collection_data(payment, collection)


@dataclass(frozen=True)
class CancelCollection(Command):
    """Take a collection back that has not left yet."""

    payment_id: UUID
    reason: str = ""


@handles(CancelCollection, name="payments.cancel_collection", version=1, permission="payments.write")
def cancel_collection(command: CancelCollection, context: Context) -> dict[str, Any]:
    """Cancel it as any payment. Raises NotFound for a payment that is no collection, IllegalTransition."""
    payment = lock_payment(command.payment_id, organisation_id=command.organisation_id)
    collection = collection_of(payment)
    context.run(CancelPayment(command.organisation_id, command.payment_id, command.reason))
    payment.refresh_from_db()
    return collection_data(payment, collection)


@dataclass(frozen=True)
class PrenotifyCollection(Command):
    """Tell what will be collected, so that the debtor can be told. Due days before the collection."""

    payment_id: UUID


@handles(PrenotifyCollection, name="payments.prenotify_collection", version=1, permission="payments.settle")
def prenotify_collection(command: PrenotifyCollection, context: Context) -> dict[str, Any]:
    """Emit the event, once; a collection that will not leave any more is passed over."""
    payment = lock_payment(command.payment_id, organisation_id=command.organisation_id)
    collection = collection_of(payment)
    waits = payment.state in (State.ORDERED, State.APPROVED)
    if not waits or collection.prenotified_at is not None:
        return {**collection_data(payment, collection), "applied": False}
    collection.prenotified_at = context.at
    collection.save(update_fields=["prenotified_at"])
    context.emit(
        CollectionPrenotified(
            payment_id=public_id("pay", payment.pk),
            mandate_id=public_id("mdt", collection.mandate_id) if collection.mandate_id else "",
            mandate_reference=collection.reference,
            creditor_id=collection.creditor_id,
            creditor_name=collection.creditor_name,
            counterparty_id=public_id("cpt", payment.counterparty_id) if payment.counterparty_id else "",
            amount=payment.amount.decimal_text(),
            currency=payment.currency,
            collection_date=collection.collection_date.isoformat(),
            sequence_type=collection.sequence_type,
        ),
        organisation_id=payment.organisation_id,
    )
    context.note("payment", public_id("pay", payment.pk), prenotified=True)
    return {**collection_data(payment, collection), "applied": True}


@dataclass(frozen=True)
class FinaliseCollection(Command):
    """Give a settled collection's money free, after the time in which it could be taken back."""

    payment_id: UUID


@handles(FinaliseCollection, name="payments.finalise_collection", version=1, permission="payments.settle")
def finalise_collection(command: FinaliseCollection, context: Context) -> dict[str, Any]:
    """Post reserve → account. What came back meanwhile is recorded and changes nothing; so is what is not due.

    Of what the account's holder owes us for collections taken back, as much is paid first.
    """
    payment = lock_payment(command.payment_id, organisation_id=command.organisation_id)
    collection = collection_of(payment)
    decision = decide_for(payment, Event.FINALISE)
    origin = Origin("job")
    if decision.transition is None:
        record_no_op(payment, Event.FINALISE, context, origin, reason=decision.reason)
        return {**collection_data(payment, collection), "applied": False}
    if collection.reserved_until is None or collection.reserved_until > context.at.date():
        return {**collection_data(payment, collection), "applied": False}
    account = accounts.payment_account(payment.account_id)
    journal_seq = books.free_reserve(payment, account, effective=context.at.date(), context=context)
    advance(payment, decision.transition, context, origin, journal_seq=journal_seq)
    collection.reserved_until = None
    collection.save(update_fields=["reserved_until"])
    return {**collection_data(payment, collection), "applied": True, "journal": journal_seq}


def collection_of(payment: Payment) -> Collection:
    """Return what a payment is besides, as a collection. Raises NotFound."""
    row = Collection.objects.filter(pk=payment.pk).first()
    if row is None:
        raise NotFound(object="collection", id=public_id("pay", payment.pk))
    return row


def _usable_mandate(command: CreateCollection, context: Context) -> Mandate:
    mandate = lock(Mandate, command.mandate_id, organisation_id=command.organisation_id)
    if mandate.state != MandateState.ACTIVE:
        raise MandateNotUsable(state=mandate.state)
    if mandate.lapses_on is not None and mandate.lapses_on <= context.at.date():
        raise MandateNotUsable(reason="it has lapsed", lapsed_on=mandate.lapses_on.isoformat())
    return mandate


def _collection(
    command: CreateCollection, mandate: Mandate, policy: CollectionPolicy, context: Context
) -> Collection:
    assert mandate.signed_on is not None, "an active mandate is signed"
    day = _collection_day(command.collection_date, mandate, context)
    amended = mandate.amended_at is not None and not amendment_was_told(mandate)
    return Collection(
        id=context.new_id(),
        organisation_id=mandate.organisation_id,
        mandate_id=mandate.pk,
        scheme=mandate.scheme,
        sequence_type=sequence_type(
            Recurrence(mandate.recurrence), command.sequence_type, _earlier(mandate)
        ).value,
        reference=mandate.reference,
        signed_on=mandate.signed_on,
        creditor_id=mandate.creditor_id,
        creditor_name=policy.creditor_name,
        original_reference=mandate.original_reference if amended else "",
        original_creditor_id=mandate.original_creditor_id if amended else "",
        account_changed=mandate.account_changed and amended,
        collection_date=day,
        submit_on=calendar("TARGET").add(day, -SUBMIT_BUSINESS_DAYS),
        prenotify_on=max(day - timedelta(days=mandate.prenotification_days), context.at.date()),
    )


def _collection_day(asked: date | None, mandate: Mandate, context: Context) -> date:
    """Return the TARGET day to collect on, far enough ahead for the debtor and the bank. Raises TooSoon."""
    target = calendar("TARGET")
    today = context.at.date()
    told_by = today + timedelta(days=mandate.prenotification_days)
    reached_by = target.add(target.on_or_after(today), SUBMIT_BUSINESS_DAYS)
    earliest = target.on_or_after(max(told_by, reached_by))
    if asked is None:
        return earliest
    if asked > today + timedelta(days=AHEAD_DAYS_MAX):
        raise Invalid(field="collection_date", reason=f"more than {AHEAD_DAYS_MAX} days ahead")
    day = target.on_or_after(asked)
    if day < earliest:
        raise TooSoon(field="collection_date", earliest=earliest.isoformat())
    return day


def _earlier(mandate: Mandate) -> list[tuple[State, SequenceType]]:
    """Return what decides the next one's place: the living collections under the mandate, a few suffice."""
    rows = Collection.objects.filter(mandate_id=mandate.pk)
    living = Payment.objects.filter(pk__in=rows.values("pk")).exclude(state__in=DEAD_STATES)
    latest = list(living.order_by("-id").values_list("pk", "state")[:1])
    last = list(
        living.filter(pk__in=rows.filter(sequence_type=SequenceType.LAST.value).values("pk")).values_list(
            "pk", "state"
        )[:1]
    )
    states = dict(latest + last)
    return [(State(states[row.pk]), SequenceType(row.sequence_type)) for row in rows.filter(pk__in=states)]


def _payment(
    command: CreateCollection, collection: Collection, mandate: Mandate, context: Context
) -> Payment:
    debtor = Counterparty.objects.get(pk=mandate.counterparty_id)
    payment = Payment(
        id=collection.pk,
        organisation_id=mandate.organisation_id,
        kind=Kind.COLLECTION.value,
        rail=Rail.SEPA_DD,
        amount_minor=command.amount.minor,
        currency=command.amount.currency,
        account_id=command.account_id,
        counterparty_id=debtor.pk,
        settlement_account_id=route_for(command.amount.currency).id,
        subject_id=debtor.pk,
        end_to_end_id=end_to_end_id(collection.pk),
        remittance=clean_text(command.remittance, field="remittance", length_max=REMITTANCE_MAX) or None,
        reference=clean_text(command.reference, field="reference", length_max=70),
        ordered_by=str(context.actor),
        created_at=context.at,
    )
    _check_rail(payment, collection, debtor)
    return payment


def _check_rail(payment: Payment, collection: Collection, debtor: Counterparty) -> None:
    """Let the rail say what is wrong with the order, before anything is written. Raises Invalid."""
    instruction = Instruction(
        reference=payment.end_to_end_id,
        amount=payment.amount,
        debtor=Party(debtor.name.reveal(), debtor.account.reveal()),
        creditor=Party(collection.creditor_name, ""),
        options=options_of(collection),
    )
    findings = adapter(payment.rail).validate(instruction)
    if findings:
        raise Invalid(field=findings[0].code, reason=findings[0].message)
