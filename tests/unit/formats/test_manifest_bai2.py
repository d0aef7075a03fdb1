"""Every BAI2 file of the collection: accounts, entries, sums and trailers as its manifest states."""

import pytest

from apps.payments.formats import FormatError, read_statements, validate
from tests.unit.formats.samples import DATA, cases, expectations, sha16

ALL = cases("bai2")


class TestBai2Files:
    def test_are_all_described(self):
        files = {path.name for path in (DATA / "bai2").iterdir() if path.suffix in (".txt", ".bai2")}

        assert files == set(expectations("bai2"))

    @pytest.mark.parametrize(("path", "facts"), ALL)
    def test_are_the_bytes_of_the_manifest(self, path, facts):
        assert sha16(path) == facts["sha256"]

    @pytest.mark.parametrize(("path", "facts"), ALL)
    def test_get_the_verdicts(self, path, facts):
        assert validate(path, as_format="BAI2").valid is facts["strict"]
        assert validate(path, as_format="BAI2", strict=False).valid is facts["lenient"]

    @pytest.mark.parametrize(("path", "facts"), [case for case in ALL if not case.values[1]["strict"]])
    def test_that_are_not_valid_are_refused_by_the_reader(self, path, facts):
        with pytest.raises(FormatError):
            read_statements(path)

    @pytest.mark.parametrize(("path", "facts"), [case for case in ALL if case.values[1]["statements"]])
    def test_have_the_stated_accounts(self, path, facts):
        statements = read_statements(path).statements

        assert len(statements) == len(facts["statements"])
        for statement, said in zip(statements, facts["statements"], strict=True):
            credit = sum(e.amount.minor for e in statement.entries if e.amount.minor > 0)
            debit = -sum(e.amount.minor for e in statement.entries if e.amount.minor < 0)
            assert (statement.account, statement.currency) == (said["account"], said["currency"])
            assert len(statement.entries) == said["entries"]
            assert (credit, debit) == (said["credit_minor"], said["debit_minor"])
            assert (statement.opening.minor if statement.opening else None) == said["opening_minor"]
            assert (statement.closing.minor if statement.closing else None) == said["closing_minor"]
            assert statement.proof.proven is bool(said["foots"])

    def test_with_wrong_trailers_say_what_was_found(self):
        name = "sample4-continuations-newline-delimited.txt"
        findings = validate(DATA / "bai2" / name).findings

        for code, line, number in expectations("bai2")[name]["findings"]:
            assert any(f.code == code and f.line == line and number in f.message for f in findings)


class TestBai2Continuations:
    def test_keep_the_keys_of_a_detail(self):
        file = read_statements(DATA / "bai2/sample4-continuations-newline-delimited.txt", lenient=True)

        entry = file.statements[1].entries[1]
        assert entry.refs.end_to_end == "GSQ4FBGFDGWGKY"
        assert entry.remittance_unstructured == "ACH- Test - Addenda Record"
        assert entry.counterparty_name == "SAMPLE INC"

    def test_join_free_text(self):
        (statement,) = read_statements(DATA / "bai2/nwb_example.bai2").statements

        assert statement.entries[0].remittance_unstructured.startswith("LVP XBANKGO24007664SJ")
