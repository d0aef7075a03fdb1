"""Many at once: the last cent is spent once, a payment is refunded once, a batch is closed once."""

import uuid
from datetime import date

import pytest

from apps.core.errors import Refusal
from apps.core.ids import parse_public_id
from apps.core.money import Money
from apps.payments import public as payments
from tests import factories
from tests.factories import PayoutFactory, TransferFactory, do


@pytest.fixture
def merchant(db):
    return factories.merchant(accounts_count=3, funded_minor=100, limit_minor=1_000)


def outcomes(results):
    return [result["state"] if isinstance(result, dict) else result.code for result in results]


class TestTheLastCent:
    def test_is_spent_once_by_two_hundred(self, merchant, in_threads):
        do(
            TransferFactory(
                organisation_id=merchant.id,
                account_id=merchant.accounts[0],
                other_account_id=merchant.accounts[1],
                amount=Money(99, "EUR"),
            )
        )

        def spend(number):
            return do(
                TransferFactory(
                    organisation_id=merchant.id,
                    account_id=merchant.accounts[0],
                    other_account_id=merchant.accounts[2],
                    amount=Money(1, "EUR"),
                ),
                key=f"spend-{number}-{uuid.uuid4()}",
            )

        results = [r for start in range(0, 200, 50) for r in in_threads(spend, range(start, start + 50))]

        assert outcomes(results).count("settled") == 1
        assert set(outcomes(results)) <= {"settled", "insufficient_funds", "busy"}
        assert (merchant.balance(0).posted, merchant.balance(2).posted) == (0, 1)

    def test_is_held_once_by_payouts_and_transfers_together(self, merchant, in_threads):
        def spend(number):
            if number % 2:
                return do(
                    PayoutFactory(
                        organisation_id=merchant.id, account_id=merchant.accounts[0], amount=Money(60, "EUR")
                    )
                )
            return do(
                TransferFactory(
                    organisation_id=merchant.id,
                    account_id=merchant.accounts[0],
                    other_account_id=merchant.accounts[1],
                    amount=Money(60, "EUR"),
                )
            )

        results = in_threads(spend, range(20))

        assert sum(isinstance(result, dict) for result in results) == 1
        assert merchant.balance(0).available == 40


class TestRefundsAtOnce:
    def test_never_give_back_more_than_was_paid(self, merchant, in_threads):
        paid = do(
            TransferFactory(
                organisation_id=merchant.id,
                account_id=merchant.accounts[0],
                other_account_id=merchant.accounts[1],
                amount=Money(100, "EUR"),
            )
        )
        key = parse_public_id("pay", paid["id"])

        results = in_threads(
            lambda _: do(payments.CreateRefund(merchant.id, key, Money(40, "EUR"))), range(10)
        )

        assert sum(isinstance(result, dict) for result in results) == 2
        assert merchant.balance(1).posted == 20


class TestBatchesAtOnce:
    def test_take_each_payment_once(self, merchant, in_threads):
        answer = do(
            PayoutFactory(
                organisation_id=merchant.id, account_id=merchant.accounts[0], amount=Money(10, "EUR")
            )
        )
        from apps.core import tenancy

        with tenancy.scope(tenancy.PLATFORM):
            account_id = payments.payment(parse_public_id("pay", answer["id"])).settlement_account_id

        results = in_threads(
            lambda _: do(payments.CloseBatch(None, account_id, "sepa_ct", date(2026, 5, 4))), range(6)
        )

        closed = [result for result in results if isinstance(result, dict)]
        assert len(closed) == 1
        assert all(isinstance(result, (dict, Refusal)) for result in results)
        with tenancy.scope(tenancy.PLATFORM):
            row = payments.payment(parse_public_id("pay", answer["id"]))
        assert row.batch_message_id == closed[0]["message_id"]
