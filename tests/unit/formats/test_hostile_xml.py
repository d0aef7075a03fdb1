"""Hostile XML: entities, expansion, external references, depth, size, encodings. Refused with code and line."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from apps.payments.formats import (
    FormatError,
    read_credit_transfer,
    read_statements,
    read_status_report,
    validate,
)
from apps.payments.formats import xml as safe
from tests.unit.formats.samples import DATA

GOOD = (DATA / "camt/ing_example_camt053.xml").read_bytes()
NAMESPACE = b"urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"


def document(inner: bytes, prolog: bytes = b"") -> bytes:
    return (
        b'<?xml version="1.0"?>\n'
        + prolog
        + b'<Document xmlns="'
        + NAMESPACE
        + b'">'
        + inner
        + b"</Document>"
    )


BILLION_LAUGHS = document(
    b"<BkToCstmrStmt>&lol9;</BkToCstmrStmt>",
    b"<!DOCTYPE lolz [<!ENTITY lol 'lol'>"
    + b"".join(
        b"<!ENTITY lol%d '%s'>" % (n, (b"&lol%d;" % (n - 1) if n > 1 else b"&lol;") * 10)
        for n in range(1, 10)
    )
    + b"]>\n",
)
EXTERNAL = document(b"&x;", b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n')
PARAMETER = document(b"", b'<!DOCTYPE d [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;]>\n')
LATE_DTD = document(b"") + b"\n<!DOCTYPE late>"
READERS = [
    read_statements,
    read_credit_transfer,
    read_status_report,
    lambda data: read_statements(data, lenient=True),
]


class TestHostileXml:
    @pytest.mark.parametrize("read", READERS)
    @pytest.mark.parametrize(
        "data", [BILLION_LAUGHS, EXTERNAL, PARAMETER, LATE_DTD], ids=["laughs", "file", "http", "late"]
    )
    def test_with_a_dtd_is_refused_before_it_is_parsed(self, read, data):
        with pytest.raises(FormatError) as refusal:
            read(data)

        assert refusal.value.code in ("xml_dtd", "unknown_format")

    def test_with_a_dtd_is_named_with_its_line(self):
        with pytest.raises(FormatError) as refusal:
            safe.parse_tree(BILLION_LAUGHS)

        assert (refusal.value.code, refusal.value.line) == ("xml_dtd", 2)

    def test_with_a_dtd_across_two_reads_is_still_seen(self, monkeypatch, tmp_path):
        monkeypatch.setattr(safe, "_CHUNK_BYTES", 16)
        path = tmp_path / "split.xml"

        for shift in range(20):
            path.write_bytes(b"\n" * shift + b"<a/> <!DOCTYPE x>")
            with pytest.raises(FormatError) as refusal:
                safe.check_document_bytes(path)
            assert refusal.value.code == "xml_dtd"
            assert refusal.value.line == shift + 1

    @pytest.mark.parametrize("encoding", ["UTF-16", "UTF-7", "IBM037", "UTF-32", "shift_jis", "x-user"])
    def test_in_an_encoding_that_could_hide_a_dtd_is_refused(self, encoding):
        data = GOOD.replace(b'encoding="utf-8"', b'encoding="' + encoding.encode() + b'"')

        report = validate(data, as_format="camt.053")

        assert not report.valid
        with pytest.raises(FormatError) as refusal:
            safe.parse_tree(data)
        assert refusal.value.code == "xml_encoding"

    @pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-32"])
    def test_in_wide_characters_is_refused(self, codec):
        with pytest.raises(FormatError) as refusal:
            safe.parse_tree(GOOD.decode().encode(codec))

        assert refusal.value.code in ("nul_byte", "xml_encoding")

    def test_with_a_nul_byte_is_refused_with_its_line(self):
        with pytest.raises(FormatError) as refusal:
            safe.parse_tree(GOOD.replace(b"<GrpHdr>", b"<GrpHdr>\0"))

        assert (refusal.value.code, refusal.value.line) == ("nul_byte", 5)

    def test_with_bytes_that_are_not_its_encoding_is_refused(self):
        with pytest.raises(FormatError) as refusal:
            read_statements(GOOD.replace(b"INGBankNV", b"ING\xff\xfeBank", 1))

        assert refusal.value.code == "xml_syntax"

    @pytest.mark.parametrize("depth", [100, 300, 100_000])
    def test_nested_too_deep_is_refused(self, depth):
        data = document(b"<BkToCstmrStmt>" + b"<a>" * depth + b"</a>" * depth + b"</BkToCstmrStmt>")

        for lenient in (False, True):
            with pytest.raises(FormatError) as refusal:
                read_statements(data, lenient=lenient)
            assert refusal.value.code in ("xml_depth", "xml_syntax")

    def test_with_a_million_attributes_is_refused_quickly(self):
        attributes = b" ".join(b'a%d="x"' % n for n in range(100_000))
        started = time.monotonic()

        with pytest.raises(FormatError):
            read_statements(document(b"<BkToCstmrStmt " + attributes + b"/>"))

        assert time.monotonic() - started < 10

    def test_with_an_enormous_text_is_refused(self):
        data = document(
            b"<BkToCstmrStmt><GrpHdr><MsgId>" + b"A" * 12_000_000 + b"</MsgId></GrpHdr></BkToCstmrStmt>"
        )

        with pytest.raises(FormatError) as refusal:
            read_statements(data, lenient=True)

        assert refusal.value.code == "xml_syntax"

    def test_larger_than_the_limit_is_refused_unread(self, tmp_path):
        path = tmp_path / "huge.xml"
        with path.open("wb") as file:
            file.write(b'<Document xmlns="' + NAMESPACE + b'">')
            file.truncate(200 * 1024 * 1024)

        with pytest.raises(FormatError) as refusal:
            read_statements(path)

        assert refusal.value.code in ("too_large", "unknown_format")

    def test_message_of_100_megabytes_is_refused_unread(self):
        data = b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09">' + b" " * 100_000_000

        with pytest.raises(FormatError) as refusal:
            read_credit_transfer(data)

        assert refusal.value.code == "too_large"

    def test_does_not_put_values_of_the_file_into_messages(self):
        secret = b"SECRET-NAME-4711"
        data = GOOD.replace(b"<MsgId>", b"<MsgId>" + secret * 3, 1).replace(b"INGBNL2A", secret, 1)

        with pytest.raises(FormatError) as refusal:
            read_statements(data)

        told = " ".join(finding.message for finding in refusal.value.findings)
        assert secret.decode() not in told

    def test_of_another_kind_is_refused_by_name(self):
        with pytest.raises(FormatError) as refusal:
            read_credit_transfer(GOOD)

        assert refusal.value.code == "wrong_message"

    def test_with_two_documents_is_refused(self):
        inner = GOOD.partition(b"?>")[2]

        with pytest.raises(FormatError) as refusal:
            read_statements(b"<Envelope>" + inner + inner + b"</Envelope>")

        assert refusal.value.code == "several_messages"


class TestStatementAmounts:
    @pytest.mark.parametrize(
        ("written", "code"),
        [("350.001", "amount_decimals"), ("1e3", "schema"), ("-350.00", "schema"), ("", "schema"), ("NaN", "schema"),
         ("99999999999999999999", "schema")],
    )  # fmt: skip
    def test_that_nobody_can_pay_are_refused(self, written, code):
        data = GOOD.replace(b">350.00<", b">" + written.encode() + b"<", 1)

        with pytest.raises(FormatError) as refusal:
            read_statements(data)

        assert refusal.value.code == code
        assert refusal.value.line

    def test_in_an_unknown_currency_are_refused(self):
        with pytest.raises(FormatError) as refusal:
            read_statements(GOOD.replace(b'Ccy="EUR">350.00', b'Ccy="ZZZ">350.00', 1))

        assert refusal.value.code == "unknown_currency"


LARGE = """
import resource, sys
from pathlib import Path
from apps.payments.formats import validate
report = validate(Path(sys.argv[1]))
print(report.valid, report.totals["entries"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.full
class TestLargeFiles:
    def peak_mib(self, path: Path) -> tuple[str, int, int]:
        root = Path(__file__).parents[3]
        out = subprocess.run(
            [sys.executable, "-c", LARGE, str(path)], cwd=root, capture_output=True, text=True, check=True
        )
        valid, entries, kib = out.stdout.split()
        return valid, int(entries), int(kib) // 1024

    def test_camt_uses_flat_memory(self, tmp_path):
        head, _, rest = GOOD.partition(b"<Ntry>")
        entry, _, tail = rest.rpartition(b"</Ntry>")
        one = b"<Ntry>" + entry.split(b"</Ntry>")[0] + b"</Ntry>\n"
        path = tmp_path / "large.xml"
        head = head[: head.index(b"<TxsSummry>")]
        with path.open("wb") as file:
            file.write(head)
            for _ in range(100_000_000 // len(one)):
                file.write(one)
            file.write(tail)

        valid, entries, peak = self.peak_mib(path)

        assert valid == "True"
        assert entries == 100_000_000 // len(one)
        assert peak < 200

    def test_nacha_uses_flat_memory(self, tmp_path):
        from apps.payments.formats.nacha import build_ach
        from tests.unit.formats.test_round_trip_nacha import SAMPLE

        lines = build_ach(SAMPLE).splitlines(keepends=True)
        path = tmp_path / "large.ach"
        with path.open("wb") as file:
            file.writelines(lines[:2])
            for _ in range(100_000_000 // (2 * len(lines[2]))):
                file.writelines(lines[2:4])
            file.writelines(lines[4:])

        _, entries, peak = self.peak_mib(path)

        assert entries == 2 * (100_000_000 // (2 * len(lines[2])))
        assert peak < 200


class TestParserBehindTheDoor:
    def test_would_not_resolve_an_entity_even_if_a_dtd_came_through(self, monkeypatch, tmp_path):
        secret = tmp_path / "secret"
        secret.write_text("TOP-SECRET")
        monkeypatch.setattr(safe, "check_document_bytes", lambda *args, **kwargs: None)
        prolog = (
            b'<!DOCTYPE d [<!ENTITY x SYSTEM "' + secret.as_uri().encode() + b'"><!ENTITY y "EXPANDED">]>'
        )

        root = safe.parse_tree(b"<?xml version='1.0'?>" + prolog + b"<a>&x;&y;</a>")

        assert "TOP-SECRET" not in "".join(root.itertext())
        assert "EXPANDED" not in (root.text or "")
