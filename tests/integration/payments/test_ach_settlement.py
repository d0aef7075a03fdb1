"""The whole way of payouts by ACH: file, simulated bank, BAI2 statement, reconciliation."""

from datetime import UTC, date, datetime

import pytest

from apps.core import tenancy
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments.exports import batch_bytes
from apps.payments.inbound import DuplicateFile
from apps.payments.return_files import import_return
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
MONDAY = datetime(2026, 11, 30, 23, 0, tzinfo=UTC)  # two banking days after Wednesday, over Thanksgiving


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

    def returns(self, data, at=MONDAY):
        """Take in a file of returns; one that was taken in before is refused and changes nothing."""
        try:
            return import_return(data, file_name="returns.ach", actor=factories.SYSTEM, at=at)
        except DuplicateFile:
            return None

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


class TestReturns:
    @pytest.mark.parametrize(
        "order", [("file", "statement"), ("statement", "file"), ("file", "file", "statement")]
    )
    def test_come_by_file_and_by_statement_in_either_order(self, bank, tmp_path, order):
        one = merchant(funded_minor=100_000)
        answers = [payout(one, 2_500, remittance="simulate:return R03"), payout(one, 900)]
        (batch,) = export(tmp_path, at=TUESDAY)
        bank.takes(batch)
        expect_all(*answers)
        bank.reports(WEDNESDAY)
        data = bank.bank.answer(at=MONDAY)

        for step in order:
            if step == "statement":
                bank.reports(MONDAY)
            else:
                bank.returns(data)

        assert [stored(answer).state for answer in answers] == ["returned", "settled"]
        assert one.balance().posted == 99_100
        with tenancy.scope(tenancy.PLATFORM):
            route = bank.route
            left = [route.clearing_out_id, route.clearing_in_id, route.suspense_id]
            assert [ledger.balance(account).posted for account in left] == [0, 0, 0]
            assert ledger.balance(route.cash_id).posted == 900

    def test_of_a_debit_leave_nothing_in_clearing(self, bank, tmp_path):
        one = merchant(funded_minor=0)
        answers = (
            us_bank.collected(one, 2_500, "simulate:return R01", at=TUESDAY),
            us_bank.collected(one, 900, "", at=TUESDAY),
        )
        (batch,) = export(tmp_path, at=TUESDAY)
        bank.takes(batch)
        expect_all(*answers)
        bank.reports(WEDNESDAY)
        settled = [stored(answer).state for answer in answers]

        bank.returns(bank.bank.answer(at=MONDAY))
        bank.reports(MONDAY)

        assert settled == ["settled", "settled"]
        assert [stored(answer).state for answer in answers] == ["returned", "settled"]
        with tenancy.scope(tenancy.PLATFORM):
            route = bank.route
            left = [route.clearing_out_id, route.clearing_in_id, route.suspense_id]
            assert [ledger.balance(account).posted for account in left] == [0, 0, 0]

    def test_a_change_from_the_bank_reaches_the_next_file(self, bank, tmp_path):
        one = merchant()
        payout(one, remittance="simulate:noc C01 98765")
        (batch,) = export(tmp_path, at=TUESDAY)
        bank.takes(batch)

        result = bank.returns(bank.bank.answer(at=MONDAY), at=MONDAY)
        again = payout(one, at=MONDAY)
        export(tmp_path, at=MONDAY)

        assert result["changes_applied"] == 1
        assert us_bank.account_in_file(again) == "98765"
