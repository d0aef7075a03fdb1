"""What stops halfway leaves nothing half done; what is cut off proves nothing; what is matched stays so."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from apps.core import tenancy
from apps.core.errors import Refusal
from apps.core.money import Money
from apps.payments.formats import EntryDetail, References, Statement, StatementEntry, build_statements
from apps.reconciliation import public as reconciliation
from apps.reconciliation.bank_formats import read_statements
from apps.reconciliation.commands import BookBreakToSuspense
from apps.reconciliation.importing.inserting import _TYPES
from apps.reconciliation.models import Break, Match, ReconRun, StatementFile, StatementLine
from apps.reconciliation.models import Statement as StatementRow
from tests.integration.reconciliation.conftest import ACTOR, AT
from tests.integration.reconciliation.test_imports import FIRST, IBAN, entry, statement, written

DATA = Path(__file__).parents[2] / "data"


class Crash(Exception):
    """Stands for a machine that stops."""


class TestAnImportThatStops:
    @pytest.mark.parametrize(
        "place",
        [
            "apps.reconciliation.commands.imports.prove_pages",
            "apps.reconciliation.commands.imports.store_lines",
            "apps.reconciliation.commands.imports.known_lines",
        ],
    )
    def test_leaves_nothing_and_can_be_done_again(self, organisation_id, follow, monkeypatch, place):
        follow(IBAN)
        data = written(statement(1, [entry(1, 100, FIRST, reference="A")], opening=0))

        def take_in():
            return reconciliation.import_statement(
                data, file_name="a.xml", actor=ACTOR, at=AT, organisation_id=organisation_id
            )

        def stop(*_, **__):
            raise Crash

        with monkeypatch.context() as broken:
            broken.setattr(place, stop)
            with pytest.raises(Crash):
                take_in()
        with tenancy.scope(organisation_id):
            left = [model.objects.count() for model in (StatementFile, StatementRow, StatementLine)]
        answer = take_in()

        assert left == [0, 0, 0]
        assert answer["already_imported"] is False and answer["statements"][0]["lines"] == 1


class TestARunThatStops:
    def test_leaves_nothing_and_the_next_does_it_all(self, bank, merchant, monkeypatch):
        bank.books(12_345, remittance=merchant.account)
        bank.books(777, remittance="?")
        data = bank.statement()
        reconciliation.import_statement(data, file_name="a.xml", actor=ACTOR, at=AT)

        def stop(*_, **__):
            raise Crash

        with monkeypatch.context() as broken:
            broken.setattr("apps.reconciliation.commands.reconcile.propose", stop)
            with pytest.raises(Crash):
                bank.reconcile()
        left = [len(bank.rows(model)) for model in (Match, Break, ReconRun)]
        run = bank.reconcile()

        assert left == [0, 0, 0] and bank.cash() == 12_345
        assert (run["match_count"], run["break_count"]) == (1, 1)


class TestWhatIsMatched:
    def test_is_not_told_again_by_a_later_advice(self, bank, merchant):
        bank.books(12_345, remittance=merchant.account)
        (pending,) = bank.pending
        bank.reconcile()
        before = [(row.id, row.state, row.amount_minor) for row in bank.rows(StatementLine)]

        reconciliation.import_statement(_advice(bank, pending), file_name="b.xml", actor=ACTOR, at=AT)
        bank.reconcile_now()

        assert [(row.id, row.state, row.amount_minor) for row in bank.rows(StatementLine)] == before
        assert bank.cash() == bank.closing() == 12_345


def _advice(bank, booked: StatementEntry) -> bytes:
    details = tuple(
        EntryDetail(amount=Money(minor, "EUR"), refs=References(end_to_end=f"D{minor}"))
        for minor in (345, 12_000)
    )
    advice = Statement(
        id="ADVICE",
        kind="advice",
        account=bank.iban,
        iban=bank.iban,
        currency="EUR",
        sequence="900",
        created_at=AT,
        from_date=booked.booking_date,
        to_date=booked.booking_date,
        entries=(replace(booked, details=details),),
    )
    return build_statements(message_id="ADVICE", created_at=AT, statements=(advice,))


@pytest.mark.parametrize("share", [1, 2, 3])
@pytest.mark.parametrize(
    "name", ["mt940/cmxl_mt940.sta", "mt940/jejik_ing.sta", "bai2/sample1.txt", "bai2/sample2.txt"]
)
def test_a_file_cut_off_is_refused_or_what_is_cut_proves_nothing(organisation_id, follow, name, share):
    data = (DATA / name).read_bytes()
    for one in read_statements(data, lenient=True).statements:
        follow(one.account, one.currency, lenient=True)

    try:
        answer = reconciliation.import_statement(
            data[: len(data) * share // 4],
            file_name="cut",
            actor=ACTOR,
            at=AT,
            organisation_id=organisation_id,
        )
    except Refusal as refusal:
        assert refusal.code != "refused"
        return

    whole = len(read_statements(data, lenient=True).statements)
    proofs = [one["proof"] for one in answer["statements"]]
    assert len(proofs) < whole or "unproven" in proofs


def test_every_column_of_a_line_is_inserted():
    columns = {field.column for field in StatementLine._meta.concrete_fields}

    assert set(_TYPES) == columns - {"text", "match_id"}


class TestReport:
    def test_tells_how_it_stood_on_a_day(self, bank):
        bank.books(5_000, remittance="?")
        bank.reconcile()
        mine = bank.account.number

        def told(as_of):
            out = StringIO()
            try:
                call_command("reconcile_report", "--json", "--as-of", as_of, stdout=out)
            except SystemExit:
                pass
            return [one for one in json.loads(out.getvalue())["breaks"] if one["account"] == mine]

        assert told("2026-11-23") == []
        assert [one["reason"] for one in told("2026-11-24")] == ["unexplained"]


class TestProgress:
    def test_of_a_run_ends_at_its_last_step(self, bank, merchant):
        bank.books(12_345, remittance=merchant.account)
        reconciliation.import_statement(bank.statement(), file_name="a.xml", actor=ACTOR, at=AT)
        told = []

        reconciliation.reconcile_accounts(
            as_of=AT.date(),
            actor=ACTOR,
            at=AT,
            accounts=[bank.account],
            progress=lambda done, total: told.append((done, total)),
        )

        matching, applying = told[:-1], told[-1]
        assert [done for done, _ in matching] == list(range(1, matching[-1][1] + 1))
        assert applying == (1, 1)


class TestTheLedgersSide:
    def _told(self, bank, *options):
        out, code = StringIO(), 0
        try:
            call_command(
                "reconcile_ledger",
                "--json",
                "--account",
                bank.account.number,
                "--as-of",
                "2026-12-04",
                *options,
                stdout=out,
            )
        except SystemExit as stopped:
            code = stopped.code
        (row,) = json.loads(out.getvalue())["accounts"]
        return row, code

    def test_tells_how_long_money_lies_in_suspense(self, bank):
        bank.books(5_000, remittance="?")
        bank.reconcile()
        bank.do(BookBreakToSuspense(bank.operator_id, bank.only_break().id))

        row, code = self._told(bank)
        _, too_old = self._told(bank, "--suspense-days", "7")

        assert row["suspense_by_age"] == {"8-30": {"count": 1, "sum": "50.00"}}
        assert (row["suspense_oldest_days"], row["suspense"], row["drift"]) == (10, "-50.00", "0.00")
        assert (code, too_old) == (0, 1)
