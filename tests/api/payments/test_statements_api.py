"""Statements of accounts as files: they foot, they read back, they belong to their organisation."""

import csv
import io
import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.core import clock
from apps.core.ids import public_id
from apps.core.money import Money
from apps.payments.formats import read_statements
from tests import factories
from tests.callers import Program
from tests.factories import TransferFactory, do


@pytest.fixture
def merchant(db):
    made = factories.merchant(funded_minor=100_000)
    for minor in (1_000, 250):
        do(
            TransferFactory(
                organisation_id=made.id, account_id=made.accounts[0], other_account_id=made.accounts[1],
                amount=Money(minor, "EUR"), remittance="=SUM(A1)",
            )
        )  # fmt: skip
    return made


@pytest.fixture
def period():
    # Two days, so that midnight does not come between the entries and the statement.
    today = clock.database_now().date()
    return {"from": str(today - timedelta(days=1)), "to": str(today + timedelta(days=1))}


def get(merchant, **query):
    program = Program(merchant.id, "accounts.read")
    return program.get(f"accounts/{public_id('acc', merchant.accounts[0])}/statements", **query)


class TestStatements:
    def test_as_camt_foot_and_read_back(self, merchant, period):
        answer = get(merchant, **period)

        assert (answer.status_code, answer["Content-Type"]) == (200, "application/xml"), answer.content
        (statement,) = read_statements(answer.content).statements
        assert (statement.opening, statement.closing) == (Money(0, "EUR"), Money(98_750, "EUR"))
        assert [entry.amount.minor for entry in statement.entries] == [100_000, -1_000, -250]
        assert statement.entries[0].counterparty_name == "Helena Brandt"

    def test_as_csv_hold_no_formula(self, merchant, period):
        answer = get(merchant, format="csv", **period)

        rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
        assert [row["kind"] for row in rows][0] == "opening" and rows[-1]["balance"] == "987.50"
        assert rows[2]["remittance"] == "'=SUM(A1)"

    def test_as_pdf_are_whole(self, merchant, period):
        answer = get(merchant, format="pdf", **period)

        assert answer["Content-Type"] == "application/pdf"
        assert answer.content.startswith(b"%PDF-") and answer.content.rstrip().endswith(b"%%EOF")

    @pytest.mark.parametrize(
        "change",
        [
            {"format": "doc"}, {"from": "yesterday"}, {"to": ""}, {"from": "2026-02-01", "to": "2026-01-01"},
            {"from": "2020-01-01", "to": "2026-01-01"}, {"from": "0001-01-01", "to": "0001-01-02"},
        ],
    )  # fmt: skip
    def test_refuse_what_cannot_be_meant(self, merchant, period, change):
        assert get(merchant, **(period | change)).status_code in (400, 422)

    def test_of_another_organisation_are_not_there(self, merchant, period):
        stranger = Program(factories.merchant().id, "accounts.read")
        path = f"accounts/{public_id('acc', merchant.accounts[0])}/statements"

        assert stranger.get(path, **period).status_code == 404

    def test_of_an_empty_period_have_balances_alone(self, merchant):
        answer = get(merchant, **{"from": "2025-01-01", "to": "2025-01-31"})

        (statement,) = read_statements(answer.content).statements
        assert (statement.closing, statement.entries) == (Money(0, "EUR"), ())


class TestTheCommand:
    def test_writes_the_same_bytes_every_time(self, merchant, period, tmp_path):
        account = public_id("acc", merchant.accounts[0])
        told = []
        for folder in ("one", "two"):
            out = StringIO()
            call_command(
                "customer_statement", account, "--from", "2025-01-01", "--to", "2025-12-31", "--format", "pdf",
                "--folder", str(tmp_path / folder), "--json", stdout=out,
            )  # fmt: skip
            told.append(json.loads(out.getvalue()))

        assert told[0]["sha256"] == told[1]["sha256"]
        assert len(list(tmp_path.rglob("*.pdf"))) == 2
        with pytest.raises(CommandError):
            call_command("customer_statement", "acc_nothing", "--from", "2025-01-01", "--to", "2025-01-02")
