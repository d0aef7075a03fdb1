"""Statements of any length: the stream sees every fault that the tree sees, and never takes a part for the whole."""

import pytest

from apps.payments.formats import FormatError, build_statements, read_statements, stream_camt, validate
from apps.payments.formats.benchmark import AT, sample_statement
from tests.unit.formats.samples import DATA, cases

VALID = [case for case in cases("camt") if case.values[1]["strict"]]
LONG = build_statements(
    message_id="LONG",
    created_at=AT,
    statements=(sample_statement(50), sample_statement(3), sample_statement(0)),
).replace(b"<Ntry>", b"\n<Ntry>")


@pytest.fixture(autouse=True)
def everything_streams(monkeypatch):
    """Stream from the first byte, and check every three entries."""
    monkeypatch.setattr("apps.payments.formats.camt.STREAM_ABOVE_BYTES", 0)
    monkeypatch.setattr("apps.payments.formats.streaming.PARTS_PER_CHECK", 3)


class TestStream:
    def test_reads_what_was_written(self):
        file = read_statements(LONG)

        assert [len(statement.entries) for statement in file.statements] == [50, 3, 0]
        assert all(statement.proof.proven for statement in file.statements)
        assert [entry.position for entry in file.statements[0].entries] == list(range(1, 51))

    @pytest.mark.parametrize("count", range(12))
    def test_reads_any_number_of_entries(self, count):
        data = build_statements(message_id="M", created_at=AT, statements=(sample_statement(count),))

        assert len(read_statements(data).statements[0].entries) == count

    @pytest.mark.parametrize(("path", "facts"), VALID)
    def test_agrees_with_the_tree_about_real_files(self, path, facts):
        assert validate(path).valid
        assert len(read_statements(path).statements) == len(facts["statements"])

    @pytest.mark.parametrize("path", ["ing_example_camt053.xml", "genkgo/camt053.v2.multi.statement.xml"])
    def test_never_takes_a_part_for_the_whole(self, path):
        data = (DATA / "camt" / path).read_bytes().rstrip()

        for end in range(0, len(data) - 1, 211):
            for strict in (True, False):
                assert not validate(data[:end], strict=strict).valid

    def test_never_takes_a_part_of_a_long_file_for_the_whole(self):
        for end in range(300, len(LONG) - 2, 501):
            with pytest.raises(FormatError) as refusal:
                read_statements(LONG[:end], lenient=True)
            assert refusal.value.code == "xml_syntax"
            assert refusal.value.line


class TestStreamedFaults:
    @pytest.mark.parametrize("number", [1, 2, 3, 4, 7, 49, 50, 51, 53])
    def test_of_one_entry_are_found_at_its_line(self, number):
        pieces = LONG.split(b"<Sts><Cd>BOOK</Cd></Sts>")
        data = (
            b"<Sts><Cd>BOOK</Cd></Sts>".join(pieces[:number])
            + b"<Sts/>"
            + b"<Sts><Cd>BOOK</Cd></Sts>".join(pieces[number:])
        )

        with pytest.raises(FormatError) as refusal:
            read_statements(data)

        assert refusal.value.code == "schema"
        assert refusal.value.line == 2 + number

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b"<MsgId>LONG</MsgId>", b""),
            (b"<Id>BENCH</Id>", b""),
            (b"</Ntry></Stmt>", b"</Ntry><Bal/></Stmt>"),
            (b"</Ntry></Stmt>", b"</Ntry><Id>X</Id></Stmt>"),
            (b"</Stmt></BkToCstmrStmt>", b"</Stmt><Junk/></BkToCstmrStmt>"),
            (b"</BkToCstmrStmt>", b"</BkToCstmrStmt><Junk/>"),
            (b"<GrpHdr>", b"<Junk/><GrpHdr>"),
            (b"<Ntry>", b"<Junk/><Ntry>"),
            (b"<Document ", b'<Document junk="1" '),
        ],
    )
    def test_of_the_frame_are_found(self, old, new):
        assert old in LONG

        report = validate(LONG.replace(old, new, 1))

        assert not report.valid
        assert report.findings[0].code in ("schema", "amount_missing")

    def test_of_a_statement_outside_a_message_are_found(self):
        data = LONG.replace(b"BkToCstmrStmt", b"BkToCstmrJunk")

        assert not validate(data).valid

    def test_of_amounts_are_found_with_their_line(self):
        data = LONG.replace(b">0.10<", b">0.101<", 1)

        with pytest.raises(FormatError) as refusal:
            read_statements(data)

        assert (refusal.value.code, refusal.value.line) == ("amount_decimals", 12)

    def test_of_a_flood_of_elements_are_refused(self, monkeypatch):
        monkeypatch.setattr("apps.payments.formats.streaming.LIVE_ELEMENTS_MAX", 1000)

        for strict in (True, False):
            report = validate(LONG.replace(b"<Ntry>", b"<a/>" * 1001 + b"<Ntry>", 1), strict=strict)
            assert report.findings[0].code == "xml_tags"

    def test_do_not_stop_the_generator_from_being_closed_early(self):
        parts = stream_camt(LONG)

        next(parts)
        parts.close()
