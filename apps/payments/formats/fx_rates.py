"""Files of exchange rates: our own CSV, and the European Central Bank's reference rates (eurofxref XML)."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from lxml import etree

from apps.core.money import EXPONENTS
from apps.payments.formats.errors import FormatError
from apps.payments.formats.xml import parse_tree

BYTES_MAX, RATES_MAX = 2 * 1024 * 1024, 20_000
COLUMNS = ("source", "base", "currency", "rate", "valid_from", "valid_until")
RATE_MIN, RATE_MAX = Decimal("0.0000000001"), Decimal(9999999999)
ECB, ECB_BASE = "ECB", "EUR"
ECB_NAMESPACE = "http://www.ecb.int/vocabulary/2002-08-01/eurofxref"
ECB_PUBLISHED = time(16, tzinfo=ZoneInfo("Europe/Berlin"))
"""The reference rates of a day are published at about this time."""

_RATE = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,10})?")
_SOURCE = re.compile(r"[A-Za-z0-9_.-]{1,30}")


@dataclass(frozen=True, slots=True)
class FileRate:
    """One unit of `base` is `rate` units of `currency`, from a moment on and perhaps until one.

    The rate is the text of a decimal, as it was written. Raises FormatError for what no rate can be.
    """

    source: str
    base: str
    currency: str
    rate: str
    valid_from: datetime
    valid_until: datetime | None = None

    def __post_init__(self) -> None:
        _check(self)

    @property
    def value(self) -> Decimal:
        """Return the rate, exact."""
        return Decimal(self.rate)


@dataclass(frozen=True, slots=True)
class RateFinding:
    """What is wrong in a file, and in which line."""

    code: str
    line: int | None
    message: str


def read_rates(data: bytes) -> tuple[list[FileRate], list[RateFinding]]:
    """Read a file of rates, told apart by content. With findings, nothing of it should be used."""
    if len(data) > BYTES_MAX:
        return [], [
            RateFinding("too_large", None, f"The file has {len(data)} bytes; the limit is {BYTES_MAX}.")
        ]
    try:
        rates = _ecb(data) if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else _csv(data)
    except FormatError as error:
        return [], [RateFinding(error.code, error.line, error.message)]
    return rates, _repeated(rates)


def _ecb(data: bytes) -> list[FileRate]:
    root = parse_tree(data, bytes_max=BYTES_MAX)
    rates: list[FileRate] = []
    for day in root.iter(f"{{{ECB_NAMESPACE}}}Cube"):
        if day.get("time") is None:
            continue
        try:
            published = datetime.combine(date.fromisoformat(day.get("time") or ""), ECB_PUBLISHED)
        except ValueError:
            raise FormatError("bad_date", "The day is none.", _line(day)) from None
        for cube in day.iter(f"{{{ECB_NAMESPACE}}}Cube"):
            if cube is not day:
                rates.append(
                    _rate(ECB, ECB_BASE, cube.get("currency") or "", cube.get("rate") or "", published, None,
                          _line(cube))
                )  # fmt: skip
                _check_count(rates)
    if not rates:
        raise FormatError("no_rates", "The document holds no reference rates.")
    return rates


def _line(element: etree._Element) -> int | None:
    line = element.sourceline
    return line if isinstance(line, int) else None


def _csv(data: bytes) -> list[FileRate]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FormatError("encoding", "The file is not UTF-8.") from None
    if "\x00" in text:
        raise FormatError("nul_byte", "The file holds a NUL byte.")
    rows = csv.reader(io.StringIO(text), strict=True)
    rates: list[FileRate] = []
    try:
        if tuple(next(rows, ())) != COLUMNS:
            raise FormatError("bad_heading", f"The first line is {','.join(COLUMNS)}.", 1)
        for row in rows:
            if not row:
                continue
            if len(row) != len(COLUMNS):
                raise FormatError("bad_row", f"A line has {len(COLUMNS)} columns.", rows.line_num)
            source, base, currency, rate, since, until = row
            rates.append(
                _rate(source, base, currency, rate, _moment(since, rows.line_num),
                      _moment(until, rows.line_num) if until else None, rows.line_num)
            )  # fmt: skip
            _check_count(rates)
    except csv.Error:
        raise FormatError("bad_csv", "The line is no CSV.", rows.line_num) from None
    if not rates:
        raise FormatError("no_rates", "The file holds no rates.")
    return rates


def _rate(
    source: str,
    base: str,
    currency: str,
    rate: str,
    since: datetime,
    until: datetime | None,
    line: int | None,
) -> FileRate:
    try:
        return FileRate(source, base, currency, rate, since, until)
    except FormatError as error:
        raise FormatError(error.code, error.message, line) from None


def _check(one: FileRate) -> None:
    if _SOURCE.fullmatch(one.source) is None:
        raise FormatError("bad_source", "A source is 1 to 30 letters, digits, dots or dashes.")
    for code in (one.base, one.currency):
        if code not in EXPONENTS:
            raise FormatError("unknown_currency", "A code is not of ISO 4217.")
    if one.base == one.currency:
        raise FormatError("one_currency", "A rate is between two currencies.")
    if _RATE.fullmatch(one.rate) is None or Decimal(one.rate) < RATE_MIN:
        raise FormatError(
            "bad_rate", "A rate is a plain decimal above zero, of at most ten digits and ten decimals."
        )
    moments = [moment for moment in (one.valid_from, one.valid_until) if moment is not None]
    if any(moment.tzinfo is None for moment in moments):
        raise FormatError("bad_moment", "A moment has its offset.")
    if one.valid_until is not None and one.valid_until <= one.valid_from:
        raise FormatError("bad_validity", "A rate ends after it begins.")


def _moment(text: str, line: int) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise FormatError("bad_moment", "A moment is as RFC 3339 writes it.", line) from None
    if moment.tzinfo is None or not 1999 <= moment.year < 2200:
        raise FormatError("bad_moment", "A moment has its offset, and lies between 1999 and 2199.", line)
    return moment


def _check_count(rates: list[FileRate]) -> None:
    if len(rates) > RATES_MAX:
        raise FormatError("too_many", f"A file holds at most {RATES_MAX} rates.")


def _repeated(rates: list[FileRate]) -> list[RateFinding]:
    seen: set[tuple[str, str, str, datetime]] = set()
    findings = []
    for one in rates:
        key = (one.source, one.base, one.currency, one.valid_from)
        if key in seen:
            findings.append(RateFinding("repeated", None, f"{one.base}/{one.currency} is there twice."))
        seen.add(key)
    return findings
