"""Quotes over HTTP."""

import pytest

from tests import factories
from tests.callers import Program


@pytest.fixture
def program(db):
    return Program(factories.merchant().id, "payments.read")


class TestQuotes:
    def test_tell_dates_and_cost(self, program):
        answer = program.get(
            "quotes", rail="sepa_ct", amount="12.50", currency="EUR", at="2026-07-08T13:59:00+00:00"
        )

        assert answer.status_code == 200
        (item,) = answer.json()["items"]
        assert (item["execution_date"], item["settlement_date"]) == ("2026-07-08", "2026-07-09")
        assert item["cost"]["currency"] == "EUR"

    def test_ask_every_rail_when_none_is_named(self, program):
        answer = program.get("quotes", amount="12.50", currency="EUR")

        assert answer.status_code == 200
        assert "sepa_ct" in {item["rail"] for item in answer.json()["items"]}

    @pytest.mark.parametrize(
        "change",
        [
            {"amount": "12,50"},
            {"amount": ""},
            {"amount": "-1.00"},
            {"amount": "0.00"},
            {"amount": "1" * 200},
            {"currency": "XXZ"},
            {"currency": ""},
            {"rail": "pigeon"},
            {"at": "tomorrow"},
            {"at": "2026-07-08T13:59:00"},
            {"at": "2150-07-08T13:59:00Z"},
        ],
    )
    def test_refuse_what_cannot_be_meant(self, program, change):
        answer = program.get("quotes", **({"amount": "12.50", "currency": "EUR", "rail": "sepa_ct"} | change))

        assert answer.status_code in (400, 422), answer.content
        assert "code" in answer.json()

    def test_need_the_scope(self, db):
        stranger = Program(factories.merchant().id, "accounts.read")

        assert stranger.get("quotes", amount="1.00", currency="EUR").status_code == 403
