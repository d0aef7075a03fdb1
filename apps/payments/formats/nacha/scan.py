"""Reads a NACHA file record by record: line ends, lengths, characters, and the order of records.

Memory stays flat: parts are yielded as soon as they are complete and nothing is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from apps.payments.formats.errors import Findings, FormatError
from apps.payments.formats.nacha.records import (
    FILLER,
    LAYOUTS,
    RECORD_CHARS,
    Entry,
    Record,
    layout_of_addenda,
    layout_of_batch_header,
    layout_of_entry,
    read_record,
)
from apps.payments.formats.xml import STREAM_BYTES_MAX, Source, open_source, source_bytes

LINE_BYTES_MAX = 512
"""A line longer than this is no record with blanks or multi-byte characters, but another format."""
ADDENDA_MAX = 9_999

Part = Record | Entry


def read_lines(source: Source, findings: Findings, *, lenient: bool) -> Iterator[tuple[int, str]]:
    """Yield the number and the 94 characters of each record.

    Strictly every record has 94 characters of ASCII 0x20-0x7E. Leniently, short ones are padded,
    blanks beyond column 94 dropped, and UTF-8 or Windows-1252 decoded. Raises FormatError for what
    cannot be lines at all.
    """
    size = source_bytes(source)
    if size > STREAM_BYTES_MAX:
        raise FormatError("too_large", f"The file has {size} bytes; the limit is {STREAM_BYTES_MAX}.")
    if size == 0:
        raise FormatError("empty", "The file is empty.")
    with open_source(source) as stream:
        for number, raw in enumerate(_raw_lines(stream), start=1):
            text = _decode(raw, number, findings, lenient=lenient)
            if len(text) != RECORD_CHARS:
                text = _fit(text, number, findings)
            yield number, text


def _raw_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield lines without their ends; records that follow each other without line ends are cut by length."""
    head = stream.read(2 * RECORD_CHARS)
    stream.seek(0)
    unbroken = b"\n" not in head and len(head) == 2 * RECORD_CHARS
    blanks = 0
    number = 0
    while raw := stream.read(RECORD_CHARS) if unbroken else stream.readline(LINE_BYTES_MAX):
        number += 1
        if len(raw) == LINE_BYTES_MAX and not raw.endswith(b"\n"):
            raise FormatError("record_length", "The line is far longer than a record.", number)
        line = raw.rstrip(b"\r\n\x1a")
        if not line.strip():
            blanks += 1  # blank lines at the end are no records; between records they are
            continue
        yield from (b"" for _ in range(blanks))
        blanks = 0
        yield line


def _decode(raw: bytes, number: int, findings: Findings, *, lenient: bool) -> str:
    if raw.isascii():
        text = raw.decode("ascii")
        if text.isprintable():
            return text
    else:
        text = _decode_foreign(raw) if lenient else raw.decode("ascii", "replace").replace("�", "?")
    if b"\0" in raw:
        raise FormatError("nul_byte", "The file holds a NUL byte.", number)
    findings.add("charset", "The record holds characters other than printable ASCII.", number)
    return "".join(ch if ch.isprintable() else " " for ch in text)


