"""Orders, mandates, disputes and accounts to press buttons about."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from apps.core import tenancy
from apps.core.actors import system_actor
from apps.core.ids import parse_public_id, public_id
from apps.core.money import Money
from apps.payments import public as payments
from apps.payments.domain.schedules import Frequency, Schedule
from tests import factories
from tests.factories import do
from tests.integration.payments.collecting import collector
from tests.processor import CardWorld

CLERK = system_actor("clerk")


@dataclass
class Moving:
    """One of each, of a merchant of its own, and the addresses of their pages."""

    organisation_id: UUID
    bulk: str
    standing: str
    mandate: str
    collection: UUID
    dispute: str
    card: UUID
    account: str
    empty_account: str

    @property
    def pages(self) -> dict[str, str]:
        return {
            "bulk-order": f"bulk-orders/{self.bulk}/",
            "standing-order": f"standing-orders/{self.standing}/",
            "mandate": f"mandates/{self.mandate}/",
            "collection": f"collections/{public_id('pay', self.collection)}/",
            "dispute": f"disputes/{self.dispute}/",
            "card": f"payments/{public_id('pay', self.card)}/",
            "account": f"accounts/{self.account}/",
        }


def bulk_order(merchant: factories.Merchant, count: int = 3) -> str:
    lines = tuple(
        payments.BulkPayout(
            Money(1_500 + 100 * number, "EUR"),
            payments.Creditor("Anna Berg", "FR1420041010050500013M02606", "FR", "Paris"),
            "Wages",
            f"W-{number}",
        )
        for number in range(1, count + 1)
    )
    command = payments.CreateBulkOrder(
        merchant.id, merchant.accounts[0], lines, f"wages-{uuid.uuid4().hex[:6]}"
    )
    return str(do(command, actor=CLERK)["id"])


def standing_order(merchant: factories.Merchant) -> str:
    command = payments.CreateStandingOrder(
        merchant.id,
        merchant.accounts[0],
        Money(90_000, "EUR"),
        Schedule(Frequency.MONTHLY, date(2034, 1, 2)),
        creditor=payments.Creditor("Anna Berg", "FR1420041010050500013M02606", "FR", "Paris"),
        remittance="Rent",
        reference=f"rent-{uuid.uuid4().hex[:6]}",
    )
    return str(do(command, actor=CLERK)["id"])


def disputed() -> tuple[str, UUID]:
    """Let a card payment be disputed. Give the dispute's public id and the payment's key."""
    cards = CardWorld()
    merchant = factories.merchant(accounts_count=1)
    key = cards.pay(merchant, "tok_dispute")
    cards.pass_time(seconds=1)
    cards.tell_all(merchant)
    (row,) = cards.disputes(key)
    assert row.state == "opened"
    return public_id("dsp", row.pk), key


def moving(tmp_path) -> Moving:
    merchant = factories.merchant(accounts_count=2, funded_minor=1_000_000)
    mine = collector()
    mandate = mine.mandate()
    collected = mine.collect(mandate, remittance="Membership in May")
    mine.send(collected, tmp_path)
    about, card = disputed()
    return Moving(
        merchant.id,
        bulk_order(merchant),
        standing_order(merchant),
        public_id("mdt", mandate),
        collected,
        about,
        card,
        public_id("acc", merchant.accounts[0]),
        public_id("acc", merchant.accounts[1]),
    )


def state_of(object_id: str) -> str:
    """Give the state of any of them."""
    models = {
        "blk": payments.BulkOrder,
        "sto": payments.StandingOrder,
        "mdt": payments.Mandate,
        "dsp": payments.Dispute,
    }
    prefix = object_id.partition("_")[0]
    with tenancy.scope(tenancy.PLATFORM):
        return str(models[prefix]._default_manager.get(pk=parse_public_id(prefix, object_id)).state)
