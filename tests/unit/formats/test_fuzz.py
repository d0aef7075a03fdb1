"""Damaged files: whatever happens to the bytes, the answer is a finding or a FormatError, never anything else."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.payments.formats import FormatError, detect, read_settlement, read_statements, validate
from apps.payments.formats.nacha import read_nacha, returns_of
from tests.unit.formats.samples import DATA

SEEDS = [
    path
    for area in ("camt", "pain", "pacs", "nacha", "mt940", "bai2")
    for path in sorted((DATA / area).rglob("*"))
    if path.is_file() and path.suffix in (".xml", ".ach", ".txt", ".sta", ".bai2")
]
NASTY = [b"\0", b"\xff\xfe", b"<", b">", b"&", b"]]>", b"9" * 40, b"-", b"\n", b"\r", b":61:", b"88,", b"16,", b"\xe4",
         b"<!DOCTYPE x>", b"&lol;", b"1e9", b"NaN", b"--", b"99999999999999999999", b"D,9,", b"{4:", b" " * 200]  # fmt: skip


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Cut, repeat, overwrite, insert or swap a few pieces."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        if not out:
            break
        at, to = sorted((rng.randrange(len(out)), rng.randrange(len(out))))
        match rng.randrange(6):
            case 0:
                del out[at : at + rng.randint(1, 80)]
            case 1:
                out[at:at] = rng.choice(NASTY)
            case 2:
                out[at] = rng.randrange(256)
            case 3:
                out[at:at] = out[at : at + rng.randint(1, 300)]
            case 4:
                del out[to:]
            case _:
                lines = bytes(out).split(b"\n")
                rng.shuffle(lines)
                out = bytearray(b"\n".join(lines))
    return bytes(out)


def read_everything(data: bytes) -> None:
    """Run every reader over the bytes; only FormatError may come out."""
    for strict in (True, False):
        report = validate(data, strict=strict)
        assert report.valid is not any(finding.severity == "error" for finding in report.findings)
        report.as_dict()
    for read in (lambda: read_statements(data, lenient=True), lambda: read_settlement(data)):
        try:
            read()
        except FormatError:
            pass
    try:
        list(returns_of(read_nacha(data, lenient=True).file))
    except FormatError:
        pass
    for expected in ("NACHA", "camt.053", "BAI2", "MT940"):
        validate(data, as_format=expected)


class TestDamagedFiles:
    @pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.name)
    def test_only_ever_give_findings(self, path):
        data, rng = path.read_bytes(), random.Random(path.name)

        for _ in range(10):
            read_everything(mutate(data, rng))

    @settings(max_examples=300)
    @given(st.binary(max_size=400))
    def test_made_of_noise_only_ever_give_findings(self, data):
        read_everything(data)

    @settings(max_examples=300)
    @given(st.lists(st.sampled_from([b"101 ", b"5220", b"6", b"7", b"82", b"9", b"\n", b"0" * 90, b"01,", b"02,", b"03,a,",
                                     b"16,", b"49,", b"98,", b"99,", b":20:", b":61:", b":86:", b":60F:C", b"/", b","]),
                    max_size=30))  # fmt: skip
    def test_made_of_fragments_only_ever_give_findings(self, parts):
        read_everything(b"".join(parts))

    @pytest.mark.full
    @pytest.mark.parametrize("seed", range(20))
    def test_only_ever_give_findings_at_length(self, seed):
        rng = random.Random(seed)

        for path in SEEDS:
            data = path.read_bytes()
            for _ in range(25):
                read_everything(mutate(data, rng))


class TestDamagedStreams:
    @pytest.mark.parametrize(
        "path", [path for path in SEEDS if "camt" in path.parts], ids=lambda path: path.name
    )
    def test_only_ever_give_findings(self, path, monkeypatch):
        monkeypatch.setattr("apps.payments.formats.camt.STREAM_ABOVE_BYTES", 0)
        monkeypatch.setattr("apps.payments.formats.streaming.PARTS_PER_CHECK", 2)
        data, rng = path.read_bytes(), random.Random(path.name)

        for _ in range(15):
            damaged = mutate(data, rng)
            streamed = validate(damaged)
            validate(damaged, strict=False)
            monkeypatch.setattr("apps.payments.formats.camt.STREAM_ABOVE_BYTES", 10**9)
            assert streamed.valid is validate(damaged).valid
            monkeypatch.setattr("apps.payments.formats.camt.STREAM_ABOVE_BYTES", 0)


class TestTruncatedFiles:
    @pytest.mark.parametrize(
        "name", ["camt/ing_example_camt053.xml", "pain/pain.001/credit_transfer.xml", "nacha/valid/ppd-credit.ach",
                 "bai2/nwb_example.bai2"],
    )  # fmt: skip
    def test_are_never_valid(self, name):
        data = (DATA / name).read_bytes().rstrip()

        for end in range(0, len(data) - 1, max(1, len(data) // 60)):
            assert not validate(data[:end]).valid


class TestDetect:
    @settings(max_examples=200)
    @given(st.binary(max_size=200))
    def test_names_a_format_or_refuses(self, data):
        try:
            assert detect(data)
        except FormatError as refusal:
            assert refusal.code == "unknown_format"


class TestForgedNumbers:
    CREDIT = (DATA / "pain/pain.001/credit_transfer.xml").read_bytes()

    @pytest.mark.parametrize(
        "written", ["sNaN", "NaN", "Infinity", "1e999999999", "²", "９", "1_0", "-0", " "]
    )
    @pytest.mark.parametrize("tag", ["NbOfTxs", "CtrlSum"])
    def test_in_control_totals_are_findings(self, tag, written):
        old = b"<NbOfTxs>3<" if tag == "NbOfTxs" else b"<CtrlSum>3000.00<"
        assert old in self.CREDIT
        data = self.CREDIT.replace(old, f"<{tag}>{written}<".encode(), 1)

        assert not validate(data).valid

    def test_that_sum_up_to_more_than_any_book_holds_are_findings(self):
        data = (DATA / "camt/ing_example_camt053.xml").read_bytes()
        for amount in (b"350.00", b"500.00", b"100.00"):
            data = data.replace(b">" + amount + b"<", b">9223372036854775.07<")

        file = read_statements(data, lenient=True)

        assert not file.statements[0].proof.proven
        assert validate(data, strict=False).totals["entries"] == 9

    def test_do_not_put_a_sum_of_90_000_000_gigacents_into_an_exception(self):
        path = DATA / "bai2/sample1.txt"
        data = (
            path.read_bytes()
            .replace(b"000000000208500", b"999999999999999999")
            .replace(b",000000000002500,", b",999999999999999999,")
        )

        read_everything(data)
