"""What a payment processor says it settles: payments, less fees, refunds and disputes, as one amount."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from apps.core.commands import Command, Context, handles
from apps.core.ids import public_id
from apps.core.money import Money
from apps.payments import public as payments
from apps.reconciliation.commands.expectations import keep_version, window
from apps.reconciliation.commands.reconcile import lock_account
from apps.reconciliation.domain.references import compared
from apps.reconciliation.domain.words import ExpectationState
from apps.reconciliation.lines import content_id
from apps.reconciliation.models import BankAccount, Expectation

ROWS_MAX = 200_000


@dataclass(frozen=True)
class SettledItem:
    """One row of a settlement report, signed as it changes what reaches the bank."""

    group: str
    kind: str  # payment, fee, refund, dispute
    reference: str
    amount: Money
    day: date


@dataclass(frozen=True)
class ImportSettlement(Command):
    """Expect what a processor settles: each group as one net amount on a bank account. For the platform."""

    provider: str
    bank_account_id: UUID
    items: tuple[SettledItem, ...]


@handles(
    ImportSettlement, name="reconciliation.import_settlement", version=1, permission="reconciliation.write"
)
def import_settlement(command: ImportSettlement, context: Context) -> dict[str, Any]:
    """Put known payments into their group and add the rest as components. Importing again changes nothing.

    Answers how many rows were `linked` to a payment's expectation, `added`, known before, or `differ` from
    the payment's amount: those stay out of the group, so that its sum breaks visibly.
    """
    account = lock_account(command.bank_account_id)
    counts = {"linked": 0, "added": 0, "known": 0, "differ": 0}
    for item in command.items[:ROWS_MAX]:
        counts[_take(item, command.provider, account, context)] += 1
    context.note("bank_account", public_id("ban", account.id), provider=command.provider, counts=counts)
    return counts


def _take(item: SettledItem, provider: str, account: BankAccount, context: Context) -> str:
    if item.kind == "payment":
        found = _expectation_of(item, provider, account)
        if found is not None:
            return _link(item, found, context)
    source = f"settlement:{provider}:{item.group}:{item.kind}:{item.reference}"
    key = content_id(item.day, "component", str(account.id), source)
    if Expectation.objects.filter(id=key).exists():
        return "known"
    row = Expectation.objects.create(
        id=key,
        organisation_id=account.organisation_id,
        bank_account_id=account.id,
        source=str(key),
        kind=item.kind,
        amount_minor=item.amount.minor,
        currency=item.amount.currency,
        group_reference=compared(item.group),
        due_date=item.day,
        **window(account, item.day),
        state=ExpectationState.OPEN.value,
        made_at=context.at,
    )
    keep_version(row, f"settlement:{provider}", context)
    return "added"


def _expectation_of(item: SettledItem, provider: str, account: BankAccount) -> Expectation | None:
    payment = (
        payments.payments(kinds=["payin"])
        .filter(provider=provider, provider_reference=item.reference)
        .first()
    )
    if payment is None:
        return None
    return (
        Expectation.objects.select_for_update()
        .filter(payment_id=payment.pk, bank_account_id=account.id)
        .first()
    )


def _link(item: SettledItem, found: Expectation, context: Context) -> str:
    if (found.amount_minor, found.currency) != (item.amount.minor, item.amount.currency):
        return "differ"
    if found.group_reference == compared(item.group) or found.state != ExpectationState.OPEN:
        return "known"
    found.group_reference = compared(item.group)
    found.version += 1
    found.save(update_fields=["group_reference", "version"])
    keep_version(found, f"settlement:{item.group}", context)
    return "linked"
