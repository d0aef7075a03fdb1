"""The schema and the books on whichever PostgreSQL the tests run on; CI also runs this on the packaged one."""

import json
from datetime import date
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command
from django.db import connection

from apps.core import tenancy
from apps.core.money import Money
from apps.ledger import public as ledger


@pytest.fixture
def accounts(organisation_id: UUID) -> dict[str, Any]:
    with tenancy.scope(organisation_id):
        return {
            kind: ledger.open_account(
                organisation_id=organisation_id,
                code=kind,
                name=kind,
                kind=kind,
                currency="EUR",
                floor_minor=floor,
            )
            for kind, floor in (("asset", None), ("liability", 0))
        }


def deposit(
    organisation_id: UUID, accounts: dict[str, Any], minor: int, **fields: Any
) -> ledger.JournalDraft:
    posting = ledger.Posting(
        debit=accounts["asset"].id, credit=accounts["liability"].id, amount=Money(minor, "EUR")
    )
    return ledger.JournalDraft(
        key=uuid4(),
        organisation_id=organisation_id,
        kind="test.deposit",
        effective_date=date(2026, 1, 5),
        actor="system:test",
        postings=(posting,),
        **fields,
    )


def test_the_books_balance(organisation_id: UUID, accounts: dict[str, Any]) -> None:
    with tenancy.scope(organisation_id):
        ledger.post(deposit(organisation_id, accounts, 12_34))
    said = StringIO()

    call_command("check_ledger", "--json", stdout=said)

    assert json.loads(said.getvalue())["ok"] is True
    with tenancy.scope(organisation_id):
        assert ledger.balance(accounts["liability"].id).posted == 12_34


def test_the_server_is_one_we_know(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        assert int(cursor.fetchone()[0]) >= 150_000


def test_every_migration_is_applied(db: None) -> None:
    said = StringIO()

    call_command("migrate", "--check", "--skip-checks", stdout=said)
