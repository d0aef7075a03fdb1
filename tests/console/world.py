"""A small believable world, made through the commands: what the console's tests look at."""

import uuid
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.test import Client
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.accounts import public as accounts
from apps.accounts.commands.payment_accounts import OpenPaymentAccount
from apps.core import clock, ids, tenancy
from apps.core.actors import system_actor
from apps.core.commands import execute
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments import public as payments

PASSWORD = "correct horse battery staple"
SETUP = system_actor("tests")


def do(command: Any, *, actor: Any = SETUP) -> dict[str, Any]:
    """Run a command as the platform and give its answer."""
    return execute(command, actor=actor, key=None, at=clock.database_now()).answer


def staff(role: str, *, with_device: bool = True) -> accounts.User:
    """Make a member of staff who has set up the second factor already."""
    name = f"{role}-{uuid.uuid4().hex[:8]}"
    answer = do(accounts.CreateStaffUser(None, name, make_password(PASSWORD), role))
    user = accounts.user_by_public_id(answer["id"])
    if with_device:
        TOTPDevice.objects.create(user=user, confirmed=True, name="test")
    return user


def browser(**options: Any) -> Client:
    """Give a browser at an address of its own, since logins are limited by address."""
    return Client(REMOTE_ADDR=".".join(["10", *(str(part) for part in uuid.uuid4().bytes[:3])]), **options)


def code_of(user: accounts.User) -> str:
    """Give the code that the user's device shows now, even if it was used a moment ago."""
    device = TOTPDevice.objects.get(user=user)
    TOTPDevice.objects.filter(pk=device.pk).update(last_t=-1, throttling_failure_count=0)
    return f"{TOTP(device.bin_key, device.step, device.t0, device.digits, device.drift).token():06d}"


def operator_id() -> UUID:
    """Give the operator's organisation, opened once in each database."""
    with tenancy.scope(tenancy.PLATFORM):
        try:
            return accounts.operator().id
        except accounts.NoOperator:
            pass
    answer = do(accounts.OpenOrganisation(None, "Bezant Sandbox Bank", "NL", "operator", "BZNT"))
    return ids.parse_public_id("org", answer["id"])


def settlement_account_id() -> UUID:
    """Give our bank account in euro, added once in each database."""
    operator = operator_id()
    with tenancy.scope(tenancy.PLATFORM):
        known = [route for route in payments.settlement_accounts() if route.currency == "EUR"]
    if known:
        return known[0].id
    answer = do(
        payments.AddSettlementAccount(
            None,
            operator_id=operator,
            iban="DE89370400440532013000",
            currency="EUR",
            holder="Bezant Sandbox Bank",
            bank="Musterbank",
            bic="COBADEFFXXX",
        )
    )
    return ids.parse_public_id("sta", answer["id"])


@dataclass
class World:
    """A merchant with two customers, money on an account, a settled transfer and a waiting payout."""

    organisation_id: UUID
    customer: str
    account: str
    other_account: str
    payin: str
    transfer: str
    payout: str


def open_world() -> World:
    """Make a merchant and let money move."""
    route_id = settlement_account_id()
    today = clock.database_now().date()
    opened = do(accounts.OpenOrganisation(None, f"Nordwind Handel {uuid.uuid4().hex[:4]}", "DE"))
    mine = ids.parse_public_id("org", opened["id"])
    maria = do(accounts.CreateCustomer(mine, "person", "Maria Schmidt", "DE", "maria@example.test"))["id"]
    works = do(accounts.CreateCustomer(mine, "company", "Werft Kiel GmbH", "DE"))["id"]
    first = do(OpenPaymentAccount(mine, "EUR", ids.parse_public_id("pty", maria), "Main"))["id"]
    second = do(OpenPaymentAccount(mine, "EUR", ids.parse_public_id("pty", works), "Till"))["id"]
    key = {name: ids.parse_public_id("acc", text) for name, text in (("first", first), ("second", second))}
    payin = do(
        payments.BookPayin(
            mine,
            key["first"],
            route_id,
            Money(1_250_000, "EUR"),
            today,
            f"line-{uuid.uuid4().hex}",
            payments.Debtor("Hans Meier", "DE75512108001245126199"),
            "Invoice 4711",
        )
    )["id"]
    transfer = do(
        payments.CreateTransfer(mine, key["first"], key["second"], Money(123_456, "EUR"), "Rent", "R-1")
    )["id"]
    payout = do(
        payments.CreatePayout(
            mine,
            key["first"],
            Money(50_000, "EUR"),
            payments.Creditor("Anna Berg", "FR1420041010050500013M02606", "FR", "Paris"),
            "Deposit back",
            "P-1",
        )
    )["id"]
    return World(mine, maria, first, second, payin, transfer, payout)


def check_books() -> ledger.Report:
    """Check the books of this database."""
    with tenancy.scope(tenancy.PLATFORM):
        return ledger.check()
