"""The sandbox's coffee subscriptions: collected every Monday by direct debit, and not always without trouble."""

from __future__ import annotations

import contextlib
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from apps.core.errors import Refusal
from apps.core.ids import parse_public_id
from apps.core.money import Money
from apps.payments import public as payments
from apps.simulator.sandbox import cast
from apps.simulator.sandbox.world import ACTOR, Hand, World

CREDITOR_ID = "DE98ZZZ09999999999"
PRENOTIFICATION_DAYS = 2
RESERVE_DAYS = 10
PRICES = (1_490, 1_990, 2_490, 1_490, 3_990)
TROUBLE = {
    (1, 2): " simulate:return AM04",
    (2, 1): " simulate:refund MD06 7",
    (3, 1): " simulate:reject AC04",
}
"""What the bank makes of a subscriber's collection: by subscriber and number, both from 0."""


class Subscriptions:
    """Who subscribed, and what is collected from them."""

    def __init__(self, hand: Hand, world: World) -> None:
        self.hand, self.world = hand, world
        self.mandates: list[UUID] = []
        self.rounds = 0

    def open(self, at: datetime) -> None:
        """Let the merchant collect, and record its subscribers' mandates."""
        merchant = self.world.merchant_id
        policy = payments.SetCollectionPolicy(
            merchant, CREDITOR_ID, cast.MERCHANT, core_reserve_days=RESERVE_DAYS
        )
        self.hand.do(policy, "collection_policy", at)
        for number, (name, iban) in enumerate(cast.PAYERS):
            mandate = payments.CreateMandate(
                merchant,
                payments.MandateDebtor(name, iban),
                signed_on=at.date(),
                reference=f"BEANS-{number + 1:04d}",
                prenotification_days=PRENOTIFICATION_DAYS,
            )
            answer = self.hand.do(mandate, f"mandate:{number}", at)
            self.mandates.append(parse_public_id("mdt", answer["id"]))

    def collect(self, at: datetime) -> None:
        """Order this week's collections from all whose mandate still stands."""
        for number, mandate in enumerate(self.mandates):
            trouble = TROUBLE.get((number, self.rounds), "")
            order = payments.CreateCollection(
                self.world.merchant_id,
                mandate,
                self.world.accounts["EUR"][1],
                Money(PRICES[number], "EUR"),
                remittance=f"Coffee of the week {self.rounds + 1}{trouble}",
                reference=f"S-{self.rounds + 1:02d}-{number + 1:02d}",
            )
            # A mandate that a bank's code has suspended refuses: that is life too.
            with contextlib.suppress(Refusal):
                self.hand.do(order, f"collection:{self.rounds}:{number}", at)
        self.rounds += 1

    def bank_day(self, day: date, at: datetime) -> None:
        """Tell debtors, send files, and take in what the bank answers and sends back."""
        payments.prenotify_due(actor=ACTOR, at=at)
        with TemporaryDirectory() as folder:
            for batch in payments.export_batches(
                rail="sepa_dd",
                execution_date=_next_weekday(day),
                folder=Path(folder),
                actor=ACTOR,
                at=at,
            ):
                data = (Path(folder) / batch["file_name"]).read_bytes()
                answer = self.world.bank.take_collections(data, at=at)
                payments.import_status_file(
                    answer, file_name=f"{batch['message_id']}.pain.002.xml", actor=ACTOR, at=at
                )
        told = self.world.bank.debits.returns(day=day, at=at)
        if told is not None:
            payments.import_return(told, file_name=f"{day:%Y%m%d}.pacs.004.xml", actor=ACTOR, at=at)

    def evening(self, at: datetime) -> None:
        """Give free what can no longer be taken back."""
        payments.finalise_due(actor=ACTOR, at=at)


def _next_weekday(day: date) -> date:
    following = day + timedelta(days=1)
    while following.weekday() >= 5:
        following += timedelta(days=1)
    return following
