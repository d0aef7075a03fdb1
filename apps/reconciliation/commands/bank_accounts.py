"""Which accounts at banks we read the statements of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core.commands import Command, Context, handles
from apps.core.errors import Invalid
from apps.core.ids import public_id
from apps.core.money import exponent
from apps.reconciliation.domain.references import account_number
from apps.reconciliation.domain.words import AccountRole
from apps.reconciliation.models import BankAccount

_NUMBER = re.compile(r"[A-Z0-9][A-Z0-9/.,:-]{0,39}")
DAYS_MAX = 60


@dataclass(frozen=True)
class AddBankAccount(Command):
    """Follow an account at a bank: its statements may be imported from now on.

    `number` is its IBAN, or the bank's own number for it. `lenient` accepts files that break their
    schema. Payments are expected from `days_before` to `days_after` business days around their due date.
    """

    number: str
    currency: str
    name: str = ""
    lenient: bool = False
    settlement_account_id: UUID | None = None
    days_before: int = 2
    days_after: int = 5


@handles(AddBankAccount, name="reconciliation.add_bank_account", version=1, permission="reconciliation.write")
def add_bank_account(command: AddBankAccount, context: Context) -> dict[str, Any]:
    """Add the account, or change how a known one is read. Raises Invalid, UnknownCurrency."""
    assert command.organisation_id is not None
    number = account_number(command.number)
    if not _NUMBER.fullmatch(number):
        raise Invalid(field="number")
    exponent(command.currency)  # raises for a code that is none
    for name in ("days_before", "days_after"):
        if not 0 <= getattr(command, name) <= DAYS_MAX:
            raise Invalid(field=name, days_max=DAYS_MAX)
    account, _ = BankAccount.objects.update_or_create(
        organisation_id=command.organisation_id,
        number=number,
        currency=command.currency,
        create_defaults={"id": context.new_id(), "added_at": context.at, **_profile(command, number)},
        defaults=_profile(command, number),
    )
    context.note("bank_account", public_id("ban", account.id), lenient=command.lenient)
    return bank_account_data(account)


def _profile(command: AddBankAccount, number: str) -> dict[str, Any]:
    mirrored = command.settlement_account_id is not None
    return {
        "name": (command.name or number)[:70],
        "lenient": command.lenient,
        "role": (AccountRole.SETTLEMENT if mirrored else AccountRole.OBSERVED).value,
        "settlement_account_id": command.settlement_account_id,
        "days_before": command.days_before,
        "days_after": command.days_after,
    }


def bank_account_data(account: BankAccount) -> dict[str, Any]:
    """Describe a bank account as JSON-able data."""
    return {
        "id": public_id("ban", account.id),
        "number": account.number,
        "currency": account.currency,
        "name": account.name,
        "role": account.role,
        "lenient": account.lenient,
    }
