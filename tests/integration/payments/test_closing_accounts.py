"""An account is closed only when nothing is under way on it."""

import uuid
from datetime import date

import pytest

from apps.accounts import public as accounts
from apps.core import clock
from apps.core.ids import parse_public_id
from apps.core.money import Money
from apps.ledger.errors import AccountNotEmpty
from apps.payments import public as payments
from apps.payments.commands.checks import AccountNotUsable
from apps.payments.domain.schedules import Frequency, Schedule
from tests import factories
from tests.factories import SYSTEM, CreditorFactory, PayoutFactory, TransferFactory, do


@pytest.fixture
def merchant(db):
    return factories.merchant(funded_minor=10_000, limit_minor=100_000)


@pytest.fixture
def unused(db):
    return factories.merchant()


def close(merchant, index=0):
    return do(accounts.ClosePaymentAccount(merchant.id, account_id=merchant.accounts[index]))


class TestClosing:
    def test_waits_for_the_balance(self, merchant):
        with pytest.raises(AccountNotEmpty):
            close(merchant)

    def test_waits_for_payments_under_way_and_says_how_many(self, merchant, tmp_path):
        do(
            TransferFactory(
                organisation_id=merchant.id, account_id=merchant.accounts[0],
                other_account_id=merchant.accounts[1], amount=Money(500, "EUR"),
            )
        )  # fmt: skip
        command = PayoutFactory(
            organisation_id=merchant.id, account_id=merchant.accounts[1], amount=Money(500, "EUR")
        )
        answer = do(command, key=uuid.uuid4().hex)
        with pytest.raises(AccountNotEmpty):  # its hold
            close(merchant, 1)
        at = clock.database_now()
        list(
            payments.export_batches(
                rail="sepa_ct", execution_date=at.date(), folder=tmp_path, actor=SYSTEM, at=at
            )
        )

        with pytest.raises(accounts.AccountInUse) as refusal:
            close(merchant, 1)
        assert refusal.value.facts == {"under_way": {"payments": 1}}

        key = parse_public_id("pay", answer["id"])
        do(payments.SettlePayment(merchant.id, key, Money(500, "EUR"), at.date(), f"line-{key}"))
        assert close(merchant, 1)["status"] == "closed"

    @pytest.mark.parametrize(("index", "name"), [(0, "standing_orders"), (1, "standing_orders_to_it")])
    def test_waits_for_standing_orders_from_it_and_to_it(self, unused, index, name):
        year = clock.database_now().year + 1
        order = do(
            payments.CreateStandingOrder(
                unused.id,
                unused.accounts[0],
                Money(100, "EUR"),
                Schedule(Frequency.MONTHLY, date(year, 1, 1)),
                other_account_id=unused.accounts[1],
            )
        )
        with pytest.raises(accounts.AccountInUse) as refusal:
            close(unused, index)
        assert refusal.value.facts == {"under_way": {name: 1}}

        do(payments.CancelStandingOrder(unused.id, parse_public_id("sto", order["id"])))
        assert close(unused, index)["status"] == "closed"

    def test_lets_nothing_be_ordered_any_more(self, unused):
        close(unused, 1)

        with pytest.raises(AccountNotUsable):
            do(
                payments.CreateStandingOrder(
                    unused.id, unused.accounts[1], Money(100, "EUR"),
                    Schedule(Frequency.ONCE, date(2034, 1, 2)), creditor=CreditorFactory(),
                )
            )  # fmt: skip
