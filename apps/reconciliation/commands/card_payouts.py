"""What a card processor says it pays out: one net amount for each payout, expected at our bank."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from apps.core.commands import Command, Context, handles
from apps.core.errors import Invalid
from apps.core.ids import public_id
from apps.core.money import Money
from apps.reconciliation.commands.expectations import keep_version, window
from apps.reconciliation.commands.reconcile import lock_account
from apps.reconciliation.domain.references import compared
from apps.reconciliation.domain.words import CARD_PAYOUT, ExpectationState
from apps.reconciliation.lines import content_id
from apps.reconciliation.models import BankAccount, Expectation

PAYOUTS_MAX = 10_000


@dataclass(frozen=True)
class CardPayout:
    """A payout of a settlement report: gross less fees, refunds and disputes; negative where we pay."""

    name: str
    net: Money
    day: date  # of its latest line


@dataclass(frozen=True)
class ExpectCardPayouts(Command):
    """Expect a processor's payouts on a bank account. For the platform; again, it changes nothing."""

    provider: str
    bank_account_id: UUID
    payouts: tuple[CardPayout, ...]


@handles(
    ExpectCardPayouts, name="reconciliation.expect_card_payouts", version=1, permission="reconciliation.write"
)
def expect_card_payouts(command: ExpectCardPayouts, context: Context) -> dict[str, Any]:
    """Add expectations, or correct those whose report told another sum; a matched one is never touched.

    Answers counts: added, changed, known. Raises Invalid for another currency than the account's.
    """
    account = lock_account(command.bank_account_id)
    if len(command.payouts) > PAYOUTS_MAX:
        raise Invalid(field="payouts", maximum=PAYOUTS_MAX)
    if any(one.net.currency != account.currency for one in command.payouts):
        raise Invalid(field="currency", expected=account.currency)
    counts = {"added": 0, "changed": 0, "known": 0}
    for one in command.payouts:
        if one.net.minor:
            counts[_expect(one, command.provider, account, context)] += 1
    context.note("bank_account", public_id("ban", account.id), provider=command.provider, card_payouts=counts)
    return counts


def _expect(one: CardPayout, provider: str, account: BankAccount, context: Context) -> str:
    source = f"{CARD_PAYOUT}:{content_id(date(1970, 1, 1), provider, one.name, one.net.currency)}"
    known = (
        Expectation.objects.select_for_update()
        .filter(organisation_id=account.organisation_id, source=source)
        .first()
    )
    if known is None:
        _add(one, source, account, provider, context)
        return "added"
    if known.state != ExpectationState.OPEN or known.amount_minor == one.net.minor:
        return "known"
    known.amount_minor, known.version = one.net.minor, known.version + 1
    known.save(update_fields=["amount_minor", "version"])
    keep_version(known, f"settlement:{provider}", context)
    return "changed"


def _add(one: CardPayout, source: str, account: BankAccount, provider: str, context: Context) -> None:
    row = Expectation.objects.create(
        id=content_id(one.day, CARD_PAYOUT, str(account.id), source),
        organisation_id=account.organisation_id,
        bank_account_id=account.id,
        source=source,
        kind=CARD_PAYOUT,
        amount_minor=one.net.minor,
        currency=one.net.currency,
        group_reference=compared(one.name),
        due_date=one.day,
        **window(account, one.day),
        state=ExpectationState.OPEN.value,
        made_at=context.at,
    )
    keep_version(row, f"settlement:{provider}", context)
