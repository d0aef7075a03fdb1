"""The commands: verdict on standard output as JSON, exit code by the verdict."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from apps.payments.formats.benchmark import measure, misses
from apps.payments.management.commands.bench_formats import Command as BenchFormats
from apps.payments.management.commands.validate_file import Command as ValidateFile
from tests.unit.formats.samples import DATA


def run(command, *arguments) -> tuple[int, dict]:
    out = io.StringIO()
    try:
        call_command(command, *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, json.loads(out.getvalue() or "{}")
    return 0, json.loads(out.getvalue())


class TestValidateFile:
    @pytest.mark.parametrize(
        ("name", "arguments", "code", "format_name"),
        [
            ("nacha/valid/ppd-credit.ach", (), 0, "NACHA"),
            ("nacha/valid/ppd-credit.ach", ("--as", "nacha"), 0, "NACHA"),
            ("nacha/valid/ppd-credit.ach", ("--as", "pain.001"), 1, "NACHA"),
            ("nacha/lenient/ppd-debit.ach", ("--strict",), 1, "NACHA"),
            ("nacha/lenient/ppd-debit.ach", ("--lenient",), 0, "NACHA"),
            ("camt/konfipay/outgoing_collection_02.xml", (), 1, "camt.053.001.02"),
            ("camt/konfipay/outgoing_collection_02.xml", ("--lenient",), 0, "camt.053.001.02"),
            ("pain/pain.001/credit_transfer.xml", ("--as", "pain.001"), 0, "pain.001.001.03"),
            ("mt940/jejik_sns.sta", (), 0, "MT940"),
            ("mt940/mBank_mt942.sta", (), 0, "MT942"),
            ("bai2/sample1.txt", (), 0, "BAI2"),
        ],
    )
    def test_answers_with_json_and_an_exit_code(self, name, arguments, code, format_name):
        status, report = run(ValidateFile(), str(DATA / name), *arguments)

        assert status == code
        assert report["format"] == format_name
        assert report["valid"] is (code == 0)
        assert set(report) == {"format", "valid", "findings", "totals"}
        assert all({"code", "line", "message"} <= set(finding) for finding in report["findings"])

    def test_says_so_if_there_is_no_file(self, tmp_path):
        status, report = run(ValidateFile(), str(tmp_path / "none.xml"))

        assert (status, report) == (1, {})

    def test_answers_for_an_empty_and_for_a_foreign_file(self, tmp_path):
        for content in (b"", b"\x89PNG\r\n", b"<html/>", b"hello"):
            (tmp_path / "file").write_bytes(content)

            status, report = run(ValidateFile(), str(tmp_path / "file"))

            assert status == 1
            assert report["format"] == "unknown"
            assert report["findings"][0]["code"] == "unknown_format"


class TestBenchFormats:
    def test_prints_its_numbers(self):
        status, numbers = run(BenchFormats(), "--json", "--count", "200")

        assert status == 0
        assert numbers["valid"] is True
        assert numbers["missed"] == []

    def test_names_what_is_beyond_the_limit(self):
        numbers = measure(count=10) | {"nacha_parse_and_check_s": 1.5, "valid": False}

        assert list(misses(numbers)) == ["nacha_parse_and_check_s", "valid"]

    @pytest.mark.bench
    def test_holds_its_limits_with_ten_thousand_payments(self):
        assert list(misses(measure(count=10_000))) == []
