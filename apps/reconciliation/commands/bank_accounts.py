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
from apps.reconciliation.domain.words import AccountRole, Reversals
from apps.reconciliation.importing.reversals import flip_suspected
from apps.reconciliation.models import BankAccount

_NUMBER = re.compile(r"[A-Z0-9][A-Z0-9/.,:-]{0,39}")
DAYS_MAX = 60


@dataclass(frozen=True)
class AddBankAccount(Command):
    """Follow an account at a bank: its statements may be imported from now on.

    `number` is its IBAN, or the bank's own number for it. `lenient` accepts files that break their
    schema; `reversals` says how the bank signs its reversals (as_written, flipped). Payments are expected from `days_before` to `days_after` business days around their due date.
    """

    number: str
    currency: str
    name: str = ""
    lenient: bool = False
    settlement_account_id: UUID | None = None
    days_before: int = 2
    days_after: int = 5
    reversals: str = Reversals.AS_WRITTEN.value


@handles(AddBankAccount, name="reconciliation.add_bank_account", version=1, permission="reconciliation.write")
def add_bank_account(command: AddBankAccount, context: Context) -> dict[str, Any]:
    """Add the account, or change how a known one is read. Raises Invalid, UnknownCurrency.

    Reversals that turn out to be signed the other way round are turned in what was imported already.
    """
    assert command.organisation_id is not None
    number = account_number(command.number)
    if not _NUMBER.fullmatch(number):
        raise Invalid(field="number")
    exponent(command.currency)  # raises for a code that is none
    if command.reversals not in (Reversals.AS_WRITTEN, Reversals.FLIPPED):
        raise Invalid(field="reversals")
    for name in ("days_before", "days_after"):
        if not 0 <= getattr(command, name) <= DAYS_MAX:
            raise Invalid(field=name, days_max=DAYS_MAX)
    rows = BankAccount.objects.select_for_update()
    known = rows.filter(
        organisation_id=command.organisation_id, number=number, currency=command.currency
    ).first()
    account = known or BankAccount(
        id=context.new_id(),
        organisation_id=command.organisation_id,
        number=number,
        currency=command.currency,
        role=AccountRole.OBSERVED.value,
        added_at=context.at,
    )
    turns = known is not None and _turns(account.reversals, command.reversals)
    _set_profile(account, command)
    account.save(force_insert=known is None)
    turned = flip_suspected(account) if turns else 0
    context.note(
        "bank_account",
        public_id("ban", account.id),
        lenient=command.lenient,
        reversals=command.reversals,
        turned=turned,
    )
    return {**bank_account_data(account), "statements_turned": turned}


def _turns(before: str, after: str) -> bool:
    return after == Reversals.FLIPPED and before != Reversals.FLIPPED


def _set_profile(account: BankAccount, command: AddBankAccount) -> None:
    account.name = (command.name or account.name or account.number)[:70]
    account.lenient, account.reversals = command.lenient, command.reversals
    account.days_before, account.days_after = command.days_before, command.days_after
    if command.settlement_account_id is not None:  # a mirror stays one, whoever changes how it is read
        account.settlement_account_id = command.settlement_account_id
        account.role = AccountRole.SETTLEMENT.value


def bank_account_data(account: BankAccount) -> dict[str, Any]:
    """Describe a bank account as JSON-able data."""
    return {
        "id": public_id("ban", account.id),
        "number": account.number,
        "currency": account.currency,
        "name": account.name,
        "role": account.role,
        "lenient": account.lenient,
        "reversals": account.reversals,
    }
