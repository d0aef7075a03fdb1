"""Mandates: recorded, signed, amended, suspended, cancelled; lapsed when nobody collects under them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict, Invalid
from apps.core.ids import public_id
from apps.payments.collecting import amendment_was_told
from apps.payments.counterparties import counterparty
from apps.payments.debits_store import mandate_data
from apps.payments.domain.mandates import (
    ACH,
    PRENOTIFICATION_DAYS,
    PRENOTIFICATION_DAYS_MAX,
    MandateEvent,
    MandateState,
    Recurrence,
    Scheme,
    lapses_on,
)
from apps.payments.domain.references import NAME_MAX, clean_text
from apps.payments.formats import FormatError
from apps.payments.formats.epc import check_identifier, is_creditor_identifier
from apps.payments.lifecycle_store import Origin, advance, begin, decide_for, lock, record_no_op
from apps.payments.models_debits import CollectionPolicy, Mandate

REASON_MAX = 60
"""How long the reason of a change is at most."""

RESERVE_DAYS_MAX = 400
"""Somewhat more than the 13 months in which an unauthorised collection can be claimed back."""


class NoCollectionPolicy(Conflict):
    code = "no_collection_policy"
    title = "The operator has not allowed this organisation to collect yet."


class MandateReferenceTaken(Conflict):
    code = "mandate_reference_taken"
    title = "There is a mandate with this reference already."


@dataclass(frozen=True)
class SetCollectionPolicy(Command):
    """Let an organisation collect, under its creditor identifier, and say how long its money is reserved."""

    creditor_id: str
    creditor_name: str
    core_reserve_days: int = 56
    b2b_reserve_days: int = 5
    approval_above_minor: int | None = None


@handles(
    SetCollectionPolicy, name="payments.set_collection_policy", version=1, permission="platform.configure"
)
def set_collection_policy(command: SetCollectionPolicy, context: Context) -> dict[str, Any]:
    """Store the policy; it holds for what is ordered, and what settles, from now on. Raises Invalid."""
    assert command.organisation_id is not None
    _reserve_days(command.core_reserve_days, field="core_reserve_days")
    _reserve_days(command.b2b_reserve_days, field="b2b_reserve_days")
    if command.approval_above_minor is not None and command.approval_above_minor < 0:
        raise Invalid(field="approval_above_minor", reason="negative")
    values = {
        "creditor_id": clean_creditor_id(command.creditor_id, field="creditor_id"),
        "creditor_name": clean_text(
            command.creditor_name, field="creditor_name", length_max=NAME_MAX, required=True
        ),
        "core_reserve_days": command.core_reserve_days,
        "b2b_reserve_days": command.b2b_reserve_days,
        "approval_above_minor": command.approval_above_minor,
        "changed_at": context.at,
    }
    row, _ = CollectionPolicy.objects.update_or_create(
        organisation_id=command.organisation_id,
        defaults=values,
        create_defaults={"id": context.new_id(), **values},
    )
    told: dict[str, Any] = {name: value for name, value in values.items() if name != "changed_at"}
    context.note("collection_policy", str(row.pk), **told)
    return told


@dataclass(frozen=True)
class MandateDebtor:
    """Who lets us collect. `country` and `town` go into the address the scheme asks for."""

    name: str
    iban: str
    country: str = ""
    town: str = ""


@dataclass(frozen=True)
class CreateMandate(Command):
    """Record a mandate. Without a day of signature it is a draft. Without a reference it gets ours."""

    debtor: MandateDebtor
    signed_on: date | None = None
    reference: str = ""
    scheme: str = Scheme.CORE.value
    recurrence: str = Recurrence.RECURRING.value
    prenotification_days: int = PRENOTIFICATION_DAYS


@dataclass(frozen=True)
class SignMandate(Command):
    """Say on which day a drafted mandate was signed."""

    mandate_id: UUID
    signed_on: date


@dataclass(frozen=True)
class AmendMandate(Command):
    """Change a mandate's reference or the debtor's account, or take over a new creditor identifier.

    What is empty stays as it is.
    """

    mandate_id: UUID
    reference: str = ""
    debtor: MandateDebtor | None = None
    new_creditor_id: bool = False


@dataclass(frozen=True)
class SuspendMandate(Command):
    """Collect nothing under a mandate until it is resumed."""

    mandate_id: UUID
    reason: str = ""


@dataclass(frozen=True)
class ResumeMandate(Command):
    """Collect under a suspended mandate again."""

    mandate_id: UUID


@dataclass(frozen=True)
class CancelMandate(Command):
    """End a mandate for good. What was ordered under it and has not left is not collected."""

    mandate_id: UUID
    reason: str = ""


@dataclass(frozen=True)
class ExpireMandate(Command):
    """Let a mandate lapse under which nothing was collected for 36 months; told by the clock."""

    mandate_id: UUID


@handles(CreateMandate, name="payments.create_mandate", version=1, permission="payments.write")
def create_mandate(command: CreateMandate, context: Context) -> dict[str, Any]:
    """Record it, active if it is signed.

    Raises NoCollectionPolicy, MandateReferenceTaken, Invalid, and the refusal of a wrong IBAN.
    """
    assert command.organisation_id is not None
    policy = collection_policy(command.organisation_id)
    scheme = _one_of(Scheme, command.scheme, field="scheme")
    recurrence = _one_of(Recurrence, command.recurrence, field="recurrence")
    if not 1 <= command.prenotification_days <= PRENOTIFICATION_DAYS_MAX:
        raise Invalid(field="prenotification_days", minimum=1, maximum=PRENOTIFICATION_DAYS_MAX)
    key = context.new_id()
    reference = clean_reference(command.reference or public_id("mdt", key).upper().replace("_", "-"))
    free_reference(command.organisation_id, reference)
    row = Mandate(
        id=key,
        organisation_id=command.organisation_id,
        reference=reference,
        scheme=scheme,
        recurrence=recurrence,
        creditor_id=policy.creditor_id,
        counterparty_id=_debtor(command.organisation_id, command.debtor, context),
        prenotification_days=command.prenotification_days,
        created_at=context.at,
    )
    event = MandateEvent.DRAFT
    if command.signed_on is not None:
        event, row.signed_on = MandateEvent.SIGN, _signed(command.signed_on, context)
        row.lapses_on = lapses_on(row.signed_on, None)
        _not_lapsed(row, context)
    begin(row, event, context, Origin(context.actor.kind))
    return mandate_data(row)


@handles(SignMandate, name="payments.sign_mandate", version=1, permission="payments.write")
def sign_mandate(command: SignMandate, context: Context) -> dict[str, Any]:
    """Make a draft active. Raises Invalid for a day to come or one that has lapsed already."""
    row = lock(Mandate, command.mandate_id, organisation_id=command.organisation_id)
    signed_on = _signed(command.signed_on, context)
    row.lapses_on = lapses_on(signed_on, None)
    _not_lapsed(row, context)
    return _move(row, MandateEvent.SIGN, "", context, signed_on=signed_on, lapses_on=row.lapses_on)


@handles(AmendMandate, name="payments.amend_mandate", version=1, permission="payments.write")
def amend_mandate(command: AmendMandate, context: Context) -> dict[str, Any]:
    """Change it; the next collection tells the debtor's bank what was before.

    Of several amendments between two collections it tells the first state, which the bank knows.
    """
    row = lock(Mandate, command.mandate_id, organisation_id=command.organisation_id)
    if row.scheme == ACH:
        raise Invalid(field="mandate", reason="in the ACH a changed authorisation is a new one")
    changes: dict[str, Any] = {}
    told = _told_since_amended(row)
    if command.reference and command.reference != row.reference:
        reference = clean_reference(command.reference)
        free_reference(row.organisation_id, reference)
        changes["reference"] = reference
        changes["original_reference"] = row.reference if told else row.original_reference or row.reference
    if command.debtor is not None:
        debtor = _debtor(row.organisation_id, command.debtor, context)
        if debtor != row.counterparty_id:
            changes["counterparty_id"], changes["account_changed"] = debtor, True
    if command.new_creditor_id:
        creditor_id = collection_policy(row.organisation_id).creditor_id
        if creditor_id != row.creditor_id:
            changes["creditor_id"] = creditor_id
            before = row.creditor_id
            changes["original_creditor_id"] = before if told else row.original_creditor_id or before
    if not changes:
        raise Invalid(field="mandate", reason="nothing would change")
    if told:  # what was amended before is known at the bank
        for name, empty in (
            ("original_reference", ""),
            ("original_creditor_id", ""),
            ("account_changed", False),
        ):
            changes.setdefault(name, empty)
    return _move(row, MandateEvent.AMEND, "", context, amended_at=context.at, **changes)


@handles(SuspendMandate, name="payments.suspend_mandate", version=1, permission="payments.write")
def suspend_mandate(command: SuspendMandate, context: Context) -> dict[str, Any]:
    """Suspend it."""
    row = lock(Mandate, command.mandate_id, organisation_id=command.organisation_id)
    return _move(row, MandateEvent.SUSPEND, command.reason, context)


@handles(ResumeMandate, name="payments.resume_mandate", version=1, permission="payments.write")
def resume_mandate(command: ResumeMandate, context: Context) -> dict[str, Any]:
    """Take a suspended mandate up again. Raises Invalid when it has lapsed meanwhile."""
    row = lock(Mandate, command.mandate_id, organisation_id=command.organisation_id)
    if row.state == MandateState.SUSPENDED:
        _not_lapsed(row, context)
    return _move(row, MandateEvent.RESUME, "", context)


@handles(CancelMandate, name="payments.cancel_mandate", version=1, permission="payments.write")
def cancel_mandate(command: CancelMandate, context: Context) -> dict[str, Any]:
    """Cancel it. What waits under it is never put into a file, and cancelled by the next look (`due`)."""
    row = lock(Mandate, command.mandate_id, organisation_id=command.organisation_id)
    return _move(row, MandateEvent.CANCEL, command.reason, context)


@handles(ExpireMandate, name="payments.expire_mandate", version=1, permission="payments.settle")
def expire_mandate(command: ExpireMandate, context: Context) -> dict[str, Any]:
    """Expire a mandate whose day has come; nothing if it was used since, or has ended otherwise."""
    row = lock(Mandate, command.mandate_id, organisation_id=command.organisation_id)
    if row.lapses_on is None or row.lapses_on > context.at.date():
        return mandate_data(row)
    decision = decide_for(row, MandateEvent.EXPIRE)
    origin = Origin("job", reason="unused for 36 months")
    if decision.transition is None:
        record_no_op(row, MandateEvent.EXPIRE, context, origin, reason=decision.reason)
    else:
        advance(row, decision.transition, context, origin)
    return mandate_data(row)


def collection_policy(organisation_id: UUID) -> CollectionPolicy:
    """Return the organisation's policy. Raises NoCollectionPolicy."""
    row = CollectionPolicy.objects.filter(organisation_id=organisation_id).first()
    if row is None:
        raise NoCollectionPolicy
    return row


