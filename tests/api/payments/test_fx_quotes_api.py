"""Quotes for exchanging currencies over HTTP, and payments that use them."""

import uuid

import pytest

from apps.core.ids import public_id
from tests.callers import Program
from tests.integration.payments import exchanging


@pytest.fixture
def merchant(db):
    exchanging.list_rate()
    one = exchanging.merchant()
    exchanging.add_account(one, "USD")
    return one


@pytest.fixture
def program(merchant):
    return Program(merchant.id, "payments.read", "payments.write")


SELL = {"sell": {"amount": "100.00", "currency": "EUR"}, "buy_currency": "USD"}


def order(merchant, quote, **changes):
    return {
        "type": "transfer",
        "account_id": public_id("acc", merchant.accounts[0]),
        "destination_account_id": public_id("acc", merchant.accounts[2]),
        "amount": quote["bought"],
        "quote_id": quote["id"],
    } | changes


class TestQuotes:
    def test_are_made_used_and_shown(self, merchant, program):
        made = program.post("fx-quotes", SELL)
        assert made.status_code == 201, made.content
        quote = made.json()

        paid = program.post("payments", order(merchant, quote))

        assert paid.status_code == 201, paid.content
        assert paid.json()["source_amount"] == quote["total"]
        assert (paid.json()["quote_id"], paid.json()["exchange_rate"]) == (quote["id"], quote["rate"])
        assert program.get(f"payments/{paid.json()['id']}").json()["source_amount"] == quote["total"]
        assert program.get(f"fx-quotes/{quote['id']}").json()["payment_id"] == paid.json()["id"]
        again = program.post("payments", order(merchant, quote))
        assert (again.status_code, again.json()["code"]) == (409, "quote_used")

    def test_of_others_are_not_there(self, merchant, program):
        other = exchanging.merchant()
        theirs = Program(other.id, "payments.read", "payments.write").post("fx-quotes", SELL).json()

        assert program.get(f"fx-quotes/{theirs['id']}").status_code == 404
        assert program.post("payments", order(merchant, theirs)).status_code == 404

    @pytest.mark.parametrize(
        "change",
        [
            {"quote_id": "fxq_nonsense"},
            {"quote_id": public_id("pay", uuid.UUID(int=5))},
            {"quote_id": public_id("fxq", uuid.UUID(int=5))},
            {"amount": {"amount": "1.00", "currency": "USD"}},
            {"amount": {"amount": "100.00", "currency": "EUR"}},
        ],
    )
    def test_are_refused_where_they_do_not_fit(self, merchant, program, change):
        quote = program.post("fx-quotes", SELL).json()

        answer = program.post("payments", order(merchant, quote) | change)

        assert answer.status_code in (400, 404, 422), answer.content
        assert answer.json()["code"]
        assert merchant.balance(0).posted == 100_000

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"sell": SELL["sell"]},
            {"sell": SELL["sell"], "sell_currency": "USD"},
            {**SELL, "buy": SELL["sell"], "sell_currency": "USD"},
            {**SELL, "buy_currency": "EUR"},
            {**SELL, "buy_currency": "XXZ"},
            {**SELL, "buy_currency": "usd"},
            {**SELL, "sell": {"amount": "0.00", "currency": "EUR"}},
            {**SELL, "sell": {"amount": "-1.00", "currency": "EUR"}},
            {**SELL, "sell": {"amount": "1.001", "currency": "EUR"}},
            {**SELL, "sell": "100 EUR"},
            {**SELL, "sell": {"amount": 1e300, "currency": "EUR"}},
            [],
        ],
    )
    def test_are_not_made_of_nonsense(self, program, body):
        assert program.post("fx-quotes", body).status_code in (400, 422)

    def test_need_the_scope(self, merchant):
        reader = Program(merchant.id, "payments.read")

        assert reader.post("fx-quotes", SELL).status_code == 403
