"""The whole way of payouts by ACH: file, simulated bank, BAI2 statement, reconciliation."""

from datetime import UTC, date, datetime

import pytest

from apps.core import tenancy
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments.exports import batch_bytes
from apps.payments.routing import route_by_id
from apps.reconciliation import public as reconciliation
from apps.reconciliation.commands.expectations import ExpectPayments
from apps.reconciliation.importing.accounts import bank_account_of_settlement
from apps.simulator.us_bank import UsBank
from tests import factories
from tests.integration.payments import us_bank
from tests.integration.payments.us_bank import export, merchant, payee, payout, stored

TUESDAY = datetime(2026, 11, 24, 21, 0, tzinfo=UTC)
WEDNESDAY = datetime(2026, 11, 25, 23, 0, tzinfo=UTC)


class Bank:
    """The simulated bank, with our account at it and its statements taken in."""

    def __init__(self):
        self.key = us_bank.open_us_bank()
        with tenancy.scope(tenancy.PLATFORM):
            self.route = route_by_id(self.key)
            self.account = bank_account_of_settlement(self.key)
        self.number = self.route.iban
        self.bank = UsBank(routing=us_bank.OURS)
        self.bank.open_account(self.number, "1234567890", Money(0, "USD"))

    def takes(self, batch, at=TUESDAY):
        self.bank.take_file(batch_bytes(batch["message_id"]), at=at)

    def reports(self, at):
        data = self.bank.statement(self.number, day=at.date(), at=at)
        reconciliation.import_statement(data, file_name="us.bai2", actor=factories.SYSTEM, at=at)
        (run,) = reconciliation.reconcile_accounts(
            as_of=at.date(), actor=factories.SYSTEM, at=at, accounts=[self.account]
        )
        return run


@pytest.fixture
def bank(db):
    return Bank()


def expect_all(*answers):
    """Let reconciliation know what is at the bank, as its handler does after each event."""
    factories.do(ExpectPayments(None, tuple(stored(answer).pk for answer in answers), because="test"))


class TestSettlement:
    def test_one_line_of_the_bank_settles_every_payment_of_the_file(self, bank, tmp_path):
        one = merchant(funded_minor=100_000)
        answers = [payout(one, 2_500), payout(one, 900, to=payee(holder="company", name="Acme Inc"))]
        (batch,) = export(tmp_path, at=TUESDAY)
        bank.takes(batch)
        expect_all(*answers)

        bank.reports(WEDNESDAY)

        assert {stored(answer).state for answer in answers} == {"settled"}
        assert one.balance().posted == 96_600
        with tenancy.scope(tenancy.PLATFORM):
            assert ledger.balance(bank.route.clearing_out_id).posted == 0
            assert ledger.balance(bank.route.cash_id).posted == 3_400  # what left is on its credit side
        assert batch["execution_date"] == date(2026, 11, 25).isoformat()