def clean_creditor_id(text: str, *, field: str) -> str:
    """Return a creditor identifier (AT-02) in its electronic form. Raises Invalid."""
    tidy = "".join(text.split()).upper()
    if len(tidy) > 35 or not is_creditor_identifier(tidy):
        raise Invalid(field=field, reason="its check digits are wrong")
    return tidy


def clean_reference(text: str) -> str:
    """Return a mandate reference (AT-01) that banks carry. Raises Invalid."""
    try:
        return check_identifier(text, "reference")
    except FormatError:
        raise Invalid(
            field="reference", reason="at most 35 letters, digits and / - ? : ( ) . , ' +"
        ) from None


def _move(row: Mandate, event: MandateEvent, reason: str, context: Context, **changes: Any) -> dict[str, Any]:
    transition = decide_for(row, event).transition
    assert transition is not None, "it is asked for, never late"
    why = clean_text(reason, field="reason", length_max=REASON_MAX)
    advance(row, transition, context, Origin(context.actor.kind, reason=why), **changes)
    return mandate_data(row)


def _debtor(organisation_id: UUID, debtor: MandateDebtor, context: Context) -> UUID:
    return counterparty(
        organisation_id=organisation_id,
        name=debtor.name,
        iban=debtor.iban,
        country=debtor.country,
        town=debtor.town,
        context=context,
    ).pk


def _signed(day: date, context: Context) -> date:
    if day > context.at.date():
        raise Invalid(field="signed_on", reason="in the future")
    return day


def _not_lapsed(row: Mandate, context: Context) -> None:
    if row.lapses_on is not None and row.lapses_on <= context.at.date():
        raise Invalid(field="signed_on", reason="the mandate has lapsed", lapsed_on=row.lapses_on.isoformat())


def free_reference(organisation_id: UUID, reference: str) -> None:
    if Mandate.objects.filter(organisation_id=organisation_id, reference=reference).exists():
        raise MandateReferenceTaken(reference=reference)


def _told_since_amended(row: Mandate) -> bool:
    return row.amended_at is None or amendment_was_told(row)


def _reserve_days(days: int, *, field: str) -> None:
    if not 0 <= days <= RESERVE_DAYS_MAX:
        raise Invalid(field=field, minimum=0, maximum=RESERVE_DAYS_MAX)


def _one_of(words: Any, value: str, *, field: str) -> str:
    known = [word.value for word in words]
    if value not in known:
        raise Invalid(field=field, allowed=known)
    return value
