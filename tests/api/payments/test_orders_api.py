"""Bulk orders and standing orders over HTTP."""

from datetime import timedelta

import pytest

from apps.core import clock
from apps.core.ids import public_id
from apps.core.money import Money
from apps.payments import public as payments
from tests import factories
from tests.callers import Program
from tests.factories import do


@pytest.fixture
def merchant(db):
    return factories.merchant(funded_minor=100_000, limit_minor=50_000)


@pytest.fixture
def program(merchant):
    return Program(merchant.id, "payments.read", "payments.write")


@pytest.fixture
def checker(merchant):
    return Program(merchant.id, "payments.approve")


def account(merchant, index=0):
    return public_id("acc", merchant.accounts[index])


def line(amount="10.00", **changes):
    creditor = {"name": "Example Supplies BV", "iban": "NL91ABNA0417164300"}
    return {"amount": {"amount": amount, "currency": "EUR"}, "creditor": creditor} | changes


class TestBulkOrders:
    def test_are_ordered_shown_and_listed(self, merchant, program):
        made = program.post(
            "bulk-orders", {"account_id": account(merchant), "payments": [line(), line("2.50")]}
        )

        assert made.status_code == 201, made.content
        order = made.json()
        assert order["total"] == {"amount": "12.50", "currency": "EUR"}
        assert program.get(f"bulk-orders/{order['id']}").json() == order
        items = program.get(f"bulk-orders/{order['id']}/payments").json()["items"]
        assert {item["bulk_order_id"] for item in items} == {order["id"]} and len(items) == 2
        assert order["id"] in {item["id"] for item in program.get("bulk-orders").json()["items"]}

    def test_name_every_wrong_line(self, merchant, program):
        wrong = line(creditor={"name": "Somebody", "iban": "NL91ABNA0417164301"})

        answer = program.post("bulk-orders", {"account_id": account(merchant), "payments": [line(), wrong]})

        assert answer.status_code == 422
        assert [one["line"] for one in answer.json()["facts"]["errors"]] == [2]

    def test_take_a_body_of_thousands(self, merchant, program):
        lines = [line("0.01", remittance="x" * 130) for _ in range(1_000)]

        answer = program.post("bulk-orders", {"account_id": account(merchant), "payments": lines})

        assert answer.status_code == 201, answer.content
        assert answer.json()["payments"] == 1_000

    def test_wait_for_a_second_person_above_the_limit(self, merchant, program, checker):
        do(payments.SetPayoutPolicy(merchant.id, Money(100, "EUR")))
        order = program.post("bulk-orders", {"account_id": account(merchant), "payments": [line()]}).json()
        assert order["state"] == "ordered"

        assert program.post(f"bulk-orders/{order['id']}/approve").status_code == 403
        approved = checker.post(f"bulk-orders/{order['id']}/approve")

        assert (approved.status_code, approved.json()["state"]) == (200, "approved")

    def test_are_taken_back(self, merchant, program):
        order = program.post("bulk-orders", {"account_id": account(merchant), "payments": [line()]}).json()

        answer = program.post(f"bulk-orders/{order['id']}/cancel", {"reason": "a mistake"})

        assert (answer.status_code, answer.json()["stopped"]) == (200, 1)
        assert program.post(f"bulk-orders/{order['id']}/cancel").status_code == 409

    @pytest.mark.parametrize("lines", [[], "no", [{}], [line(amount="x")], [line(amount=1)]])
    def test_refuse_what_cannot_be_read(self, merchant, program, lines):
        answer = program.post("bulk-orders", {"account_id": account(merchant), "payments": lines})

        assert answer.status_code in (400, 422)

    def test_of_another_organisation_are_not_there(self, merchant, program):
        order = program.post("bulk-orders", {"account_id": account(merchant), "payments": [line()]}).json()
        stranger = Program(factories.merchant().id, "payments.read", "payments.write")

        assert stranger.get(f"bulk-orders/{order['id']}").status_code == 404
        assert stranger.post(f"bulk-orders/{order['id']}/cancel").status_code == 404


class TestStandingOrders:
    def order(self, merchant, program, **changes):
        day = (clock.database_now() + timedelta(days=3)).date().isoformat()
        body = {
            "account_id": account(merchant),
            "amount": {"amount": "10.00", "currency": "EUR"},
            "schedule": {"frequency": "monthly", "first": day, "count": 12},
            "creditor": {"name": "Example Supplies BV", "iban": "NL91ABNA0417164300"},
        }
        return program.post(
            "standing-orders", {name: value for name, value in (body | changes).items() if value}
        )

    def test_are_given_paused_resumed_and_ended(self, merchant, program):
        made = self.order(merchant, program)
        assert made.status_code == 201, made.content
        path = f"standing-orders/{made.json()['id']}"

        states = [
            program.post(f"{path}/{action}").json()["state"] for action in ("pause", "resume", "cancel")
        ]

        assert states == ["paused", "active", "cancelled"]
        assert program.get(path).json()["state"] == "cancelled"
        assert program.get(f"{path}/payments").json()["items"] == []
        assert program.post(f"{path}/resume").status_code == 409

    def test_are_approved_or_declined_by_another(self, merchant, program, checker):
        do(payments.SetPayoutPolicy(merchant.id, Money(100, "EUR")))
        one, other = (self.order(merchant, program).json()["id"] for _ in range(2))

        assert checker.post(f"standing-orders/{one}/approve").json()["state"] == "active"
        declined = checker.post(f"standing-orders/{other}/decline", {"reason": "no"})
        assert declined.json()["state"] == "declined"

    @pytest.mark.parametrize(
        "change",
        [
            {"schedule": {"frequency": "hourly", "first": "2030-01-01"}},
            {"schedule": {"frequency": "once", "first": "2020-01-01"}},
            {"schedule": {"frequency": "once"}},
            {"creditor": None},
            {"amount": {"amount": "1.00", "currency": "USD"}},
        ],
    )
    def test_refuse_what_cannot_be_meant(self, merchant, program, change):
        assert self.order(merchant, program, **change).status_code in (400, 422)
