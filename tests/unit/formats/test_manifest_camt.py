"""Every camt file of the collection: verdict, counts, sums, balances and footing as its manifest states."""

from decimal import Decimal

import pytest

from apps.core.money import Money
from apps.payments.formats import FormatError, detect, read_statements, stream_camt, validate
from apps.payments.formats.statements import open_entry
from tests.unit.formats.samples import DATA, cases, expectations, sha16

ALL = cases("camt")
READABLE = [case for case in ALL if case.values[1]["statements"]]


def decimal(money: Money) -> Decimal:
    return Decimal(money.decimal_text())


class TestCamtFiles:
    def test_are_all_described(self):
        files = {str(path.relative_to(DATA / "camt")) for path in (DATA / "camt").rglob("*.xml")}

        assert files == set(expectations("camt"))

    @pytest.mark.parametrize(("path", "facts"), ALL)
    def test_are_the_bytes_of_the_manifest(self, path, facts):
        assert sha16(path) == facts["sha256"]

    @pytest.mark.parametrize(("path", "facts"), ALL)
    def test_are_told_apart(self, path, facts):
        assert detect(path) == facts["format"]

    @pytest.mark.parametrize(("path", "facts"), ALL)
    def test_get_the_strict_verdict(self, path, facts):
        assert validate(path).valid is facts["strict"]
        if facts["strict"]:
            read_statements(path)
        else:
            with pytest.raises(FormatError) as refusal:
                read_statements(path)
            assert refusal.value.code == "schema"
            assert refusal.value.line

    @pytest.mark.parametrize(("path", "facts"), ALL)
    def test_get_the_lenient_verdict(self, path, facts):
        assert validate(path, strict=False).valid is facts["lenient"]

    @pytest.mark.parametrize(("path", "facts"), READABLE)
    def test_have_the_stated_entries_and_sums(self, path, facts):
        statements = read_statements(path, lenient=not facts["strict"]).statements

        assert len(statements) == len(facts["statements"])
        for statement, said in zip(statements, facts["statements"], strict=True):
            credit = [decimal(e.amount) for e in statement.entries if e.amount.minor >= 0]
            debit = [-decimal(e.amount) for e in statement.entries if e.amount.minor < 0]
            assert (statement.id, statement.account) == (said["id"], said["account"])
            assert len(statement.entries) == said["entries"]
            assert sum(len(entry.details) for entry in statement.entries) == said["details"]
            assert sum(credit, Decimal(0)) == Decimal(said["credit"])
            assert sum(debit, Decimal(0)) == Decimal(said["debit"])
            assert sum(entry.reversal for entry in statement.entries) == said["reversals"]

    @pytest.mark.parametrize(("path", "facts"), READABLE)
    def test_have_the_stated_balances(self, path, facts):
        statements = read_statements(path, lenient=not facts["strict"]).statements

        for statement, said in zip(statements, facts["statements"], strict=True):
            found = [(b.code, decimal(b.amount), b.amount.currency) for b in statement.balances]
            assert found == [(code, Decimal(amount), currency) for code, amount, currency in said["balances"]]

    @pytest.mark.parametrize(("path", "facts"), READABLE)
    def test_prove_their_day_exactly_where_they_foot(self, path, facts):
        statements = read_statements(path, lenient=not facts["strict"]).statements

        for statement, said in zip(statements, facts["statements"], strict=True):
            assert statement.proof.proven is bool(said["foots"])
            assert bool(statement.proof.reasons) is not statement.proof.proven

    @pytest.mark.parametrize(("path", "facts"), READABLE)
    def test_open_into_lines_that_sum_to_the_entry(self, path, facts):
        for statement in read_statements(path, lenient=not facts["strict"]).statements:
            for entry in statement.entries:
                assert sum(line.amount.minor for line in open_entry(entry)) == entry.amount.minor

    @pytest.mark.parametrize(("path", "facts"), READABLE)
    def test_read_the_same_as_a_stream(self, path, facts, monkeypatch):
        whole = list(stream_camt(path, lenient=not facts["strict"]))
        monkeypatch.setattr("apps.payments.formats.camt.STREAM_ABOVE_BYTES", 0)

        streamed = list(stream_camt(path, lenient=not facts["strict"]))

        assert streamed[1:] == whole[1:]
        assert streamed[0].message_id == whole[0].message_id

    @pytest.mark.parametrize(("path", "facts"), READABLE)
    def test_give_every_entry_a_key_of_its_own(self, path, facts):
        for statement in read_statements(path, lenient=not facts["strict"]).statements:
            keys = [entry.fingerprint(statement.account) for entry in statement.entries]
            assert len(set(keys)) == len(keys)


class TestReasonsOfDoubt:
    @pytest.mark.parametrize(
        ("name", "reasons"),
        [
            ("genkgo/camt053.v2.minimal.xml", {"mixed_currencies"}),
            ("gs_camt_053_us_v2_sample.xml", {"mixed_currencies"}),
            ("genkgo/camt053.v2.all-balance-types.xml", {"balances_do_not_foot"}),
            ("statement_1.xml", {"balances_missing"}),
            ("genkgo/camt53.only-Dt-with-DtTm.xml", {"balances_missing"}),
            ("genkgo/camt052.v8.xml", {"provisional"}),
            ("genkgo/camt054.v8-with-UETR.xml", {"advice_only"}),
        ],
    )
    def test_are_named(self, name, reasons):
        (statement,) = read_statements(DATA / "camt" / name).statements

        assert set(statement.proof.reasons) == reasons

    def test_splits_a_returned_debit_from_its_charges(self):
        path = DATA / "camt" / "konfipay/failed_debit_with_charges_02.xml"
        (entry,) = read_statements(path, lenient=True).statements[0].entries

        opened = open_entry(entry)

        assert [(line.kind, line.amount.minor) for line in opened] == [("detail", -1000), ("charge", -550)]
        assert entry.return_reason == "MD06"
        assert entry.counterparty_name == "Max Mustermann"

    def test_reads_trailing_zeros(self):
        path = DATA / "camt" / "genkgo/camt53.only-Dt-with-DtTm.xml"

        assert read_statements(path).statements[0].opening == Money(544209, "RON")

    def test_takes_notprovided_for_no_reference(self):
        data = (DATA / "camt" / "konfipay/outgoing_collection_02.xml").read_bytes()
        known = read_statements(data, lenient=True).statements[0].entries[0].details[0].refs.end_to_end
        assert known

        masked = read_statements(data.replace(known.encode(), b"NOTPROVIDED"), lenient=True)

        assert masked.statements[0].entries[0].details[0].refs.end_to_end == ""
