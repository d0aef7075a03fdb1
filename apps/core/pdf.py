"""Plain documents as PDF: a title, facts, ruled tables over as many pages as they need.

The same input always gives the same bytes, so that a document's digest can be kept and compared: the
date of making is an argument, the font is ours and embedded. No HTML, no pictures, no links.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

ROWS_MAX = 50_000
"""The most rows of all tables together: about a thousand pages."""

CELL_MAX = 500
"""The most characters of a cell; what is longer ends in an ellipsis."""

_FONTS = Path(__file__).parent / "fonts"
_WIDTH, _HEIGHT = A4
_LEFT, _RIGHT, _TOP, _BOTTOM = 42.0, _WIDTH - 42.0, _HEIGHT - 48.0, 52.0
_SIZE, _LEADING, _GAP = 8.0, 10.5, 6.0
_INK, _FAINT, _RULE = HexColor("#1a1d21"), HexColor("#5f6b7a"), HexColor("#c9d0d8")


class TooManyRows(ValueError):
    """The tables have more rows than a document may have."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, its share of the width, and whether it holds figures."""

    heading: str
    share: float = 1.0
    figures: bool = False  # stands at the right, and is never broken into lines


@dataclass(frozen=True, slots=True)
class Table:
    """A ruled table. A row whose number is in `strong` is set in bold: an opening, a sum."""

    columns: tuple[Column, ...]
    rows: Sequence[tuple[str, ...]]
    heading: str = ""
    strong: frozenset[int] = frozenset()
    empty: str = "None."


def document(
    *,
    title: str,
    created_at: datetime,
    subtitle: str = "",
    facts: Sequence[tuple[str, str]] = (),
    tables: Sequence[Table] = (),
    footer: str = "",
) -> bytes:
    """Set a document and return its bytes. `created_at` (aware) is the date that it carries.

    Raises TooManyRows, and ValueError for a row that has not one cell a column.
    """
    if sum(len(table.rows) for table in tables) > ROWS_MAX:
        raise TooManyRows(ROWS_MAX)
    out = io.BytesIO()
    pages = _Pages(out, title=title, created_at=created_at, footer=footer)
    pages.heading(title, subtitle)
    pages.facts(facts)
    for table in tables:
        pages.table(table)
    pages.close()
    return out.getvalue()


