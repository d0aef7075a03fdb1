"""Builders of commands with believable defaults, and a small world of accounts with money in them."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import factory

from apps.accounts import public as accounts
from apps.core import clock, tenancy
from apps.core.actors import Actor, system_actor
from apps.core.commands import Command, execute
from apps.core.ids import parse_public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments import public as payments

SYSTEM = system_actor("tests")
SETTLEMENT_IBANS = {"EUR": "DE89370400440532013000", "GBP": "GB29NWBK60161331926819"}


class CreditorFactory(factory.Factory):
    class Meta:
        model = payments.Creditor

    name = "Example Supplies BV"
    iban = "NL91ABNA0417164300"


class PayoutFactory(factory.Factory):
    class Meta:
        model = payments.CreatePayout

    amount = Money(2_500, "EUR")
    creditor = factory.SubFactory(CreditorFactory)
    remittance = "Invoice 4711"


class TransferFactory(factory.Factory):
    class Meta:
        model = payments.CreateTransfer

    amount = Money(1_000, "EUR")


class PayinEventFactory(factory.Factory):
    class Meta:
        model = payments.ApplyProviderEvent

    class Params:
        account_id = None
        amount = Money(5_000, "EUR")

    provider = "bezant_sandbox"
    event_id = factory.LazyFunction(lambda: f"evt_{uuid.uuid4().hex}")
    event_type = payments.PAYIN_SUCCEEDED
    occurred_at = factory.LazyFunction(lambda: datetime.now(UTC))
    payload = factory.LazyAttribute(
        lambda event: {
            "id": f"ord_{uuid.uuid4().hex}",
            "account_id": accounts_id(event.account_id),
            "amount": {"amount": event.amount.decimal_text(), "currency": event.amount.currency},
            "debtor": {"name": "Helena Brandt", "iban": "DE02120300000000202051"},
            "reference": "Order 1",
        }
    )


def accounts_id(key: UUID) -> str:
    from apps.core.ids import public_id

    return public_id("acc", key)


def do(command: Command, *, actor: Actor = SYSTEM, key: str | None = None, at: datetime | None = None):
    """Run a command now and return its answer."""
    return execute(command, actor=actor, key=key, at=at or clock.database_now()).answer


def operator() -> UUID:
    """Return the operator's id; there is one to a database, with a settlement account per currency."""
    with tenancy.scope(tenancy.PLATFORM):
        found = accounts.Organisation.objects.filter(kind="operator").first()
    if found is None:
        answer = do(accounts.OpenOrganisation(None, "Test Operator", "NL", kind="operator", bank_code="BZNT"))
        operator_id = parse_public_id("org", answer["id"])
    else:
        operator_id = found.id
    for currency, iban in SETTLEMENT_IBANS.items():
        with tenancy.scope(tenancy.PLATFORM):
            exists = any(route.currency == currency for route in payments.settlement_accounts())
        if not exists:
            do(payments.AddSettlementAccount(None, operator_id, iban, currency, "Test Operator", "Test Bank"))
    return operator_id


@dataclass
class Merchant:
    """An organisation with accounts, made for one test."""

    id: UUID
    accounts: list[UUID]

    def ledger_id(self, index: int = 0) -> int:
        with tenancy.scope(self.id):
            return accounts.payment_account(self.accounts[index]).ledger_account_id

    def balance(self, index: int = 0):
        number = self.ledger_id(index)
        with tenancy.scope(self.id):
            return ledger.balance(number)

    def client(self, *permissions: str, name: str = "client") -> Actor:
        return Actor("api", name, self.id, frozenset(permissions))


def merchant(
    *, accounts_count: int = 2, currency: str = "EUR", funded_minor: int = 0, limit_minor: int = 0
) -> Merchant:
    """Open a merchant with accounts; the first gets money by a pay-in, if `funded_minor` says so."""
    operator()
    answer = do(accounts.OpenOrganisation(None, f"Merchant {random.randrange(10**9)}", "NL"))
    organisation_id = parse_public_id("org", answer["id"])
    customer = do(
        accounts.CreateCustomer(organisation_id, "person", "Ada Example", "NL", email="ada@example.com")
    )
    keys = [
        parse_public_id(
            "acc",
            do(
                accounts.OpenPaymentAccount(
                    organisation_id, currency=currency, party_id=parse_public_id("pty", customer["id"])
                )
            )["id"],
        )
        for _ in range(accounts_count)
    ]
    if limit_minor:
        do(payments.SetPayoutPolicy(organisation_id, Money(limit_minor, currency)))
    if funded_minor:
        do(
            PayinEventFactory(
                organisation_id=organisation_id, account_id=keys[0], amount=Money(funded_minor, currency)
            )
        )
    return Merchant(organisation_id, keys)
