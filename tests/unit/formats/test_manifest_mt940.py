"""Every MT940 and MT942 file of the collection: entries, sums, balances and footing as its manifest states."""

from decimal import Decimal

import mt940
import pytest

from apps.payments.formats import FormatError, read_statements, validate
from tests.unit.formats.samples import DATA, cases, expectations, sha16

ALL = cases("mt940")
READABLE = [case for case in ALL if case.values[1]["statements"]]
EMPTY = [case for case in ALL if not case.values[1]["statements"]]


def read(path, facts):
    return read_statements(path, lenient=facts.get("lenient_only", False))


class TestMt940Files:
    def test_are_all_described(self):
        files = {path.name for path in (DATA / "mt940").iterdir() if path.suffix in (".sta", ".txt")}

        assert files == set(expectations("mt940"))

    @pytest.mark.parametrize(("path", "facts"), ALL)
    def test_are_the_bytes_of_the_manifest(self, path, facts):
        assert sha16(path) == facts["sha256"]

    @pytest.mark.parametrize(("path", "facts"), EMPTY)
    def test_without_a_statement_are_refused(self, path, facts):
        with pytest.raises(FormatError):
            read_statements(path, lenient=True)

        assert not validate(path, strict=False).valid

    @pytest.mark.parametrize(("path", "facts"), READABLE)
    def test_are_valid(self, path, facts):
        assert validate(path).valid is not facts.get("lenient_only", False)
        assert validate(path, strict=False).valid

    @pytest.mark.parametrize(("path", "facts"), READABLE)
    def test_have_the_stated_entries_and_sums(self, path, facts):
        statements = read(path, facts).statements

        assert len(statements) == len(facts["statements"])
        for statement, said in zip(statements, facts["statements"], strict=True):
            total = sum((Decimal(e.amount.decimal_text()) for e in statement.entries), Decimal(0))
            assert len(statement.entries) == said["entries"]
            assert total == Decimal(said["sum"])

    @pytest.mark.parametrize(("path", "facts"), READABLE)
    def test_have_the_stated_balances_and_footing(self, path, facts):
        for statement, said in zip(read(path, facts).statements, facts["statements"], strict=True):
            if said["open"] is None:
                assert "provisional" in statement.proof.reasons
                continue
            assert statement.currency == said["currency"]
            assert Decimal(statement.opening.decimal_text()) == Decimal(said["open"])
            assert Decimal(statement.closing.decimal_text()) == Decimal(said["close"])
            assert ("balances_do_not_foot" not in statement.proof.reasons) is said["foots"]

    def test_with_a_balance_without_currency_are_refused_strictly(self):
        with pytest.raises(FormatError) as refusal:
            read_statements(DATA / "mt940/self-provided_raphaelm.sta")

        assert (refusal.value.code, refusal.value.line) == ("balance_currency", 27)

    def test_with_a_thirtieth_of_february_are_clamped_and_say_so(self):
        file = read_statements(DATA / "mt940/self-provided_february_30.sta")

        assert [finding.code for finding in file.findings] == ["date_clamped"]
        assert str(file.statements[0].entries[0].value_date) == "2016-02-29"


class TestMt940Signs:
    def test_of_a_reversed_credit_is_a_debit(self):
        statement = read_statements(DATA / "mt940/betterplace_sepa_mt9401.sta").statements[0]

        (reversal,) = [entry for entry in statement.entries if entry.reversal]
        assert reversal.amount.minor == -20488
        assert statement.proof.proven


class TestMt940Damage:
    def test_of_an_entry_line_is_not_swallowed(self):
        data = (
            (DATA / "mt940/jejik_sns.sta")
            .read_bytes()
            .replace(b":61:1206070608D20,00", b":61:X206070608D20,00")
        )

        with pytest.raises(FormatError) as refusal:
            read_statements(data)

        assert refusal.value.code in ("lines_lost", "mt_syntax")

    def test_that_the_package_passes_over_is_noticed(self, monkeypatch):
        parse = mt940.parse

        def forgetful(*args, **kwargs):
            parsed = parse(*args, **kwargs)
            parsed.transactions = parsed.transactions[:-1]
            return parsed

        monkeypatch.setattr(mt940, "parse", forgetful)
        path = DATA / "mt940/jejik_rabobank-iban.sta"

        with pytest.raises(FormatError) as refusal:
            read_statements(path)
        softened = read_statements(path, lenient=True)

        assert refusal.value.code == "lines_lost"
        assert {finding.code for finding in softened.findings} == {"lines_lost"}

    def test_of_an_amount_with_a_tenth_of_a_cent_is_refused(self):
        data = (DATA / "mt940/jejik_sns.sta").read_bytes().replace(b"D20,00", b"D20,001")

        with pytest.raises(FormatError) as refusal:
            read_statements(data)

        assert refusal.value.code == "amount_decimals"
        assert refusal.value.line == 5
