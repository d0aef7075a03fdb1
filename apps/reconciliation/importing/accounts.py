"""Which of our bank accounts a statement is of."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from uuid import UUID

from apps.core import tenancy
from apps.payments import public as payments
from apps.reconciliation.bank_formats import Statement
from apps.reconciliation.domain.references import account_number
from apps.reconciliation.domain.words import AccountRole
from apps.reconciliation.lines import content_id
from apps.reconciliation.models import BankAccount

_BEGINNING = datetime.combine(date(1970, 1, 1), time(), UTC)


def account_of(organisation_id: UUID, statement: Statement) -> BankAccount | None:
    """Find the account of a statement by number and currency, within the organisation.

    A settlement account of payments is known without having been added. None for a foreign account.
    """
    number = account_number(statement.account)
    found = BankAccount.objects.filter(
        organisation_id=organisation_id, number=number, currency=statement.currency
    ).first()
    return found or _mirrored(organisation_id, number, statement.currency)


def bank_account_of_settlement(settlement_account_id: UUID) -> BankAccount | None:
    """Find, or add, the bank account that mirrors a settlement account. Needs the platform's scope."""
    found = BankAccount.objects.filter(settlement_account_id=settlement_account_id).first()
    if found is not None:
        return found
    for route in payments.settlement_accounts():
        if route.id == settlement_account_id:
            return _add(route)
    return None


def _mirrored(organisation_id: UUID, number: str, currency: str) -> BankAccount | None:
    with tenancy.scope(tenancy.PLATFORM):
        routes = payments.settlement_accounts()
    for route in routes:
        if (route.organisation_id, route.iban, route.currency) == (organisation_id, number, currency):
            return _add(route)
    return None


def _add(route: payments.SettlementRoute) -> BankAccount:
    """Add the mirror of a settlement account; another transaction may have been first."""
    account, _ = BankAccount.objects.get_or_create(
        organisation_id=route.organisation_id,
        number=account_number(route.iban),
        currency=route.currency,
        defaults={
            "id": content_id(_BEGINNING.date(), "settlement", str(route.id)),
            "name": route.holder[:70],
            "role": AccountRole.SETTLEMENT.value,
            "settlement_account_id": route.id,
            "added_at": _BEGINNING,
        },
    )
    if account.settlement_account_id is None:
        account.settlement_account_id, account.role = route.id, AccountRole.SETTLEMENT.value
        account.save(update_fields=["settlement_account_id", "role"])
    return account
