"""A bank to call, by a clock of the test's own, in place of the network."""

from __future__ import annotations

from datetime import datetime, timedelta

from apps.core import clock, tenancy
from apps.core.money import Money
from apps.payments import instant
from apps.payments import public as payments
from apps.payments.formats import FormatError
from apps.payments.models import SettlementAccount
from apps.payments.models_instant import InstantAttempt
from apps.payments.transport import Reply
from apps.simulator.bank import Bank
from apps.simulator.instant import Counter
from apps.simulator.us_bank import UsBank
from tests.factories import SETTLEMENT_IBANS, SYSTEM

URLS = {rail: f"http://127.0.0.1:1/{rail}" for rail in ("sepa_inst", "fednow", "payee_verification")}


US_ACCOUNT = "000123456789"


class Line:
    """The line to a simulated bank: virtual time, and trouble on request.

    `trouble` is what the next calls end with instead: a Reply, or None for an answer that is lost on its way.
    """

    def __init__(self, at: datetime | None = None) -> None:
        self.at = at or clock.database_now()
        self.bank = Bank(bic="MARKDEFF")
        for iban, currency in ours():
            self.bank.open_account(iban, currency, Money.zero(currency))
        self.us_bank = UsBank(routing="011000015")
        self.us_bank.open_account(US_ACCOUNT, "1234567890", Money.zero("USD"))
        self.counter = Counter({"sepa_inst": self.bank, "fednow": self.us_bank})
        self.trouble: list[Reply | None] = []
        self.calls: list[tuple[str, bytes]] = []

    def later(self, seconds: float) -> Line:
        self.at += timedelta(seconds=seconds)
        return self

    def post(self, url: str, body: bytes, total_s: float) -> Reply:
        rail = url.rsplit("/", 1)[-1]
        self.calls.append((rail, body))
        trouble = self.trouble.pop(0) if self.trouble else False
        if isinstance(trouble, Reply):
            return trouble
        try:
            said = self.counter.take(rail, body, at=self.at)
        except FormatError as error:
            return Reply(reached=True, error=f"http_400 {error.code}")
        if said.body is None or trouble is None:
            self.later(total_s)
            return Reply(reached=True, error="timeout")
        return Reply(reached=True, body=said.body)

    @property
    def caller(self) -> instant.Caller:
        return instant.Caller(SYSTEM, self.post, lambda: self.at)

    def send(self, payment_id):
        return instant.send(payment_id, self.caller)

    def inquire(self, payment_id):
        return instant.inquire(latest(payment_id).message_id, self.caller)


def ours():
    """Give our accounts at banks with an IBAN: other tests open some, and payments may leave from those."""
    with tenancy.scope(tenancy.PLATFORM):
        rows = SettlementAccount.objects.exclude(iban="").values_list("iban", "currency")
        return {(iban, currency) for currency, iban in SETTLEMENT_IBANS.items()} | set(rows)


def attempts(payment_id):
    with tenancy.scope(tenancy.PLATFORM):
        return list(InstantAttempt.objects.filter(payment_id=payment_id).order_by("number"))


def latest(payment_id):
    return attempts(payment_id)[-1]


def stored(payment_id):
    with tenancy.scope(tenancy.PLATFORM):
        return payments.payment(payment_id)
