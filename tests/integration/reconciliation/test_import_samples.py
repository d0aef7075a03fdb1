"""Every camt file in tests/data/camt against the facts of its MANIFEST, computed by another reader."""

import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from apps.core import tenancy
from apps.core.errors import Refusal
from apps.core.money import Money
from apps.reconciliation.bank_formats import read_statements
from apps.reconciliation.importing.files import import_file
from apps.reconciliation.models import Statement, StatementFile, StatementLine
from tests.integration.reconciliation.conftest import ACTOR, AT

FOLDER = Path(__file__).parents[2] / "data" / "camt"
STATEMENT = re.compile(
    r"stmt (?P<id>\S+) acct (?P<account>\S+) entries (?P<entries>\d+) txdtls (?P<details>\d+) "
    r"CRDT (?P<credit>[\d.]+) DBIT (?P<debit>[\d.]+)(?P<rest>.*?)(?=; stmt |$)"
)


@dataclass(frozen=True)
class Sample:
    name: str
    valid: bool
    statements: tuple


def samples():
    for line in (FOLDER / "MANIFEST.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) < 6 or not cells[0].endswith(".xml"):
            continue
        facts = cells[5]
        yield Sample(cells[0], ": VALID" in facts, tuple(m.groupdict() for m in STATEMENT.finditer(facts)))


SAMPLES = list(samples())
VALID = [sample for sample in SAMPLES if sample.valid]
INVALID = [sample for sample in SAMPLES if not sample.valid]


def test_the_manifest_is_read_whole():
    assert {sample.name for sample in SAMPLES} == {
        str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.xml")
    }
    assert len(VALID) >= 20 and len(INVALID) == 3


def follow_accounts(path, follow):
    for statement in read_statements(path, lenient=True).statements:
        follow(statement.account, statement.currency)


def minor(text, currency):
    return Money.parse(str(Decimal(text).normalize().__format__("f")), currency).minor


@pytest.mark.parametrize("sample", VALID, ids=lambda sample: sample.name)
class TestValidSample:
    def test_has_the_counts_and_sums_of_its_manifest(self, sample, organisation_id, follow):
        path = FOLDER / sample.name
        follow_accounts(path, follow)

        import_file(path, organisation_id=organisation_id, at=AT, actor=ACTOR)

        with tenancy.scope(organisation_id):
            rows = {row.bank_id: row for row in Statement.objects.all()}
            assert set(rows) == {facts["id"] for facts in sample.statements}
            for facts in sample.statements:
                row = rows[facts["id"]]
                assert row.entry_count == int(facts["entries"])
                assert row.credit_minor == minor(facts["credit"], row.currency)
                assert row.debit_minor == minor(facts["debit"], row.currency)
                lines = list(StatementLine.objects.filter(statement=row))
                assert len({line.position for line in lines}) == int(facts["entries"])
                assert sum(line.amount_minor for line in lines) == row.credit_minor - row.debit_minor

    def test_is_proven_exactly_if_it_foots(self, sample, organisation_id, follow):
        path = FOLDER / sample.name
        follow_accounts(path, follow)

        import_file(path, organisation_id=organisation_id, at=AT, actor=ACTOR)

        with tenancy.scope(organisation_id):
            for facts in sample.statements:
                row = Statement.objects.get(bank_id=facts["id"])
                foots = "open+BOOK==close True" in facts["rest"]
                assert (row.proof == "proven") == foots
                assert bool(row.proof_reasons) == (not foots)

    def test_changes_nothing_the_second_time(self, sample, organisation_id, follow):
        path = FOLDER / sample.name
        follow_accounts(path, follow)
        first = import_file(path, organisation_id=organisation_id, at=AT, actor=ACTOR)
        before = everything(organisation_id)

        second = import_file(path, organisation_id=organisation_id, at=AT, actor=ACTOR)

        assert second == {**first, "already_imported": True}
        assert everything(organisation_id) == before


@pytest.mark.parametrize("sample", INVALID, ids=lambda sample: sample.name)
class TestInvalidSample:
    def test_is_refused_with_its_place_and_nothing_is_kept(self, sample, organisation_id, follow):
        path = FOLDER / sample.name
        if "wrong" not in sample.name:
            follow_accounts(path, follow)

        with pytest.raises(Refusal) as caught:
            import_file(path, organisation_id=organisation_id, at=AT, actor=ACTOR)

        assert caught.value.facts["line"]
        assert everything(organisation_id) == ([], [], [])

    def test_is_read_where_the_bank_is_known_to_bend_the_schema(self, sample, organisation_id, follow):
        if "wrong" in sample.name:
            pytest.skip("it holds no statement at all")
        path = FOLDER / sample.name
        for statement in read_statements(path, lenient=True).statements:
            follow(statement.account, statement.currency, lenient=True)

        answer = import_file(path, organisation_id=organisation_id, at=AT, actor=ACTOR)

        assert answer["lenient"] is True and answer["findings"]
        assert [row["entries"] for row in answer["statements"]] == [
            int(facts["entries"]) for facts in sample.statements
        ]


def everything(organisation_id):
    with tenancy.scope(organisation_id):
        return tuple(
            list(model.objects.order_by("id").values_list())
            for model in (StatementFile, Statement, StatementLine)
        )
