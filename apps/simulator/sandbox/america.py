"""The sandbox's American side: a dollar account at a bank in the ACH, and roasters there who are paid."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from apps.accounts import public as accounts
from apps.core.errors import Refusal
from apps.core.ids import parse_public_id, public_id
from apps.core.money import Money
from apps.payments import public as payments
from apps.reconciliation import public as reconciliation
from apps.simulator.sandbox import cast
from apps.simulator.sandbox.world import ACTOR, Hand, World
from apps.simulator.us_bank import is_banking_day

BANK, NUMBER = "First Simulated Bank", "000987654321"
COMPANY_ID, COMPANY = "1234567890", "NORDLICHT"
OPENING_MINOR, AUTO_APPROVE_MINOR = 2_500_000, 200_000


@dataclass(frozen=True, slots=True)
class Roaster:
    """Somebody in the United States whom the merchant pays."""

    name: str
    routing_number: str
    account_number: str
    holder: str = "company"


ROASTERS = (
    Roaster("Harbor Light Roasters Inc", "021000021", "4400112233"),
    Roaster("Blue Ridge Equipment LLC", "011000015", "7788990011"),
    Roaster("Maya Sanders", "021000021", "100200300", "person"),
)
TROUBLE = {2: " simulate:return R03", 4: " simulate:noc C01 7788990012"}
"""What the bank makes of a payment, by its number."""


class America:
    """What is paid in dollars, and the bank that does it."""

    def __init__(self, hand: Hand, world: World) -> None:
        self.hand, self.world = hand, world
        self.bank = world.us_bank
        self.paid = 0

    def open(self, at: datetime) -> None:
        """Open the bank account, our place in the ACH, and the merchant's dollar account, with money in it."""
        account = payments.AddSettlementAccount(
            None, self.world.operator_id, NUMBER, "USD", cast.OPERATOR, BANK, routing_number=self.bank.routing
        )
        settlement = parse_public_id("sta", self.hand.do(account, "settlement:USD", at)["id"])
        self.world.settlement["USD"] = settlement
        profile = payments.SetAchProfile(None, settlement, COMPANY_ID, COMPANY, self.bank.routing)
        self.hand.do(profile, "ach_profile", at)
        limit = Money(AUTO_APPROVE_MINOR, "USD")
        self.hand.do(payments.SetPayoutPolicy(self.world.merchant_id, limit), "policy:USD", at)
        self.hand.do(payments.SetAchCollectionPolicy(self.world.merchant_id), "ach_policy", at)
        opened = accounts.OpenPaymentAccount(self.world.merchant_id, currency="USD", label="USD account")
        answer = self.hand.do(opened, "account:USD", at)
        self.world.accounts["USD"] = [parse_public_id("acc", answer["id"])]
        self.bank.open_account(NUMBER, COMPANY_ID, Money.zero("USD"))
        text = f"{public_id('acc', self.world.accounts['USD'][0])} from our shop in Boston"
        self.bank.receive(NUMBER, Money(OPENING_MINOR, "USD"), day=at.date(), text=text)

    def pay(self, at: datetime) -> None:
        """Order a payout to one of the roasters."""
        roaster = ROASTERS[self.paid % len(ROASTERS)]
        order = payments.CreatePayout(
            self.world.merchant_id,
            self.world.accounts["USD"][0],
            Money(42_500 + 1_750 * self.paid, "USD"),
            payments.Creditor(
                roaster.name,
                routing_number=roaster.routing_number,
                account_number=roaster.account_number,
                holder=roaster.holder,
            ),
            remittance=f"Invoice {7_100 + self.paid}{TROUBLE.get(self.paid, '')}",
            reference=f"U-{self.paid + 1:03d}",
        )
        with contextlib.suppress(Refusal):  # the account may be empty, or stopped: that is life too
            self.hand.do(order, f"us_payout:{self.paid}", at)
        self.paid += 1

    def bank_day(self, day: date, at: datetime) -> None:
        """Send the day's file, and take in what came back and the statement."""
        if not is_banking_day(day):
            return
        with TemporaryDirectory() as folder:
            for batch in payments.export_batches(
                rail="ach",
                execution_date=payments.execution_day("ach", at),
                folder=Path(folder),
                actor=ACTOR,
                at=at,
            ):
                self.bank.take_file((Path(folder) / batch["file_name"]).read_bytes(), at=at)
        told = self.bank.answer(at=at)
        if told is not None:
            payments.import_return(told, file_name=f"{day:%Y%m%d}-returns.ach", actor=ACTOR, at=at)
        if self.bank.has_news(NUMBER, day=day):
            evening = at + timedelta(hours=1)
            data = self.bank.statement(NUMBER, day=day, at=evening)
            reconciliation.import_statement(
                data, file_name=f"{NUMBER}-{day:%Y%m%d}.bai2", actor=ACTOR, at=evening
            )
