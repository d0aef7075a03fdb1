"""The sandbox's exchanges: a rate a day, suppliers abroad paid out of euro, and takings moved between accounts."""

from __future__ import annotations

import contextlib
import random
from datetime import datetime, timedelta
from typing import Any

from apps.core.errors import Refusal
from apps.core.ids import parse_public_id
from apps.core.money import Money
from apps.payments import public as payments
from apps.simulator.sandbox.america import ROASTERS
from apps.simulator.sandbox.world import Hand, World

SOURCE, SEED = "SANDBOX", 20_261_125
START = {"USD": 10_850, "GBP": 8_440, "JPY": 1_632_500, "BHD": 4_090}
"""Ten-thousandths of each currency for one euro, on the first day."""
SPREAD_BP, FEE_MINOR = 60, 50


class Exchange:
    """What is exchanged, and at which rates."""

    def __init__(self, hand: Hand, world: World) -> None:
        self.hand, self.world = hand, world
        self.dice = random.Random(SEED)  # a story, not a secret
        self.rates, self.number = dict(START), 0

    def open(self, at: datetime) -> None:
        """Agree on what the merchant is charged, and list the first rates."""
        for currency in ("USD", "GBP"):
            terms = payments.SetFxTerms(
                self.world.merchant_id, "EUR", currency, at.date(), SPREAD_BP, FEE_MINOR
            )
            self.hand.do(terms, f"fx_terms:{currency}", at)
        self.list_rates(at)

    def list_rates(self, at: datetime) -> None:
        """List the rates of a day; they wander a little."""
        listed = []
        for currency, before in sorted(self.rates.items()):
            self.rates[currency] = rate = before + before * self.dice.randint(-40, 40) // 10_000
            text = f"{rate // 10_000}.{rate % 10_000:04d}"
            listed.append(payments.FileRate(SOURCE, "EUR", currency, text, at))
        self.hand.do(payments.LoadFxRates(None, tuple(listed)), f"fx_rates:{at.isoformat()}", at)

    def move(self, at: datetime) -> None:
        """Bring euro of the online shop to its account in pounds."""
        self.number += 1
        quote = self._quote(Money(15_000 + 2_500 * self.number, "EUR"), "GBP", "sold", at)
        if quote is None:
            return
        order = payments.CreateTransfer(
            self.world.merchant_id,
            self.world.accounts["EUR"][1],
            self.world.accounts["GBP"][1],
            Money.parse(quote["bought"]["amount"], "GBP"),
            remittance="Float in pounds",
            reference=f"X-{self.number:03d}",
            quote_id=parse_public_id("fxq", quote["id"]),
        )
        self._order(order, at)

    def pay(self, at: datetime, *, cancelled: bool = False) -> None:
        """Pay a roaster in dollars out of euro, or order it and think better of it."""
        self.number += 1
        quote = self._quote(Money(9_900 + 100 * self.number, "USD"), "EUR", "bought", at)
        if quote is None:
            return
        roaster = ROASTERS[0]
        order = payments.CreatePayout(
            self.world.merchant_id,
            self.world.accounts["EUR"][0],
            Money.parse(quote["bought"]["amount"], "USD"),
            payments.Creditor(
                roaster.name,
                routing_number=roaster.routing_number,
                account_number=roaster.account_number,
                holder=roaster.holder,
            ),
            remittance=f"Samples {self.number}",
            reference=f"X-{self.number:03d}",
            quote_id=parse_public_id("fxq", quote["id"]),
        )
        answer = self._order(order, at)
        if cancelled and answer is not None:
            stop = payments.CancelPayment(
                self.world.merchant_id, parse_public_id("pay", answer["id"]), "ordered twice"
            )
            self.hand.do(stop, f"fx_cancel:{self.number}", at + timedelta(minutes=5))

    def _quote(self, amount: Money, currency: str, fixed: str, at: datetime) -> dict[str, Any] | None:
        asked = payments.QuoteExchange(self.world.merchant_id, amount, currency, fixed)
        return self._try(asked, f"fx_quote:{self.number}", at)

    def _order(self, order: Any, at: datetime) -> dict[str, Any] | None:
        return self._try(order, f"fx_order:{self.number}", at + timedelta(seconds=20))

    def _try(self, command: Any, key: str, at: datetime) -> dict[str, Any] | None:
        with contextlib.suppress(Refusal):  # the account may be empty: that is life too
            return self.hand.do(command, key, at)
        return None
