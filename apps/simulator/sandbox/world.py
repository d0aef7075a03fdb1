"""Building the sandbox's cast through the commands: organisations, accounts, people, an API client."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password

from apps.accounts import public as accounts
from apps.authz import public as authz
from apps.core.actors import Actor, system_actor
from apps.core.commands import Command, execute
from apps.core.ids import parse_public_id, public_id
from apps.core.money import Money
from apps.payments import public as payments
from apps.simulator.bank import Bank
from apps.simulator.sandbox import cast, logins
from apps.simulator.us_bank import UsBank
from apps.webhooks import public as webhooks

ACTOR = system_actor("sandbox")
SCOPES = (
    "customers.read",
    "customers.write",
    "accounts.read",
    "accounts.write",
    "payments.read",
    "payments.write",
    "events.read",
    "webhooks.read",
    "webhooks.write",
)


class Hand:
    """Runs commands for the sandbox and counts them. Each has a key, so that loading can be repeated."""

    def __init__(self, *, commands_max: int) -> None:
        self.commands_max, self.count = commands_max, 0

    def do(self, command: Command, key: str, at: datetime, actor: Actor = ACTOR) -> dict[str, Any]:
        """Run a command once, at a moment of the story. Raises RuntimeError past the limit."""
        self.count += 1
        if self.count > self.commands_max:
            raise RuntimeError(f"the sandbox is made with at most {self.commands_max} commands")
        return execute(command, actor=actor, key=f"sandbox:{key}", at=at).answer


@dataclass
class World:
    """What the story needs to know of its cast."""

    operator_id: UUID
    merchant_id: UUID
    second_id: UUID
    settlement: dict[str, UUID] = field(default_factory=dict)
    accounts: dict[str, list[UUID]] = field(
        default_factory=dict
    )  # by currency; the merchant's own come first
    bank: Bank = field(default_factory=lambda: Bank(bic=cast.OPERATOR_BIC))
    us_bank: UsBank = field(default_factory=lambda: UsBank(routing=cast.OPERATOR_ROUTING))


def build_world(hand: Hand, at: datetime) -> World:
    """Open the organisations, our bank accounts, the customers and their accounts."""
    operator = hand.do(
        accounts.OpenOrganisation(None, cast.OPERATOR, "NL", kind="operator", bank_code="BZNT"),
        "operator",
        at,
    )
    merchant = hand.do(accounts.OpenOrganisation(None, cast.MERCHANT, "DE"), "merchant", at)
    second = hand.do(accounts.OpenOrganisation(None, cast.SECOND_MERCHANT, "FR"), "second", at)
    world = World(_org(operator), _org(merchant), _org(second))
    for currency, iban in cast.SETTLEMENT_IBANS.items():
        answer = hand.do(
            payments.AddSettlementAccount(
                None, world.operator_id, iban, currency, cast.OPERATOR, cast.OPERATOR_BANK, cast.OPERATOR_BIC
            ),
            f"settlement:{currency}",
            at,
        )
        world.settlement[currency] = parse_public_id("sta", answer["id"])
        world.bank.open_account(iban, currency, Money.zero(currency))
    hand.do(payments.SetPayoutPolicy(world.merchant_id, Money(cast.AUTO_APPROVE_MINOR, "EUR")), "policy", at)
    _open_customers(hand, world, at)
    return world


def _open_customers(hand: Hand, world: World, at: datetime) -> None:
    for number, person in enumerate(cast.CUSTOMERS):
        customer = hand.do(
            accounts.CreateCustomer(
                world.merchant_id,
                person.kind,
                person.name,
                person.country,
                email=person.email,
                reference=f"C-{1001 + number}",
            ),
            f"customer:{number}",
            at,
        )
        for currency in person.currencies:
            account = hand.do(
                accounts.OpenPaymentAccount(
                    world.merchant_id,
                    currency=currency,
                    party_id=parse_public_id("pty", customer["id"]),
                    label=f"{currency} account",
                ),
                f"account:{number}:{currency}",
                at,
            )
            world.accounts.setdefault(currency, []).append(parse_public_id("acc", account["id"]))


def open_cards(hand: Hand, world: World, at: datetime) -> dict[str, dict[str, str]]:
    """Connect the sandbox's card processor, and charge the merchant for captures.

    Returns, by merchant, where the processor's events go and the secret they are signed with.
    """
    for currency in cast.SETTLEMENT_IBANS:
        hand.do(
            payments.AddCardProcessor(
                None, world.operator_id, cast.PROVIDER, currency, "", world.settlement[currency]
            ),
            f"card_processor:{currency}",
            at,
        )
        hand.do(
            payments.SetFeeRule(world.merchant_id, currency, at.date(), flat_minor=25, percent_bp=180),
            f"card_fees:{currency}",
            at,
        )
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    source = hand.do(
        webhooks.AddSource(world.merchant_id, cast.PROVIDER, "The sandbox's card processor", secret),
        "card_source",
        at,
    )
    return {public_id("org", world.merchant_id): {"path": source["path"], "secret": secret}}


def make_logins(
    hand: Hand, world: World, at: datetime, *, base_url: str
) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """Make one member of staff per role and an API client; return what to tell the person who runs this."""
    people = []
    for name, role in cast.STAFF:
        password = logins.new_password()
        hand.do(accounts.CreateStaffUser(None, name, make_password(password), role), f"staff:{name}", at)
        people.append({"username": name, "role": role, "password": password})
    secret = authz.new_client_secret()
    secret = authz.new_client_secret()
    client = hand.do(
        authz.RegisterApiClient(
            world.merchant_id, "Sandbox tour", SCOPES, secret_digest=authz.digest_of(secret)
        ),
        "client",
        at,
    )
    variables = {
        "BEZANT": base_url,
        "CLIENT_ID": client["client_id"],
        "CLIENT_SECRET": secret,
        "ACCOUNT_ID": public_id("acc", world.accounts["EUR"][0]),
        "OTHER_ACCOUNT_ID": public_id("acc", world.accounts["EUR"][2]),
    }
    return people, variables


def _org(answer: dict[str, Any]) -> UUID:
    return parse_public_id("org", answer["id"])
