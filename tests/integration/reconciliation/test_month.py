"""A month with a bank that rejects, returns, charges, repeats and surprises: cash agrees at every close."""

import random
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from apps.core import tenancy
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments import public as payments
from apps.reconciliation import public as reconciliation
from apps.reconciliation.domain.calendar import add_business_days, is_business_day
from apps.reconciliation.models import StatementLine
from apps.reconciliation.queries import cash_position, open_breaks
from apps.simulator.bank import Bank
from tests import factories
from tests.integration.payments.collecting import collector as new_collector
from tests.integration.reconciliation.conftest import ACTOR

FIRST = date(2026, 10, 1)
DAYS = 30


def at(day, hour):
    return datetime.combine(day, time(hour), UTC)


class Month:
    """One settlement account at a simulated bank, and a merchant who lives through the month."""

    def __init__(self, bank, merchant, seed):
        self.ours, self.merchant, self.dice = bank, merchant, random.Random(seed)
        self.bank = Bank(bic="AGBLLT2XXXX")
        self.bank.open_account(bank.iban, "EUR", Money(0, "EUR"))
        self.collector = new_collector(core_reserve_days=5)
        self.collected = []
        self.odd = 0

    def live(self, day):
        self._receive(day)
        if day > FIRST + timedelta(days=2):
            self._pay_out(day)
        if day.weekday() == 0 and day < FIRST + timedelta(days=12):
            self._collect(day)
        if day.day % 7 == 0:
            self.bank.charge(self.ours.iban, Money(1_250, "EUR"), text="Account fee")
        if day.day % 9 == 0:
            self.odd += 1
            self.bank.receive(
                self.ours.iban,
                Money(700 + self.odd, "EUR"),
                name="Nobody",
                from_iban="DE02120300000000202051",
                remittance="a surprise",
            )
        self._close_the_day(day)

    def _receive(self, day):
        for _ in range(self.dice.randint(1, 4)):
            self.bank.receive(
                self.ours.iban,
                Money(self.dice.randint(50_000, 90_000), "EUR"),
                name="Ada Example",
                from_iban="DE02120300000000202051",
                remittance=f"{self.merchant.account} invoice",
            )

    def _pay_out(self, day):
        for _ in range(self.dice.randint(1, 3)):
            fault = self.dice.choice(["", "", "", " simulate:reject AC04", " simulate:return AC01"])
            factories.do(
                factories.PayoutFactory(
                    organisation_id=self.merchant.organisation_id,
                    account_id=self.merchant.inner.accounts[0],
                    amount=Money(self.dice.randint(1_000, 9_000), "EUR"),
                    remittance=f"Invoice{fault}",
                ),
                at=at(day, 10),
            )

    def _collect(self, day):
        """Order a collection of each fate: most come in, some are rejected, come back, or are taken back."""
        for number, fate in enumerate(FATES):
            self.collected.append(
                self.collector.collect(
                    self.collector.mandate(), 1_000 + 100 * day.day + number, remittance=fate, at=at(day, 7)
                )
            )

    def _exchange_files(self, day):
        payments.prenotify_due(actor=ACTOR, at=at(day, 8))
        with TemporaryDirectory() as folder:
            for rail in ("sepa_ct", "sepa_dd"):
                execution = day if rail == "sepa_ct" else add_business_days(day, 1)
                for batch in payments.export_batches(
                    rail=rail, execution_date=execution, folder=Path(folder), actor=ACTOR, at=at(day, 11)
                ):
                    _, answer = self.bank.take(
                        (Path(folder) / batch["file_name"]).read_bytes(), at=at(day, 12)
                    )
                    payments.import_return(answer, file_name="pain.002.xml", actor=ACTOR, at=at(day, 13))
        told = self.bank.debits.returns(day=day, at=at(day, 14))
        if told is not None:
            payments.import_return(told, file_name="pacs.004.xml", actor=ACTOR, at=at(day, 14))

    def _close_the_day(self, day):
        self._exchange_files(day)
        if self.bank.has_news(self.ours.iban, day=day):
            data = self.bank.statement(self.ours.iban, day=day, at=at(day, 18))
            for _twice in range(2):  # the bank sends it again, and nothing comes of it
                reconciliation.import_statement(data, file_name="camt.053.xml", actor=ACTOR, at=at(day, 18))
        (run,) = reconciliation.reconcile_accounts(
            as_of=day, actor=ACTOR, at=at(day, 19), accounts=[self.ours.account]
        )
        assert run["refused"] == []
        payments.finalise_due(actor=ACTOR, at=at(day, 20))


FATES = (
    "gym",
    "gym simulate:reject MD01",
    "gym simulate:return AM04 2",
    "gym simulate:refund MD06 3",
)


@pytest.mark.parametrize("seed", [1])
def test_cash_is_the_banks_cash_every_day_and_every_difference_is_a_named_break(bank, merchant, seed):
    month = Month(bank, merchant, seed)
    days = [FIRST + timedelta(days=offset) for offset in range(DAYS)]

    for day in (day for day in days if is_business_day(day)):
        month.live(day)
        with tenancy.scope(tenancy.PLATFORM):
            position = cash_position(bank.account, day)
        assert position.drift_minor == 0, day

    with tenancy.scope(tenancy.PLATFORM):
        breaks = list(open_breaks(bank_account_id=bank.account_id))
        open_lines = StatementLine.objects.filter(bank_account_id=bank.account_id, state="open")
        left = sum(line.amount_minor for line in open_lines)
        states = set(
            payments.payments(kinds=["payout"])
            .filter(organisation_id=merchant.organisation_id)
            .values_list("state", flat=True)
        )
        collected = {payments.payment(key).state for key in month.collected}
        books = ledger.check()
    assert {row.reason for row in breaks} == {"unexplained"}
    assert {row.line_id for row in breaks} == {line.id for line in open_lines}
    assert bank.cash() == month.bank.accounts[bank.iban].closing_minor - left
    assert {"settled", "returned", "rejected"} <= states
    assert {"final", "returned", "rejected"} <= collected
    assert books.ok