class _Pages(Canvas):
    """A canvas that knows where on the page it is, and numbers the pages when all are there."""

    def __init__(self, out: io.BytesIO, *, title: str, created_at: datetime, footer: str) -> None:
        super().__init__(out, pagesize=A4, invariant=1, pageCompression=1)
        self.setTitle(_printable(title))
        self.setAuthor("")
        self.setCreator("Bezant")
        stamp = created_at.astimezone(UTC).strftime("D:%Y%m%d%H%M%S+00'00'")
        self.setDateFormatter(lambda *_: stamp)
        self._regular, self._bold = _fonts()
        self._footer, self._title = footer, title
        self._kept: list[dict[str, Any]] = []
        self._y = _TOP

    def heading(self, title: str, subtitle: str) -> None:
        """Set the document's title."""
        for line in self._broken(title, self._bold, 16, _RIGHT - _LEFT):
            self._text(_LEFT, line, self._bold, 16)
            self._y -= 20
        for line in self._broken(subtitle, self._regular, 9, _RIGHT - _LEFT) if subtitle else ():
            self._text(_LEFT, line, self._regular, 9, _FAINT)
            self._y -= 13
        self._y -= _GAP

    def facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Set pairs of a name and a value, one a row."""
        column = _LEFT + 150
        for name, value in facts:
            lines = self._broken(value, self._regular, _SIZE + 1, _RIGHT - column)
            self._room(len(lines) * (_LEADING + 1.5))
            self._text(_LEFT, _cut(name), self._regular, _SIZE + 1, _FAINT)
            for line in lines:
                self._text(column, line, self._regular, _SIZE + 1)
                self._y -= _LEADING + 1.5
        self._y -= _GAP * 2

    def table(self, table: Table) -> None:
        """Set a table; its headings stand again on each page."""
        if table.heading:
            self._room(60)
            self._text(_LEFT, _cut(table.heading), self._bold, 11)
            self._y -= 18
        spans = _spans(table.columns)
        self._room(_LEADING * 4)
        self._head(table.columns, spans)
        for number, row in enumerate(table.rows):
            self._row(table, spans, row, self._bold if number in table.strong else self._regular)
        if not table.rows:
            self._text(_LEFT, _cut(table.empty), self._regular, _SIZE, _FAINT)
            self._y -= _LEADING
        self._y -= _GAP * 3

    def close(self) -> None:
        """Number the pages and write the document."""
        self._kept.append(dict(self.__dict__))
        kept = self._kept
        for number, state in enumerate(kept, 1):
            self.__dict__.update(state)
            self._foot(number, len(kept))
            super().showPage()
        self.save()

    def _head(self, columns: tuple[Column, ...], spans: list[tuple[float, float]]) -> None:
        for column, span in zip(columns, spans, strict=True):
            self._cell(column, span, _cut(column.heading), self._bold, _FAINT)
        self._y -= 4
        self._rule()
        self._y -= _LEADING

    def _row(self, table: Table, spans: list[tuple[float, float]], row: tuple[str, ...], font: str) -> None:
        if len(row) != len(table.columns):
            raise ValueError("a row has one cell for each column")
        cells = [
            [_cut(text)] if column.figures else self._broken(text, font, _SIZE, right - left)
            for column, (left, right), text in zip(table.columns, spans, row, strict=True)
        ]
        height = max(len(lines) for lines in cells) * _LEADING
        if self._room(height + 4):
            self._head(table.columns, spans)
        top = self._y
        for column, span, lines in zip(table.columns, spans, cells, strict=True):
            for place, line in enumerate(lines):
                self._y = top - place * _LEADING
                self._cell(column, span, line, font)
        self._y = top - height + _LEADING - 4
        self._rule()
        self._y -= _LEADING

    def _cell(self, column: Column, span: tuple[float, float], text: str, font: str, ink: Any = _INK) -> None:
        left, right = span
        if column.figures:
            left = right - pdfmetrics.stringWidth(text, font, _SIZE)
        self._text(left, text, font, _SIZE, ink)

    def _rule(self) -> None:
        self.setStrokeColor(_RULE)
        self.setLineWidth(0.4)
        self.line(_LEFT, self._y, _RIGHT, self._y)

    def _room(self, height: float) -> bool:
        """Turn the page if less than this height is left; tell whether it was turned."""
        if self._y - height >= _BOTTOM:
            return False
        self._kept.append(dict(self.__dict__))
        self._startPage()
        self._y = _TOP
        return True

    def _foot(self, number: int, total: int) -> None:
        self._y = _BOTTOM - 20
        count = f"{number} / {total}"
        self._text(_LEFT, _cut(self._footer or self._title), self._regular, 7, _FAINT)
        right = _RIGHT - pdfmetrics.stringWidth(count, self._regular, 7)
        self._text(right, count, self._regular, 7, _FAINT)

    def _text(self, x: float, text: str, font: str, size: float, ink: Any = _INK) -> None:
        self.setFont(font, size)
        self.setFillColor(ink)
        self.drawString(x, self._y, text)

    def _broken(self, text: str, font: str, size: float, width: float) -> list[str]:
        """Break a text into lines of a width, at spaces; a word that is too wide is cut where it must be."""
        lines, line = [], ""
        for word in _cut(text).split():
            wider = f"{line} {word}" if line else word
            if pdfmetrics.stringWidth(wider, font, size) <= width:
                line = wider
                continue
            if line:
                lines.append(line)
            line = word
            while pdfmetrics.stringWidth(line, font, size) > width and len(line) > 1:
                fits = next(
                    length
                    for length in range(len(line) - 1, 0, -1)
                    if length == 1 or pdfmetrics.stringWidth(line[:length], font, size) <= width
                )
                lines.append(line[:fits])
                line = line[fits:]
        return [*lines, line]


def _spans(columns: tuple[Column, ...]) -> list[tuple[float, float]]:
    """Return where each column begins and ends, in points."""
    unit = (_RIGHT - _LEFT) / sum(column.share for column in columns)
    spans, left = [], _LEFT
    for column in columns:
        spans.append((left, left + column.share * unit - _GAP))
        left += column.share * unit
    last_left, last_right = spans[-1]
    spans[-1] = (last_left, last_right + _GAP)
    return spans


def _cut(text: str) -> str:
    tidy = _printable(text)
    return tidy if len(tidy) <= CELL_MAX else tidy[: CELL_MAX - 1] + "…"


def _printable(text: str) -> str:
    """Put a replacement character in place of what the font has no sign for, or what is no sign."""
    known = _signs()
    return "".join(sign if ord(sign) in known else " " if sign.isspace() else "\ufffd" for sign in text)


@cache
def _fonts() -> tuple[str, str]:
    """Register the fonts once; return the names of the regular and the bold one."""
    for name in ("DejaVuSans", "DejaVuSans-Bold"):
        pdfmetrics.registerFont(TTFont(name, str(_FONTS / f"{name}.ttf")))
    return "DejaVuSans", "DejaVuSans-Bold"


@cache
def _signs() -> frozenset[int]:
    regular, bold = (pdfmetrics.getFont(name).face.charToGlyph for name in _fonts())
    return frozenset(regular) & frozenset(bold)
