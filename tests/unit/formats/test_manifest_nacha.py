"""Every NACHA file of the collection, strict and lenient: verdict, counts, sums and hash as its manifest states."""

import pytest

from apps.core.money import Money
from apps.payments.formats import FormatError, detect, validate
from apps.payments.formats.nacha import check_nacha, encode_nacha, read_nacha, returns_of
from tests.unit.formats.samples import DATA, cases, expectations, sha16

ALL = cases("nacha")
ACCEPTED = [case for case in ALL if case.values[1]["lenient"]]
BROKEN = [case for case in ALL if "rule" in case.values[1]]
# A plain reader of control totals counts what it can; where entries are unusable the sums are no fact.
COUNTED = [case for case in ALL if "return-no-batch-header" not in case.id]


class TestNachaFiles:
    def test_are_all_described(self):
        root = DATA / "nacha"
        files = {str(path.relative_to(root)) for path in root.rglob("*") if path.suffix in (".ach", ".txt")}

        assert files == set(expectations("nacha"))

    @pytest.mark.parametrize(("path", "facts"), ALL)
    def test_are_the_bytes_of_the_manifest(self, path, facts):
        assert sha16(path) == facts["sha256"]

    @pytest.mark.parametrize(("path", "facts"), ALL)
    def test_are_told_apart(self, path, facts):
        assert detect(path) == "NACHA"

    @pytest.mark.parametrize(("path", "facts"), ALL)
    def test_get_the_strict_verdict(self, path, facts):
        assert validate(path).valid is facts["strict"]
        if facts["strict"]:
            read_nacha(path)
        else:
            with pytest.raises(FormatError):
                read_nacha(path)

    @pytest.mark.parametrize(("path", "facts"), ALL)
    def test_get_the_lenient_verdict(self, path, facts):
        assert validate(path, strict=False).valid is facts["lenient"]

    @pytest.mark.parametrize(("path", "facts"), COUNTED)
    def test_have_the_stated_counts_and_sums(self, path, facts):
        totals = check_nacha(path, lenient=True).totals

        assert totals["batches"] == facts["batches"]
        assert totals["sec_codes"] == facts["sec_codes"]
        assert (totals["entries"], totals["addenda"]) == (facts["entries"], facts["addenda"])
        assert totals["debit"] == Money(facts["debit_minor"], "USD").decimal_text()
        assert totals["credit"] == Money(facts["credit_minor"], "USD").decimal_text()
        assert totals["entry_hash"] == facts["entry_hash"]

    @pytest.mark.parametrize(("path", "facts"), BROKEN)
    def test_are_refused_for_the_stated_rule(self, path, facts):
        report = check_nacha(path)

        assert facts["rule"] in {finding.code for finding in report.findings if finding.severity == "error"}

    @pytest.mark.parametrize(("path", "facts"), ACCEPTED)
    def test_are_written_back_as_they_were(self, path, facts):
        reading = read_nacha(path, lenient=True)

        again = read_nacha(encode_nacha(reading.file), lenient=True)

        assert again.file == reading.file


class TestReturnFiles:
    @pytest.mark.parametrize(
        ("path", "facts"), [case for case in ALL if case.values[1]["codes"] and "adv" not in case.id]
    )
    def test_give_the_stated_codes_and_original_traces(self, path, facts):
        reading = read_nacha(path, lenient=True, custom_return_codes=True)

        found = [
            [item.code, item.original_trace if item.code.startswith("R") else item.corrected_data]
            for item in returns_of(reading.file)
        ]
        assert found == facts["codes"]

    def test_with_a_code_of_its_own_need_the_option(self):
        path = DATA / "nacha/returns/return-PPD-custom-reason-code.ach"

        assert not check_nacha(path, lenient=True).valid
        assert check_nacha(path, lenient=True, custom_return_codes=True).valid

    def test_read_a_name_in_windows_1252(self):
        (entry,) = read_nacha(DATA / "nacha/lenient/nonascii.ach", lenient=True).file.batches[0].entries

        assert entry.record["name"] == "Receiver¦Acc Nam"
        assert len(entry.addenda) == 12
