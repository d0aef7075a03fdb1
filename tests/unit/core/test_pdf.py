"""Documents as PDF: whole, the same every time, with every sign a name in Europe has."""

from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime

import pytest

from apps.core.pdf import ROWS_MAX, Column, Table, TooManyRows, document

AT = datetime(2026, 3, 31, 22, 15, tzinfo=UTC)
COLUMNS = (Column("Booked"), Column("What", 3), Column("EUR", figures=True))


def made(rows: int = 3, **changes):
    entries = [("2026-03-31", f"Zahlung für Łukasz Ångström {n}", f"{n}.00") for n in range(rows)]
    options = {
        "title": "Statement",
        "created_at": AT,
        "facts": [("Holder", "Ἀθῆναι & Søn €"), ("IBAN", "DE89370400440532013000")],
        "tables": [Table(COLUMNS, entries, heading="Entries", strong=frozenset({0}))],
    }
    return document(**{**options, **changes})


def pages(data: bytes) -> int:
    (count,) = re.findall(rb"/Count (\d+)", data)
    return int(count)


class TestDocument:
    def test_is_a_whole_pdf_with_embedded_fonts(self):
        data = made()

        assert data.startswith(b"%PDF-") and data.rstrip().endswith(b"%%EOF")
        assert data.count(b"/FontFile2") == 2
        assert pages(data) == 1

    def test_is_the_same_bytes_every_time(self):
        assert made(200) == made(200)

    def test_carries_the_date_it_is_given(self):
        assert b"D:20260331221500+00'00'" in made()
        assert made() != made(created_at=AT.replace(year=2027))

    def test_goes_over_as_many_pages_as_it_needs(self):
        assert pages(made(200)) > 3

    def test_breaks_words_that_are_wider_than_their_column(self):
        rows = [("x" * 400, "y" * 900, "1.00")]

        assert pages(made(tables=[Table(COLUMNS, rows)])) == 1

    def test_takes_signs_that_its_font_does_not_have(self):
        assert made(tables=[Table(COLUMNS, [("漢字", "a\x00b\x07\ud800", "🎉")])])

    def test_says_when_there_is_nothing(self):
        assert made(tables=[Table(COLUMNS, [], empty="No entries.")])

    def test_refuses_a_row_with_too_few_cells(self):
        with pytest.raises(ValueError):
            made(tables=[Table(COLUMNS, [("only one",)])])

    def test_refuses_more_rows_than_its_limit(self):
        rows = [("a", "b", "c")] * (ROWS_MAX + 1)

        with pytest.raises(TooManyRows):
            made(tables=[Table(COLUMNS, rows)])

    def test_text_is_drawn(self):
        data = made()
        streams = re.findall(rb"stream\r?\n(.*?)endstream", data, re.DOTALL)

        drawn = 0
        for stream in streams:
            try:
                drawn += zlib.decompress(_ascii85(stream)).count(b"Tj")
            except (ValueError, zlib.error):
                continue
        assert drawn > 10


def _ascii85(stream: bytes) -> bytes:
    import base64

    return (
        base64.a85decode(stream.strip(), adobe=False)
        if not stream.strip().endswith(b"~>")
        else (base64.a85decode(b"<~" + stream.strip(), adobe=True))
    )
