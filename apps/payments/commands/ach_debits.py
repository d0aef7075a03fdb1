"""Debits by the ACH: authorised, prenoted, collected, presented again when there was no money."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from apps.core import tenancy
from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict, Invalid
from apps.core.ids import public_id
from apps.core.money import Money
from apps.payments import books
from apps.payments.ach_files import NoAchProfile
from apps.payments.ach_reserves import DEFAULT_RESERVE_BANKING_DAYS
from apps.payments.calendar import calendar
from apps.payments.collecting import DEAD_STATES
from apps.payments.commands.ach import CounterpartyStopped
from apps.payments.commands.checks import check_amount, usable_account
from apps.payments.commands.collections import collection_of
from apps.payments.commands.mandates import NoCollectionPolicy, clean_reference, free_reference
from apps.payments.commands.payouts import POLICY
from apps.payments.counterparties import current, us_counterparty
from apps.payments.debits_store import collection_data, mandate_data
from apps.payments.domain.lifecycle import Event, Kind, State
from apps.payments.domain.mandates import (
    ACH,
    MandateEvent,
    MandateNotUsable,
    MandateState,
    Recurrence,
    SequenceType,
    lapses_on,
)
from apps.payments.domain.prenotes import AUTHORISED_BY, PrenoteEvent, PrenoteState
from apps.payments.domain.references import REMITTANCE_MAX, ach_reference, clean_text
from apps.payments.domain.us_accounts import one_of
from apps.payments.formats.nacha.codes import DEBIT
from apps.payments.lifecycle_store import Origin, advance, begin, decide_for, lock, lock_payment
from apps.payments.models import AchProfile, Counterparty, Payment, Rail
from apps.payments.models_ach import EVIDENCE_MAX, AchAuthorisation, AchCollectionPolicy, Prenote
from apps.payments.models_debits import Collection, Mandate
from apps.payments.rails import adapter
from apps.payments.rails.ach import Ach, bank_day, sec_code_for
from apps.payments.rails.ach_codes import RETRIES_MAX, RETRY_DESCRIPTION, RETRY_WITHIN_DAYS
from apps.payments.rails.base import Action, Instruction, Party
from apps.payments.routing import route_for

RESERVE_BANKING_DAYS_MAX = 60


class NotToBeRetried(Conflict):
    code = "not_to_be_retried"
    title = "Only a debit that came back for lack of money is presented again, twice within 180 days."


@dataclass(frozen=True)
class SetAchCollectionPolicy(Command):
    """Let an organisation debit by the ACH, and say for how many banking days its money is reserved.

    `automatic_retries` is how often the clock presents again what came back for lack of money; None
    leaves that as it is, at first 0.
    """

    reserve_banking_days: int = DEFAULT_RESERVE_BANKING_DAYS
    approval_above_minor: int | None = None
    automatic_retries: int | None = None


@handles(
    SetAchCollectionPolicy,
    name="payments.set_ach_collection_policy",
    version=1,
    permission="platform.configure",
)
def set_ach_collection_policy(command: SetAchCollectionPolicy, context: Context) -> dict[str, Any]:
    """Store it; it holds for what is ordered, and what settles, from now on. Raises Invalid."""
    assert command.organisation_id is not None
    if not 0 <= command.reserve_banking_days <= RESERVE_BANKING_DAYS_MAX:
        raise Invalid(field="reserve_banking_days", minimum=0, maximum=RESERVE_BANKING_DAYS_MAX)
    if command.approval_above_minor is not None and command.approval_above_minor < 0:
        raise Invalid(field="approval_above_minor", reason="negative")
    values: dict[str, Any] = {
        "reserve_banking_days": command.reserve_banking_days,
        "approval_above_minor": command.approval_above_minor,
    }
    if command.automatic_retries is not None:
        if not 0 <= command.automatic_retries <= RETRIES_MAX:
            raise Invalid(field="automatic_retries", minimum=0, maximum=RETRIES_MAX)
        values["automatic_retries"] = command.automatic_retries
    row, _ = AchCollectionPolicy.objects.update_or_create(
        organisation_id=command.organisation_id,
        defaults={**values, "changed_at": context.at},
        create_defaults={**values, "changed_at": context.at, "id": context.new_id()},
    )
    values["automatic_retries"] = row.automatic_retries
    context.note("ach_collection_policy", str(row.pk), **values)
    return values


@dataclass(frozen=True)
class UsDebtor:
    """Who lets us debit their account in the United States."""

    name: str
    routing_number: str
    account_number: str = field(repr=False)
    account_kind: str = "checking"
    holder: str = "person"


@dataclass(frozen=True)
class AuthoriseAchDebit(Command):
    """Record that somebody lets us debit their account: how (paper, internet, phone), when, what proves it.

    With `prenote` an entry without money goes first, and the first debit waits three banking days.
    """

    debtor: UsDebtor
    authorised_by: str
    signed_on: date
    evidence: str = field(repr=False)
    reference: str = ""
    recurrence: str = Recurrence.RECURRING.value
    prenote: bool = False


@handles(AuthoriseAchDebit, name="payments.authorise_ach_debit", version=1, permission="payments.write")
def authorise_ach_debit(command: AuthoriseAchDebit, context: Context) -> dict[str, Any]:
    """Record it as an active mandate. Raises NoCollectionPolicy, NoAchProfile, CounterpartyStopped, Invalid."""
    assert command.organisation_id is not None
    _policy(command.organisation_id)
    one_of(command.authorised_by, AUTHORISED_BY, field="authorised_by")
    one_of(command.recurrence, tuple(one.value for one in Recurrence), field="recurrence")
    if command.signed_on > bank_day(context.at):
        raise Invalid(field="signed_on", reason="in the future")
    debtor = _debtor(command, context)
    sec_code = sec_code_for(
        direction=DEBIT, payer=debtor.holder, payee="company", authorised_by=command.authorised_by
    )
    mandate = _mandate(command, debtor, context)
    begin(mandate, MandateEvent.SIGN, context, Origin(context.actor.kind))
    _keep_authorisation(command, mandate, context)
    prenote = _order_prenote(mandate, sec_code, context) if command.prenote else None
    return {**mandate_data(mandate), "sec_code": sec_code, "prenote": prenote.state if prenote else None}


def _debtor(command: AuthoriseAchDebit, context: Context) -> Counterparty:
    assert command.organisation_id is not None
    given = command.debtor
    debtor = us_counterparty(
        organisation_id=command.organisation_id,
        name=given.name,
        routing_number=given.routing_number,
        account_number=given.account_number,
        account_kind=given.account_kind,
        holder=one_of(given.holder, ("person", "company"), field="debtor.holder"),
        context=context,
    )
    _not_stopped(debtor)
    return debtor


def _mandate(command: AuthoriseAchDebit, debtor: Counterparty, context: Context) -> Mandate:
    assert command.organisation_id is not None
    key = context.new_id()
    reference = clean_reference(command.reference or public_id("mdt", key).upper().replace("_", "-"))
    free_reference(command.organisation_id, reference)
    return Mandate(
        id=key,
        organisation_id=command.organisation_id,
        reference=reference,
        scheme=ACH,
        recurrence=command.recurrence,
        creditor_id=_company().company_id,
        counterparty_id=debtor.pk,
        prenotification_days=0,
        signed_on=command.signed_on,
        lapses_on=lapses_on(command.signed_on, None),
        created_at=context.at,
    )


def _keep_authorisation(command: AuthoriseAchDebit, mandate: Mandate, context: Context) -> None:
    AchAuthorisation.objects.create(
        id=context.new_id(),
        organisation_id=mandate.organisation_id,
        mandate_id=mandate.pk,
        authorised_by=command.authorised_by,
        evidence=clean_text(command.evidence, field="evidence", length_max=EVIDENCE_MAX, required=True),
        subject_id=mandate.counterparty_id,
        authorised_at=context.at,
    )


def _order_prenote(mandate: Mandate, sec_code: str, context: Context) -> Prenote:
    row = Prenote(
        id=context.new_id(),
        organisation_id=mandate.organisation_id,
        mandate_id=mandate.pk,
        counterparty_id=mandate.counterparty_id,
        sec_code=sec_code,
        created_at=context.at,
    )
    begin(row, PrenoteEvent.ORDER, context, Origin(context.actor.kind))
    return row


@dataclass(frozen=True)
class CollectByAch(Command):
    """Debit an amount under an ACH mandate, for one of our accounts. `same_day` as for payouts."""

    mandate_id: UUID
    account_id: UUID
    amount: Money
    remittance: str = ""
    reference: str = ""
    same_day: bool = False


@handles(CollectByAch, name="payments.collect_by_ach", version=1, permission="payments.write")
def collect_by_ach(command: CollectByAch, context: Context) -> dict[str, Any]:
    """Order it; nothing is booked before the bank pays. Approved at once unless the policy wants a second person.

    Locks the mandate. Raises MandateNotUsable, CounterpartyStopped, NoCollectionPolicy, Invalid.
    """
    assert command.organisation_id is not None
    check_amount(command.amount)
    mandate = lock(Mandate, command.mandate_id, organisation_id=command.organisation_id)
    _usable(mandate, context)
    order = _Order(
        command.organisation_id,
        mandate,
        command.account_id,
        command.amount,
        clean_text(command.remittance, field="remittance", length_max=REMITTANCE_MAX),
        clean_text(command.reference, field="reference", length_max=70),
        {"same_day": True} if command.same_day else {},
    )
    return _collect(order, context)


@dataclass(frozen=True)
class RetryCollection(Command):
    """Present a debit again that came back for lack of money (R01, R09)."""

    payment_id: UUID


@handles(RetryCollection, name="payments.retry_collection", version=1, permission="payments.write")
def retry_collection(command: RetryCollection, context: Context) -> dict[str, Any]:
    """Order it anew, described as `RETRY PYMT`: at most twice, within 180 days of the first settlement.

    Locks the first debit. Raises NotToBeRetried, and what a new debit is refused for.
    """
    payment = lock_payment(command.payment_id, organisation_id=command.organisation_id)
    first = lock_payment(payment.parent_id) if payment.parent_id else payment
    under = Collection.objects.filter(pk=payment.pk).first()
    if under is None or under.mandate_id is None or payment.rail != Rail.ACH:
        raise NotToBeRetried(reason="it is no debit under an ACH mandate")
    _check_retry(payment, first, context)
    mandate = lock(Mandate, under.mandate_id)
    _usable(mandate, context, again=True)
    order = _Order(
        payment.organisation_id,
        mandate,
        payment.account_id,
        payment.amount,
        payment.remittance.reveal() if payment.remittance is not None else "",
        payment.reference,
        {"description": RETRY_DESCRIPTION},
        parent_id=first.pk,
    )
    return _collect(order, context)


def _check_retry(payment: Payment, first: Payment, context: Context) -> None:
    meaning = adapter(payment.rail).classify(payment.failure_code)
    if payment.state != State.RETURNED or meaning.action is not Action.RETRY:
        raise NotToBeRetried(state=payment.state, code=payment.failure_code)
    tries = Payment.objects.filter(parent_id=first.pk, kind=Kind.COLLECTION.value)
    if tries.exclude(state__in=DEAD_STATES).exists():
        raise NotToBeRetried(reason="it is presented again already")
    if tries.exclude(state__in=["cancelled", "declined"]).count() >= RETRIES_MAX:
        raise NotToBeRetried(reason="it was presented again twice", most=RETRIES_MAX)
    settled_on = collection_of(first).presented_for
    if settled_on is None or bank_day(context.at) > settled_on + timedelta(days=RETRY_WITHIN_DAYS):
        raise NotToBeRetried(reason="the 180 days have passed", days=RETRY_WITHIN_DAYS)


@dataclass(frozen=True, slots=True)
class _Order:
    """A debit to order."""

    organisation_id: UUID
    mandate: Mandate
    account_id: UUID
    amount: Money
    remittance: str
    reference: str
    options: dict[str, Any]
    parent_id: UUID | None = None


def _collect(order: _Order, context: Context) -> dict[str, Any]:
    policy = _policy(order.organisation_id)
    if order.amount.currency != "USD":
        raise Invalid(field="amount.currency", reason="ACH debits are in US dollars")
    account = usable_account(order.organisation_id, order.account_id, order.amount.currency, incoming=True)
    debtor = current(Counterparty.objects.get(pk=order.mandate.counterparty_id), at=context.at)
    _not_stopped(debtor)
    payment = _payment(order, debtor, context)
    _check_rail(payment, debtor, order, context)
    books.reserve_of(account)
    begin(payment, Event.ORDER, context, Origin(context.actor.kind))
    collection = _collection(payment, order, context)
    collection.save(force_insert=True)
    if policy.approval_above_minor is None or payment.amount_minor <= policy.approval_above_minor:
        transition = decide_for(payment, Event.APPROVE).transition
        assert transition is not None
        advance(payment, transition, context, Origin("policy"), approved_by=POLICY)
    return collection_data(payment, collection)


def _payment(order: _Order, debtor: Counterparty, context: Context) -> Payment:
    key = context.new_id()
    return Payment(
        id=key,
        organisation_id=order.organisation_id,
        kind=Kind.COLLECTION.value,
        rail=Rail.ACH,
        amount_minor=order.amount.minor,
        currency=order.amount.currency,
        account_id=order.account_id,
        counterparty_id=debtor.pk,
        settlement_account_id=route_for(order.amount.currency).id,
        parent_id=order.parent_id,
        subject_id=debtor.pk,
        end_to_end_id=ach_reference(key),
        rail_options=order.options,
        remittance=order.remittance or None,
        reference=order.reference,
        ordered_by=str(context.actor),
        created_at=context.at,
    )


def _collection(payment: Payment, order: _Order, context: Context) -> Collection:
    assert order.mandate.signed_on is not None, "an ACH mandate is signed from its beginning"
    company, today = _company(), context.at.date()
    once = order.mandate.recurrence == Recurrence.ONE_OFF
    return Collection(
        id=payment.pk,
        organisation_id=payment.organisation_id,
        mandate_id=order.mandate.pk,
        scheme=ACH,
        sequence_type=(SequenceType.ONE_OFF if once else SequenceType.RECURRENT).value,
        reference=order.mandate.reference,
        signed_on=order.mandate.signed_on,
        creditor_id=company.company_id,
        creditor_name=company.company_name,
        collection_date=first_effective_date(context),
        submit_on=today,
        prenotify_on=today,
        prenotified_at=context.at,  # the authorisation says when and how much: nobody is told once more
    )


def first_effective_date(context: Context) -> date:
    """Return the day on which a debit ordered now takes effect, as an ordinary entry."""
    rail = adapter("ach")
    assert isinstance(rail, Ach)
    return rail.effective_date(context.at, calendar("FED"), DEBIT)


def _usable(mandate: Mandate, context: Context, *, again: bool = False) -> None:
    if mandate.scheme != ACH:
        raise MandateNotUsable(reason="it is not one of the ACH", scheme=mandate.scheme)
    if mandate.state != MandateState.ACTIVE:
        raise MandateNotUsable(state=mandate.state)
    if mandate.lapses_on is not None and mandate.lapses_on <= context.at.date():
        raise MandateNotUsable(reason="it has lapsed", lapsed_on=mandate.lapses_on.isoformat())
    prenote = Prenote.objects.filter(mandate_id=mandate.pk).first()
    if prenote is not None and not _clear(prenote, bank_day(context.at)):
        clear_on = prenote.clear_on.isoformat() if prenote.clear_on else None
        raise MandateNotUsable(reason="its prenote is not clear", state=prenote.state, clear_on=clear_on)
    used = Collection.objects.filter(mandate_id=mandate.pk)
    living = Payment.objects.filter(pk__in=used.values("pk")).exclude(state__in=DEAD_STATES)
    if mandate.recurrence == Recurrence.ONE_OFF and not again and living.exists():
        raise MandateNotUsable(reason="its one collection was made")


def _clear(prenote: Prenote, today: date) -> bool:
    return prenote.state == PrenoteState.SENT and prenote.clear_on is not None and prenote.clear_on <= today


def _not_stopped(debtor: Counterparty) -> None:
    if debtor.stopped_code:
        raise CounterpartyStopped(code=debtor.stopped_code, counterparty_id=public_id("cpt", debtor.pk))


def _check_rail(payment: Payment, debtor: Counterparty, order: _Order, context: Context) -> None:
    said = AchAuthorisation.objects.filter(mandate_id=order.mandate.pk).first()
    sec_code = sec_code_for(
        direction=DEBIT,
        payer=debtor.holder,
        payee="company",
        authorised_by=said.authorised_by if said is not None else "",
    )
    findings = adapter(Rail.ACH).validate(
        Instruction(
            reference=payment.end_to_end_id,
            amount=payment.amount,
            debtor=Party(debtor.name.reveal(), debtor.account.reveal(), debtor.routing_number),
            creditor=Party("", ""),
            remittance=order.remittance,
            options={
                "direction": DEBIT,
                "sec_code": sec_code,
                "account_kind": debtor.account_kind,
                "same_day": order.options.get("same_day", False),
                "on": bank_day(context.at),
            },
        )
    )
    if findings:
        raise Invalid(field=findings[0].place, reason=findings[0].message, rule=findings[0].code)


def _policy(organisation_id: UUID) -> AchCollectionPolicy:
    row = AchCollectionPolicy.objects.filter(organisation_id=organisation_id).first()
    if row is None:
        raise NoCollectionPolicy
    return row


def _company() -> AchProfile:
    route = route_for("USD")
    with tenancy.scope(tenancy.PLATFORM):
        row = AchProfile.objects.filter(settlement_account_id=route.id).first()
    if row is None:
        raise NoAchProfile
    return row
