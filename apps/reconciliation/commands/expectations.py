"""What we expect at the bank, made from payments and kept in step with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from apps.core import db
from apps.core.commands import Command, Context, handles
from apps.payments import public as payments
from apps.reconciliation.domain.calendar import add_business_days
from apps.reconciliation.domain.references import compared
from apps.reconciliation.domain.words import ExpectationState
from apps.reconciliation.importing.accounts import bank_account_of_settlement
from apps.reconciliation.lines import content_id, counterparty_index
from apps.reconciliation.models import BankAccount, Expectation, ExpectationVersion

PAYMENTS_MAX = 1_000
"""How many payments one command takes."""

AT_THE_BANK = frozenset({"sent", "accepted", "unknown", "review", "received"})
NEVER_COMES = frozenset({"rejected", "declined", "cancelled"})
KINDS = ("payout", "refund", "payin", "collection")
COMES_IN = frozenset({"payin", "collection"})
_PROVIDER_PAYS_AFTER = timedelta(days=2)


@dataclass(frozen=True)
class ExpectPayments(Command):
    """Bring what we expect at the bank in line with payments: add, change, cancel. For the platform."""

    payment_ids: tuple[UUID, ...]
    because: str  # the event's id, or what else made us look


@handles(ExpectPayments, name="reconciliation.expect_payments", version=1, permission="reconciliation.write")
def expect_payments(command: ExpectPayments, context: Context) -> dict[str, Any]:
    """Add or change the expectations of payments. A matched one is never touched."""
    counts = {"added": 0, "changed": 0, "unchanged": 0}
    # One at a time: two runs would both find that a payment has no expectation yet, and both add it.
    db.transaction_lock("reconciliation.expectations")
    for payment_id in command.payment_ids[:PAYMENTS_MAX]:
        counts[_expect(payments.payment(payment_id), command.because, context)] += 1
    return counts


def _expect(payment: payments.Payment, because: str, context: Context) -> str:
    known = (
        Expectation.objects.select_for_update()
        .filter(organisation_id=payment.organisation_id, source=f"payment:{payment.pk}")
        .first()
    )
    if known is None:
        return _add(payment, because, context) if payment.state in AT_THE_BANK else "unchanged"
    if known.state != ExpectationState.OPEN:
        return "unchanged"
    if payment.state in NEVER_COMES:
        known.state = ExpectationState.CANCELLED.value
    elif known.message_id != compared(payment.batch_message_id):
        known.message_id = compared(payment.batch_message_id)
    else:
        return "unchanged"
    known.version += 1
    known.save(update_fields=["state", "message_id", "version"])
    keep_version(known, because, context)
    return "changed"


def _add(payment: payments.Payment, because: str, context: Context) -> str:
    account = (
        bank_account_of_settlement(payment.settlement_account_id) if payment.settlement_account_id else None
    )
    if account is None:
        return "unchanged"  # it moves over no account whose statements we could read
    due = payment.changed_at.date()
    if payment.state == "received":
        due += _PROVIDER_PAYS_AFTER
    presented = payments.presented_collection(payment)
    if presented is not None:
        due = presented.day
    row = Expectation.objects.create(
        id=content_id(due, "expectation", str(payment.pk)),
        organisation_id=payment.organisation_id,
        bank_account_id=account.id,
        source=f"payment:{payment.pk}",
        kind=payment.kind,
        payment_id=payment.pk,
        amount_minor=payment.amount_minor if payment.kind in COMES_IN else -payment.amount_minor,
        currency=payment.currency,
        end_to_end=compared(payment.end_to_end_id),
        message_id=compared(payment.batch_message_id),
        batch_id=compared(presented.group_reference) if presented is not None else "",
        group_reference=compared(payment.provider_reference or "") if payment.kind == "payin" else "",
        counterparty=_counterparty(payment, account),
        due_date=due,
        **window(account, due),
        state=ExpectationState.OPEN.value,
        made_at=context.at,
    )
    keep_version(row, because, context)
    return "added"


def window(account: BankAccount, due: date) -> dict[str, date]:
    """Say from when until when a bank account may show what is due on a day."""
    return {
        "window_from": add_business_days(due, -account.days_before),
        "window_to": add_business_days(due, account.days_after),
    }


def _counterparty(payment: payments.Payment, account: BankAccount) -> bytes | None:
    """Index the other side's account; a provider that collected for us is not the payer on the statement."""
    other = payments.counterparty_of(payment)
    if other is None or payment.kind == "payin":
        return None
    return counterparty_index(other.account.reveal(), organisation_id=account.organisation_id)


def keep_version(row: Expectation, because: str, context: Context) -> None:
    """Keep what an expectation says from now on, and what made it say so."""
    ExpectationVersion.objects.create(
        id=content_id(row.due_date, "expectation_version", str(row.id), str(row.version)),
        organisation_id=row.organisation_id,
        expectation_id=row.id,
        version=row.version,
        event_id=because[:80],
        at=context.at,
        data={
            "amount_minor": row.amount_minor,
            "currency": row.currency,
            "state": row.state,
            "end_to_end": row.end_to_end,
            "message_id": row.message_id,
            "group_reference": row.group_reference,
            "due_date": row.due_date.isoformat(),
        },
    )
