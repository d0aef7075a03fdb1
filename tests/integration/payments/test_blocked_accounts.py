"""A block stops what goes out of an account, without a gap, and nothing that comes in."""

import threading
import time

import pytest

from apps.accounts import public as accounts
from apps.core import tenancy
from apps.core.errors import Refusal
from apps.core.money import Money
from tests import factories
from tests.factories import PayinEventFactory, PayoutFactory, TransferFactory, do

SOME = Money(100, "EUR")


@pytest.fixture
def merchant(db):
    return factories.merchant(funded_minor=1_000, limit_minor=1_000)


def block(merchant, index=0):
    do(accounts.BlockPaymentAccount(merchant.id, account_id=merchant.accounts[index], reason="other"))


def transfer(merchant, source=0, target=1):
    return TransferFactory(
        organisation_id=merchant.id,
        account_id=merchant.accounts[source],
        other_account_id=merchant.accounts[target],
        amount=SOME,
    )


def payout(merchant):
    return PayoutFactory(organisation_id=merchant.id, account_id=merchant.accounts[0], amount=SOME)


@pytest.mark.parametrize("order", [transfer, payout])
class TestWhatGoesOut:
    def test_is_refused_and_holds_nothing(self, merchant, order):
        block(merchant)

        with pytest.raises(Refusal) as refused:
            do(order(merchant))

        assert (refused.value.code, refused.value.facts["status"]) == ("account_not_usable", "blocked")
        assert merchant.balance(0).available == 1_000

    def test_does_not_overtake_a_block_that_is_being_committed(self, merchant, order, in_threads):
        taken = threading.Event()

        def act(who):
            if who == "block":
                with tenancy.scope(merchant.id):
                    row = accounts.lock_payment_account(merchant.accounts[0], for_change=True)
                    row.status, row.block_reason = "blocked", "other"
                    row.save(update_fields=["status", "block_reason"])
                    taken.set()
                    time.sleep(0.5)  # long enough for the order to pass, if it did not wait
                return "blocked"
            assert taken.wait(timeout=5)
            try:
                do(order(merchant))
            except Refusal as refusal:
                return refusal.code
            return "paid"

        assert in_threads(act, ["block", "order"]) == ["blocked", "account_not_usable"]
        assert merchant.balance(0).available == 1_000


class TestWhatComesIn:
    def test_arrives_by_transfer(self, merchant):
        block(merchant, index=1)

        assert do(transfer(merchant))["state"] == "settled"
        assert merchant.balance(1).posted == 100

    def test_arrives_from_a_provider(self, merchant):
        block(merchant)

        answer = do(
            PayinEventFactory(organisation_id=merchant.id, account_id=merchant.accounts[0], amount=SOME)
        )

        assert answer["result"] == "applied"
        assert merchant.balance(0).posted == 1_100