def _decode_foreign(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("windows-1252", "replace")


def _fit(text: str, number: int, findings: Findings) -> str:
    """Pad or cut a record to 94 characters, and say so."""
    if len(text) < RECORD_CHARS:
        findings.add("record_length", f"The record has {len(text)} characters instead of 94.", number)
        return text.ljust(RECORD_CHARS)
    code = "record_length" if not text[RECORD_CHARS:].strip() else "record_overflow"
    findings.add(code, f"The record has {len(text)} characters instead of 94.", number)
    return text[:RECORD_CHARS]


class Scanner:
    """Turns records into parts and notes records that stand in the wrong place."""

    def __init__(self, source: Source, findings: Findings, *, lenient: bool) -> None:
        self.findings = findings
        self.lenient = lenient
        self.lines = 0
        self.header_seen = False
        self.control_seen = False
        self.any_advice = False
        self.batch: Record | None = None
        self._source = source
        self._entry: Record | None = None
        self._addenda: list[Record] = []

    def parts(self) -> Iterator[Part]:
        """Yield file header, batch headers, entries with their addenda, batch controls, file control.

        An addenda record without an entry is yielded alone. Raises FormatError.
        """
        for number, text in read_lines(self._source, self.findings, lenient=self.lenient):
            self.lines = number
            if self.control_seen:
                self._check_filler(number, text)
                continue
            kind = text[0]
            if kind != "7":
                yield from self._flush()
            if number == 1 and kind != "1":
                self.findings.add("file_header_first", "The first record is not a file header.", number)
            yield from self._take(kind, number, text)
        yield from self._flush()
        self._check_end()

    def _take(self, kind: str, number: int, text: str) -> Iterator[Part]:
        match kind:
            case "1":
                yield self._file_header(number, text)
            case "5":
                yield self._batch_header(number, text)
            case "6":
                self._start_entry(number, text)
            case "7":
                yield from self._add_addenda(number, text)
            case "8":
                yield from self._batch_control(number, text)
            case "9":
                yield from self._file_control(number, text)
            case _:
                self.findings.add("record_type", "The record type is none of 1, 5, 6, 7, 8, 9.", number)

    def _record(self, layout: str, number: int, text: str) -> Record:
        for name, first, last, may_be_blank in LAYOUTS[layout].numeric:
            value = text[first:last]
            if not (value.isascii() and value.isdigit()) and not (may_be_blank and not value.strip()):
                self.findings.add(
                    "numeric", "The field holds something other than digits.", number, f"{layout}.{name}"
                )
        return read_record(layout, text, number)

    def _file_header(self, number: int, text: str) -> Record:
        if self.header_seen:
            self.findings.add("file_header_twice", "The file has a second file header.", number)
        elif number > 1:
            self.findings.add("file_header_late", "The file header comes after other records.", number)
        self.header_seen = True
        if text[34:40] != "094101":
            self.findings.add("file_header_constants", "Columns 35 to 40 are not 094101.", number)
        return self._record("file_header", number, text)

    def _batch_header(self, number: int, text: str) -> Record:
        if self.batch is not None:
            self.findings.add(
                "batch_open", "A batch starts before the one before it has its control.", number
            )
        self.batch = self._record(layout_of_batch_header(text), number, text)
        self.any_advice = self.any_advice or self.batch["sec_code"] == "ADV"
        return self.batch

    def _start_entry(self, number: int, text: str) -> None:
        if self.batch is None:
            self.findings.add("entry_outside_batch", "An entry stands outside a batch.", number)
            if not self.lenient:
                return
        self._entry = self._record(layout_of_entry(self.batch), number, text)

    def _add_addenda(self, number: int, text: str) -> Iterator[Part]:
        layout = layout_of_addenda(text)
        if layout is None:
            self.findings.add("addenda_type", "The addenda type is unknown.", number)
            return
        if self._entry is not None:
            if len(self._addenda) >= ADDENDA_MAX:
                raise FormatError("addenda_count", f"An entry has more than {ADDENDA_MAX} addenda.", number)
            self._addenda.append(self._record(layout, number, text))
            return
        self.findings.add("addenda_outside_entry", "An addenda record stands outside an entry.", number)
        if self.batch is not None:
            yield self._record(layout, number, text)

    def _flush(self) -> Iterator[Part]:
        if self._entry is not None:
            yield Entry(self._entry, tuple(self._addenda))
        self._entry, self._addenda = None, []

    def _batch_control(self, number: int, text: str) -> Iterator[Part]:
        if self.batch is None:
            self.findings.add("control_outside_batch", "A batch control stands outside a batch.", number)
            return
        advice = self.batch["sec_code"] == "ADV"
        yield self._record("adv_batch_control" if advice else "batch_control", number, text)
        self.batch = None

    def _file_control(self, number: int, text: str) -> Iterator[Part]:
        if text == FILLER:
            return
        if self.batch is not None:
            self.findings.add("batch_open", "The file control comes before a batch has its control.", number)
            self.batch = None
        self.control_seen = True
        yield self._record("adv_file_control" if self.any_advice else "file_control", number, text)

    def _check_filler(self, number: int, text: str) -> None:
        if text != FILLER:
            self.findings.add("after_control", "After the file control only lines of 9s may follow.", number)

    def _check_end(self) -> None:
        if not self.header_seen:
            self.findings.add("file_header_missing", "The file has no file header.")
        if self.batch is not None:
            self.findings.add("batch_open", "The last batch has no control.", self.batch.line)
        if not self.control_seen:
            self.findings.add("file_control_missing", "The file has no file control.")
