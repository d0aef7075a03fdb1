"""Taking back a wrong entry or file of the ACH: the opposite entry, within five banking days (Nacha, 2.10)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from apps.core import tenancy
from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict, NotFound, Refusal
from apps.core.ids import public_id
from apps.payments import books
from apps.payments.calendar import calendar
from apps.payments.collecting import DEAD_STATES
from apps.payments.commands.ach_debits import first_effective_date
from apps.payments.commands.checks import usable_account
from apps.payments.commands.payouts import order
from apps.payments.domain.lifecycle import Event, Kind, State
from apps.payments.domain.mandates import ACH
from apps.payments.domain.mandates import SequenceType as Sequence
from apps.payments.domain.references import ach_reference, clean_text
from apps.payments.formats.nacha.codes import DEBIT, SEC_CODES
from apps.payments.lifecycle_store import Origin, advance, begin, decide_for, lock_payment
from apps.payments.models import AchItem, Batch, Payment, Rail
from apps.payments.models_debits import Collection
from apps.payments.rails.ach import bank_day
from apps.payments.rails.ach_codes import REVERSAL_BANKING_DAYS, REVERSAL_DESCRIPTION
from apps.payments.representation import payment_data
from apps.payments.routing import route_for

POLICY = "policy:reversal"
REASON_MAX = 60
_LENT = frozenset({"payments.write"})
_GONE = frozenset({State.SENT, State.ACCEPTED, State.SETTLED, State.FINAL})


class NotReversible(Conflict):
    code = "not_reversible"
    title = (
        "Only an ACH entry that has left, and was not reversed yet, is taken back, within five banking days."
    )


@dataclass(frozen=True)
class ReversePayment(Command):
    """Take back a wrong entry: a payout by a debit of its payee, a debit by a credit to its debtor."""

    payment_id: UUID
    reason: str


@dataclass(frozen=True)
class ReverseBatch(Command):
    """Take back a wrong file, entry by entry. Runs for the whole platform."""

    message_id: str
    reason: str


@handles(ReversePayment, name="payments.reverse_payment", version=1, permission="payments.write")
def reverse_payment(command: ReversePayment, context: Context) -> dict[str, Any]:
    """Order the opposite entry, described REVERSAL, to the account that the wrong one went to.

    What a debit brings back is in the reserve until it is final. Locks the payment. Raises NotReversible,
    and what the account refuses.
    """
    payment = lock_payment(command.payment_id, organisation_id=command.organisation_id)
    reason = clean_text(command.reason, field="reason", length_max=REASON_MAX, required=True)
    item = _wrong_entry(payment, context.at)
    if payment.kind == Kind.COLLECTION:
        opposite = _give_back(payment, item, context)
    else:
        opposite = _pull_back(payment, item, reason, context)
    context.note(
        "payment", public_id("pay", payment.pk), reversed_by=public_id("pay", opposite.pk), why=reason
    )
    return payment_data(opposite)


@handles(ReverseBatch, name="payments.reverse_batch", version=1, permission="payments.batch")
def reverse_batch(command: ReverseBatch, context: Context) -> dict[str, Any]:
    """Order the opposite of each entry that can be taken back; answer why each of the others cannot."""
    batch = Batch.objects.filter(message_id=command.message_id, rail=Rail.ACH).first()
    if batch is None:
        raise NotFound(object="batch", id=command.message_id[:35])
    rows = Payment.objects.filter(batch_message_id=batch.message_id).order_by("id")
    lending = replace(context, actor=replace(context.actor, permissions=context.actor.permissions | _LENT))
    reversals, refused = [], []
    for row in rows.only("pk", "organisation_id"):
        single = ReversePayment(row.organisation_id, row.pk, command.reason)
        before = len(context.events), len(context.records)
        try:
            with transaction.atomic():
                reversals.append(lending.run(single, step=f"reverse:{row.pk}")["id"])
        except Refusal as refusal:
            del context.events[before[0] :], context.records[before[1] :]
            refused.append({"payment_id": public_id("pay", row.pk), "code": refusal.code})
    context.note("batch", batch.message_id, reversed=len(reversals), refused=len(refused))
    return {"batch": batch.message_id, "reversals": reversals, "refused": refused}


def preview_reversal(message_id: str, *, at: datetime) -> dict[str, Any]:
    """Tell which payments of a batch can be taken back, and why the others cannot. Raises NotFound."""
    with tenancy.scope(tenancy.PLATFORM):
        if not Batch.objects.filter(message_id=message_id, rail=Rail.ACH).exists():
            raise NotFound(object="batch", id=message_id[:35])
        reversals, refused = [], []
        for row in Payment.objects.filter(batch_message_id=message_id).order_by("id"):
            try:
                _wrong_entry(row, at)
                reversals.append(public_id("pay", row.pk))
            except Refusal as refusal:
                refused.append({"payment_id": public_id("pay", row.pk), "code": refusal.code})
    return {"batch": message_id, "reversals": reversals, "refused": refused}


def _wrong_entry(payment: Payment, at: datetime) -> AchItem:
    item = AchItem.objects.filter(payment_id=payment.pk, message_id=payment.batch_message_id).first()
    if payment.rail != Rail.ACH or item is None:
        raise NotReversible(reason="it did not travel by the ACH")
    if payment.state not in _GONE or item.kind != AchItem.Kind.FORWARD:
        raise NotReversible(state=payment.state, kind=item.kind)
    given = Payment.objects.filter(parent_id=payment.pk).exclude(state__in=DEAD_STATES)
    if given.filter(Q(rail_options__reverses=True) | Q(kind=Kind.REFUND.value)).exists():
        raise NotReversible(reason="it is taken back already")
    with tenancy.scope(tenancy.PLATFORM):  # files are the operator's
        settles_on = Batch.objects.values_list("execution_date", flat=True).get(message_id=item.message_id)
    latest = calendar("FED").add(settles_on, REVERSAL_BANKING_DAYS)
    if bank_day(at) > latest:
        raise NotReversible(reason="five banking days have passed", latest=latest.isoformat())
    return item


def _pull_back(payment: Payment, item: AchItem, reason: str, context: Context) -> Payment:
    """Debit who was credited by mistake. It needs no mandate and, like the entry, no second person."""
    account = usable_account(payment.organisation_id, payment.account_id, payment.currency, incoming=True)
    opposite = _opposite(payment, item, Kind.COLLECTION, item.sec_code, context)
    opposite.settlement_account_id = route_for(payment.currency).id
    books.reserve_of(account)
    begin(opposite, Event.ORDER, context, Origin(context.actor.kind, reason=reason))
    today = context.at.date()
    Collection.objects.create(
        id=opposite.pk,
        organisation_id=payment.organisation_id,
        mandate_id=None,
        scheme=ACH,
        sequence_type=Sequence.ONE_OFF.value,
        reference=REVERSAL_DESCRIPTION,
        signed_on=today,
        creditor_id="",
        creditor_name="",
        collection_date=first_effective_date(context),
        submit_on=today,
        prenotify_on=today,
        prenotified_at=context.at,
    )
    transition = decide_for(opposite, Event.APPROVE).transition
    assert transition is not None
    advance(opposite, transition, context, Origin("policy"), approved_by=POLICY)
    return opposite


def _give_back(payment: Payment, item: AchItem, context: Context) -> Payment:
    """Credit who was debited by mistake, out of the account that has the money."""
    account = usable_account(payment.organisation_id, payment.account_id, payment.currency)
    sec_code = "PPD" if SEC_CODES[item.sec_code].debit_only else item.sec_code
    opposite = _opposite(payment, item, Kind.REFUND, sec_code, context)
    order(opposite, account_ledger_id=account.ledger_account_id, context=context)
    return opposite


def _opposite(payment: Payment, item: AchItem, kind: Kind, sec_code: str, context: Context) -> Payment:
    key = context.new_id()
    return Payment(
        id=key,
        organisation_id=payment.organisation_id,
        kind=kind.value,
        rail=Rail.ACH,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        account_id=payment.account_id,
        counterparty_id=item.counterparty_id,
        parent_id=payment.pk,
        subject_id=item.counterparty_id,
        end_to_end_id=ach_reference(key),
        rail_options={
            "reverses": True,
            "description": REVERSAL_DESCRIPTION,
            "sec_code": sec_code if item.direction == DEBIT else item.sec_code,
        },
        rail_fixed=True,
        reference=payment.reference,
        ordered_by=str(context.actor),
        created_at=context.at,
    )
