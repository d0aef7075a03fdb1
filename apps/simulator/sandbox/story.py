"""Thirty days in the life of the sandbox's merchant, one business day after another.

Everything happens through commands, at chosen moments, and through the bank's files. The dice are
seeded, so that every sandbox tells the same story.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from apps.core.actors import Actor
from apps.core.commands import Command
from apps.core.errors import Refusal
from apps.core.ids import parse_public_id, public_id
from apps.core.money import Money
from apps.payments import public as payments
from apps.reconciliation import public as reconciliation
from apps.simulator.sandbox import cast
from apps.simulator.sandbox.america import America
from apps.simulator.sandbox.exchange import Exchange
from apps.simulator.sandbox.subscriptions import Subscriptions
from apps.simulator.sandbox.world import ACTOR, Hand, World

DAYS = 30
SEED = 20_261_124
APPROVER = Actor("staff", "sandbox-approver", None, frozenset({"payments.approve"}))


def live_through(hand: Hand, world: World, *, today: date) -> Iterator[date]:
    """Live through the days before today; yield each day that is done."""
    story = _Story(hand, world)
    opening = _at(today - timedelta(days=DAYS), 7 * 60)
    story.subscriptions.open(opening)
    story.america.open(opening)
    story.exchange.open(opening)
    for offset in range(DAYS, 0, -1):
        day = today - timedelta(days=offset)
        story.live(day, last=offset == 1)
        yield day


class _Story:
    def __init__(self, hand: Hand, world: World) -> None:
        self.hand, self.world = hand, world
        self.dice = random.Random(SEED)  # a story, not a secret
        self.numbers = {"payin": 0, "transfer": 0, "payout": 0}
        self.provider_owes: list[
            tuple[str, str, Money]
        ] = []  # (payment, reference, amount) of the day before
        self.paid_in: list[tuple[str, Money]] = []
        self.subscriptions = Subscriptions(hand, world)
        self.america = America(hand, world)
        self.exchange = Exchange(hand, world)

    def live(self, day: date, *, last: bool) -> None:
        """Live one day. On weekends people pay, but banks are closed."""
        self._the_provider_pays_out_what_it_collected(day)
        self._people_pay_the_shop(day)
        self._money_moves_between_accounts(day)
        if day.weekday() >= 5:
            return
        self._people_pay_by_bank_transfer(day)
        self._suppliers_are_paid(day)
        if day.weekday() == 0:
            self.subscriptions.collect(_at(day, 9 * 60))
        if day.weekday() in (1, 3):
            self.america.pay(_at(day, 14 * 60))
        self.exchange.list_rates(_at(day, 15 * 60))
        if day.weekday() == 2:
            self.exchange.move(_at(day, 15 * 60 + 20))
        if day.weekday() in (0, 4):
            self.exchange.pay(_at(day, 15 * 60 + 30), cancelled=day.weekday() == 4)
        if day.weekday() == 3:
            self._somebody_gets_a_refund(day)
        self._the_bank_does_its_work(day, unexplained=day.day % 9 == 4, charge=day.weekday() == 4)
        if last:
            self._something_is_left_to_decide(day)

    def _next(self, what: str) -> int:
        self.numbers[what] += 1
        return self.numbers[what]

    def _people_pay_the_shop(self, day: date) -> None:
        """Card and wallet payments, collected by the provider, told by its events."""
        for currency, times in (("EUR", self.dice.randint(5, 9)), ("GBP", self.dice.randint(1, 3))):
            for _ in range(times):
                number = self._next("payin")
                amount = Money(self.dice.randint(450, 28_000), currency)
                at = _at(day, 8 * 60 + self.dice.randint(0, 600))
                reference = f"ord_{number:06d}"
                answer = self.hand.do(
                    payments.ApplyProviderEvent(
                        self.world.merchant_id,
                        cast.PROVIDER,
                        f"evt_{number:06d}",
                        payments.PAYIN_SUCCEEDED,
                        {
                            "id": reference,
                            "account_id": public_id("acc", self.world.accounts[currency][1]),
                            "amount": {"amount": amount.decimal_text(), "currency": currency},
                            "reference": f"Order {number:06d}",
                        },
                        at,
                    ),
                    f"payin:{number}",
                    at,
                )
                self.provider_owes.append((answer["object_id"], reference, amount))

    def _the_provider_pays_out_what_it_collected(self, day: date) -> None:
        """On the next business day the provider pays each order to our bank account."""
        if day.weekday() >= 5:
            return
        for payment_id, reference, amount in self.provider_owes:
            self.world.bank.receive(
                cast.SETTLEMENT_IBANS[amount.currency],
                amount,
                name="Sandbox Payments Provider",
                from_iban="DE12500105170648489890",
                remittance=f"Settlement {reference}",
                end_to_end_id=_end_to_end(payment_id),
            )
        self.provider_owes.clear()

    def _money_moves_between_accounts(self, day: date) -> None:
        for _ in range(self.dice.randint(2, 5)):
            currency = "EUR" if self.dice.random() < 0.8 else "GBP"
            own = self.world.accounts[currency]
            source, target = own[1], self.dice.choice(own[2:] or own[:1])
            number = self._next("transfer")
            at = _at(day, 9 * 60 + self.dice.randint(0, 480))
            self._try(
                payments.CreateTransfer(
                    self.world.merchant_id,
                    source,
                    target,
                    Money(self.dice.randint(200, 9_000), currency),
                    remittance=f"Payout of tips {number}",
                    reference=f"T-{number:05d}",
                ),
                f"transfer:{number}",
                at,
            )

    def _people_pay_by_bank_transfer(self, day: date) -> None:
        """Credits on the statement that nobody announced, with the account they are for in the text."""
        for place in range(self.dice.randint(1, 2)):
            name, iban = self.dice.choice(cast.PAYERS)
            # The till, which pays the suppliers, gets something every day; somebody else now and then.
            target = (
                self.dice.choice(self.world.accounts["EUR"][1:6]) if place else self.world.accounts["EUR"][0]
            )
            self.world.bank.receive(
                cast.SETTLEMENT_IBANS["EUR"],
                Money(self.dice.randint(20_000, 250_000), "EUR"),
                name=name,
                from_iban=iban,
                remittance=f"{public_id('acc', target)} invoice {self.dice.randint(1000, 9999)}",
            )
        if day.weekday() == 1:
            name, iban = self.dice.choice(cast.BRITISH_PAYERS)
            self.world.bank.receive(
                cast.SETTLEMENT_IBANS["GBP"],
                Money(self.dice.randint(20_000, 90_000), "GBP"),
                name=name,
                from_iban=iban,
                remittance=f"{public_id('acc', self.world.accounts['GBP'][0])} wholesale",
            )

    def _suppliers_are_paid(self, day: date) -> None:
        for _ in range(self.dice.randint(1, 3)):
            supplier, number = self.dice.choice(cast.SUPPLIERS), self._next("payout")
            amount = Money(self.dice.choice((8_450, 12_500, 31_990, 64_000, 99_900, 145_000)), "EUR")
            fault = {11: " simulate:reject AC04", 23: " simulate:return AC01"}.get(number, "")
            at = _at(day, 11 * 60 + self.dice.randint(0, 120))
            answer = self._try(
                self._payout(supplier, amount, f"{supplier.what} {number}{fault}", number),
                f"payout:{number}",
                at,
            )
            if answer is not None and answer["state"] == "ordered":
                key = parse_public_id("pay", answer["id"])
                self.hand.do(
                    payments.ApprovePayment(self.world.merchant_id, key),
                    f"approve:{number}",
                    at + timedelta(minutes=35),
                    APPROVER,
                )

    def _payout(
        self, supplier: cast.Supplier, amount: Money, remittance: str, number: int
    ) -> payments.CreatePayout:
        return payments.CreatePayout(
            self.world.merchant_id,
            self.world.accounts["EUR"][0],
            amount,
            payments.Creditor(supplier.name, supplier.iban),
            remittance=remittance,
            reference=f"P-{number:05d}",
        )

    def _somebody_gets_a_refund(self, day: date) -> None:
        if not self.paid_in:
            return
        payment_id, amount = self.paid_in.pop(0)
        self._try(
            payments.CreateRefund(
                self.world.merchant_id,
                parse_public_id("pay", payment_id),
                Money(max(amount.minor // 2, 1), amount.currency),
                reason="Half of it came back",
            ),
            f"refund:{payment_id}",
            _at(day, 15 * 60),
        )

    def _something_is_left_to_decide(self, day: date) -> None:
        """Payouts over the limit that wait for a second person, for whoever looks around."""
        for supplier, minor in ((cast.SUPPLIERS[0], 245_000), (cast.SUPPLIERS[4], 118_050)):
            number = self._next("payout")
            self._try(
                self._payout(supplier, Money(minor, "EUR"), f"{supplier.what} {number}", number),
                f"payout:{number}",
                _at(day, 17 * 60),
            )

    def _the_bank_does_its_work(self, day: date, *, unexplained: bool, charge: bool) -> None:
        """Payment files go out and are answered; the day's statement comes in and is reconciled."""
        bank, iban = self.world.bank, cast.SETTLEMENT_IBANS["EUR"]
        at = _at(day, 16 * 60)
        with TemporaryDirectory() as folder:
            for batch in payments.export_batches(
                rail="sepa_ct", execution_date=day, folder=Path(folder), actor=ACTOR, at=at
            ):
                answer = bank.take_payments((Path(folder) / batch["file_name"]).read_bytes(), at=at)
                payments.import_status_file(
                    answer, file_name=f"{batch['message_id']}.pain.002.xml", actor=ACTOR, at=at
                )
        self.subscriptions.bank_day(day, at)
        self.america.bank_day(day, at)
        if charge:
            bank.charge(iban, Money(1_250, "EUR"), text="Account fee")
        if unexplained:
            bank.receive(
                iban,
                Money(self.dice.randint(5_000, 60_000), "EUR"),
                name="Unbekannt",
                from_iban=cast.PAYERS[0][1],
                remittance="thanks!",
            )
        evening = _at(day, 18 * 60 + 30)
        for account in cast.SETTLEMENT_IBANS.values():
            if bank.has_news(account, day=day):
                data = bank.statement(account, day=day, at=evening)
                reconciliation.import_statement(
                    data, file_name=f"{account}-{day:%Y%m%d}.camt.053.xml", actor=ACTOR, at=evening
                )
        reconciliation.reconcile(as_of=day, actor=ACTOR, at=evening + timedelta(minutes=5))
        self.subscriptions.evening(evening + timedelta(minutes=10))
        self._remember_settled(day)

    def _remember_settled(self, day: date) -> None:
        """Keep a few pay-ins by bank transfer, to refund one of them on another day."""
        for payment_id, minor, currency in settled_bank_payins(self.world.merchant_id, since=_at(day, 0)):
            self.paid_in.append((payment_id, Money(minor, currency)))

    def _try(self, command: Command, key: str, at: datetime) -> dict[str, Any] | None:
        """Ask for something that may be refused, such as a payout beyond the balance: that is life too."""
        try:
            return self.hand.do(command, key, at)
        except Refusal:
            return None


def settled_bank_payins(organisation_id: UUID, *, since: datetime) -> list[tuple[str, int, str]]:
    """Return pay-ins with a known payer, newest first, ordered since a moment."""
    from apps.core import tenancy

    with tenancy.scope(organisation_id):
        rows = payments.payments(kinds=["payin"], states=["settled"]).filter(
            created_at__gte=since, counterparty_id__isnull=False
        )
        return [
            (public_id("pay", row.pk), row.amount_minor, row.currency) for row in rows.order_by("-id")[:2]
        ]


def _at(day: date, minute: int) -> datetime:
    return datetime.combine(day, time(minute // 60 % 24, minute % 60), tzinfo=UTC)


def _end_to_end(payment_id: str) -> str:
    """Return the reference that we gave the payment, which the provider passes on."""
    return parse_public_id("pay", payment_id).hex.upper()
