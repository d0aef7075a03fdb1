"""Processor settlement reports: CSV with a declared mapping from the processor's columns to ours.

Every line must satisfy net = gross - fee to the cent; the report's sums per currency and per payout
are what the bank credit is matched with.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType

from apps.core.money import Money
from apps.payments.formats.amounts import read_amount
from apps.payments.formats.camt import sha256_of
from apps.payments.formats.errors import Finding, Findings, FormatError
from apps.payments.formats.xml import Source, open_source, source_bytes

FILE_BYTES_MAX = 64 * 1024 * 1024
LINES_MAX = 500_000
FIELD_CHARS_MAX = 10_000
KINDS = frozenset({"payment", "refund", "dispute", "dispute_won", "fee", "adjustment", "payout"})


@dataclass(frozen=True, slots=True)
class SettlementMapping:
    """How one processor's report is read.

    `columns` maps our names (reference, kind, gross, fee, net, currency, date, payout) to its headings;
    `kinds` its words to ours. `minor_units` says that amounts are whole cents. `fee_sign` is 1 where a
    cost is written as a positive number, -1 where it is negative.
    """

    name: str
    columns: Mapping[str, str]
    kinds: Mapping[str, str]
    delimiter: str = ","
    encoding: str = "utf-8-sig"
    decimal_mark: str = "."
    minor_units: bool = False
    fee_sign: int = 1
    date_format: str = "%Y-%m-%d"


STANDARD = SettlementMapping(
    name="standard",
    columns=MappingProxyType(
        {name: name for name in ("reference", "kind", "gross", "fee", "net", "currency", "date", "payout")}
    ),
    kinds=MappingProxyType({kind: kind for kind in KINDS}),
)
MAPPINGS: dict[str, SettlementMapping] = {STANDARD.name: STANDARD}


@dataclass(frozen=True, slots=True)
class SettlementLine:
    """One line; amounts are signed from the merchant's view, `fee` is the cost (positive)."""

    line: int
    reference: str
    kind: str
    gross: Money
    fee: Money
    net: Money
    at_date: date
    payout: str


@dataclass(frozen=True, slots=True)
class SettlementReport:
    """A report with its lines and what was found in it."""

    mapping: str
    lines: tuple[SettlementLine, ...]
    sha256: str
    findings: tuple[Finding, ...] = field(default=())

    def payouts(self) -> dict[tuple[str, str], Money]:
        """Return the net sum per payout and currency: what the bank is expected to show.

        Payout lines themselves are left out; they state the transfer that the others add up to.
        """
        sums: dict[tuple[str, str], int] = defaultdict(int)
        for line in self.lines:
            if line.kind != "payout":
                sums[line.payout, line.net.currency] += line.net.minor
        return {key: Money(minor, key[1]) for key, minor in sums.items()}


def read_settlement(
    source: Source, *, mapping: SettlementMapping = STANDARD, lenient: bool = False
) -> SettlementReport:
    """Read a settlement report.

    Strictly, any bad line refuses the file; leniently, bad lines are left out and named. A missing
    column, another encoding or too many lines refuse it either way. Raises FormatError.
    """
    findings = Findings()
    lines = []
    for number, row in _rows(source, mapping):
        try:
            lines.append(_line(number, row, mapping))
        except FormatError as error:
            findings.add(error.code, error.message, error.line, error.place)
    _check_payout_lines(lines, findings)
    if not lenient:
        findings.require_none()
    return SettlementReport(mapping.name, tuple(lines), sha256_of(source), tuple(findings.items))


def _rows(source: Source, mapping: SettlementMapping) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(
        io.StringIO(_text(source, mapping), newline=""), delimiter=mapping.delimiter, strict=True
    )
    try:
        headings = [heading.strip() for heading in next(reader, [])]
        positions = _positions(headings, mapping)
        for count, row in enumerate(reader, start=1):
            if count > LINES_MAX:
                raise FormatError(
                    "too_many_lines", f"A report has at most {LINES_MAX} lines.", reader.line_num
                )
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(headings) or any(len(cell) > FIELD_CHARS_MAX for cell in row):
                raise FormatError(
                    "columns", "The line has another number of columns than the heading.", reader.line_num
                )
            yield reader.line_num, {name: row[at].strip() for name, at in positions.items()}
    except csv.Error:
        raise FormatError("csv_syntax", "The line is not valid CSV.", reader.line_num) from None


def _text(source: Source, mapping: SettlementMapping) -> str:
    size = source_bytes(source)
    if size > FILE_BYTES_MAX:
        raise FormatError("too_large", f"The file has {size} bytes; the limit is {FILE_BYTES_MAX}.")
    with open_source(source) as stream:
        data = stream.read()
    if b"\0" in data:
        raise FormatError(
            "nul_byte", "The file holds a NUL byte.", data[: data.index(b"\0")].count(b"\n") + 1
        )
    try:
        return data.decode(mapping.encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise FormatError("encoding", f"The file is not {mapping.encoding}.", line) from None


def _positions(headings: list[str], mapping: SettlementMapping) -> dict[str, int]:
    missing = [heading for heading in mapping.columns.values() if headings.count(heading) != 1]
    if missing:
        raise FormatError("columns", "A declared column is missing or there twice.", 1, missing[0])
    return {name: headings.index(heading) for name, heading in mapping.columns.items()}


def _line(number: int, row: dict[str, str], mapping: SettlementMapping) -> SettlementLine:
    kind = mapping.kinds.get(row["kind"])
    if kind not in KINDS:
        raise FormatError("kind", "The kind of line is not in the mapping.", number, mapping.columns["kind"])
    gross, net = _amount(number, row, "gross", mapping), _amount(number, row, "net", mapping)
    fee = _amount(number, row, "fee", mapping)
    cost = -fee if mapping.fee_sign < 0 else fee
    if gross - cost != net:
        raise FormatError("net", "The net amount is not gross less fee.", number, mapping.columns["net"])
    return SettlementLine(
        number, row["reference"], kind, gross, cost, net, _date(number, row["date"], mapping), row["payout"]
    )


def _amount(number: int, row: dict[str, str], name: str, mapping: SettlementMapping) -> Money:
    written, place = row[name] or "0", mapping.columns[name]
    currency = row["currency"].upper()
    negative = written.startswith("-")
    plain = written.removeprefix("-")
    if mapping.minor_units:
        if not (plain.isascii() and plain.isdigit() and len(plain) <= 18):
            raise FormatError("bad_amount", "This is no whole number of minor units.", number, place)
        zero = read_amount("0", currency, line=number, place=place)
        money = Money(int(plain), zero.currency)
    else:
        money = read_amount(plain.replace(mapping.decimal_mark, "."), currency, line=number, place=place)
    return -money if negative else money


def _date(number: int, written: str, mapping: SettlementMapping) -> date:
    try:
        return datetime.strptime(written, mapping.date_format).date()  # noqa: DTZ007 - a date, not an instant
    except ValueError:
        raise FormatError(
            "bad_date", "This is not a date of the mapping.", number, mapping.columns["date"]
        ) from None


def _check_payout_lines(lines: list[SettlementLine], findings: Findings) -> None:
    """A payout line, where the processor writes one, takes out exactly what the others put in."""
    sums: dict[tuple[str, str], int] = defaultdict(int)
    stated: dict[tuple[str, str], SettlementLine] = {}
    for line in lines:
        key = (line.payout, line.net.currency)
        if line.kind == "payout":
            stated[key] = line
        else:
            sums[key] += line.net.minor
    for key, line in stated.items():
        if sums[key] + line.net.minor:
            findings.add("payout_total", "The payout is not the sum of its lines.", line.line, "net")
