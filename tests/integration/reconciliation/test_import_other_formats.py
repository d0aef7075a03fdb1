"""Every MT940, MT942 and BAI2 file of the collection, imported: entries and sums as its manifest states."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from apps.core import tenancy
from apps.core.errors import Refusal
from apps.core.money import Money
from apps.reconciliation.bank_formats import read_statements
from apps.reconciliation.importing.files import import_file
from apps.reconciliation.models import Statement, StatementLine
from tests.integration.reconciliation.conftest import ACTOR, AT

DATA = Path(__file__).parents[2] / "data"
FILES = [
    pytest.param(DATA / kind / name, facts, id=name)
    for kind in ("mt940", "bai2")
    for name, facts in json.loads((DATA / kind / "expectations.json").read_text()).items()
]
HOLDING = [case for case in FILES if case.values[1]["statements"]]
EMPTY = [case for case in FILES if not case.values[1]["statements"]]


def follow_all(path, follow):
    for statement in read_statements(path, lenient=True).statements:
        follow(statement.account, statement.currency, lenient=True)


@pytest.mark.parametrize(("path", "facts"), HOLDING)
class TestFile:
    def test_has_the_entries_and_sums_of_its_manifest(self, path, facts, organisation_id, follow):
        follow_all(path, follow)

        answer = import_file(path, organisation_id=organisation_id, at=AT, actor=ACTOR)

        with tenancy.scope(organisation_id):
            rows = list(Statement.objects.all())
            kept = sum(line.amount_minor for line in StatementLine.objects.all())
        said = facts["statements"]
        assert len(rows) == len(said) == len(answer["statements"])
        assert sorted(row.entry_count for row in rows) == sorted(one["entries"] for one in said)
        currencies = {row.currency for row in rows}
        if "sum" in said[0] and len(currencies) == 1:
            total = sum(Decimal(one["sum"]) for one in said)
            assert (
                Decimal(
                    Money(sum(r.credit_minor - r.debit_minor for r in rows), currencies.pop()).decimal_text()
                )
                == total
            )
        if not any(row.known_count for row in rows):
            assert kept == sum(row.credit_minor - row.debit_minor for row in rows)

    def test_changes_nothing_the_second_time(self, path, facts, organisation_id, follow):
        follow_all(path, follow)
        first = import_file(path, organisation_id=organisation_id, at=AT, actor=ACTOR)

        second = import_file(path, organisation_id=organisation_id, at=AT, actor=ACTOR)

        assert second == {**first, "already_imported": True}


@pytest.mark.parametrize(("path", "facts"), EMPTY)
def test_a_file_without_a_statement_is_refused(path, facts, organisation_id):
    with pytest.raises(Refusal) as caught:
        import_file(path, organisation_id=organisation_id, at=AT, actor=ACTOR, lenient=True)

    assert caught.value.code
