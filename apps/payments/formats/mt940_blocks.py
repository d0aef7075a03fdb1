"""The text of MT940 statements before a package reads the tags: splitting, line numbers, what is doubtful."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from datetime import date

from apps.payments.formats.amounts import read_amount
from apps.payments.formats.errors import FINDINGS_MAX, Finding, FormatError
from apps.payments.formats.statements import Balance

BLOCK_CHARS_MAX = 8 * 1024 * 1024
STATEMENTS_MAX = 10_000

_BLOCK = re.compile(r"^:20:", re.MULTILINE)
_ENTRY = re.compile(r"^:61:", re.MULTILINE)
_TAG = re.compile(r"^:(\d{2}[A-Z]?|NS):", re.MULTILINE)
_KNOWN_TAGS = frozenset(
    [
        "12",
        "13",
        "13D",
        "20",
        "21",
        "25",
        "25P",
        "28",
        "28C",
        "34F",
        "60F",
        "60M",
        "61",
        "62F",
        "62M",
        "64",
        "65",
        "86",
        "90C",
        "90D",
        "NS",
    ]
)
_ENVELOPE = re.compile(r"\{[1235]:[^{}]*\}|\{4:|^-\}.*$", re.MULTILINE)
# The package reads a balance without a currency wrongly (105000,00 as "0,00 105"), so these are told apart.
_BALANCE = re.compile(
    r"^:(?P<tag>6[0245])[FM]?:(?P<sign>[CD])(?P<day>\d{6})(?P<currency>[A-Z]{3})?(?P<amount>[\d,]+)",
    re.MULTILINE,
)
_VALUE_DATE = re.compile(r"^:61:(\d{2})(\d{2})(\d{2})", re.MULTILINE | re.ASCII)
_BALANCE_TAGS = {"60": "OPBD", "62": "CLBD", "64": "CLAV", "65": "FWAV"}


class Block:
    """One statement's text and where it stands in the file."""

    def __init__(self, text: str, first_line: int) -> None:
        self.text = text
        self.first_line = first_line
        self._ends = [match.start() for match in re.finditer("\n", text)]

    def line_at(self, position: int) -> int:
        """Return the line of the file that a position of the text lies on."""
        return self.first_line + bisect_left(self._ends, position)

    def entry_lines(self) -> list[int]:
        """Return the line of each `:61:`."""
        return [self.line_at(match.start()) for match in _ENTRY.finditer(self.text)]

    def currency(self) -> str:
        """Return the currency of the first balance that has one, or an empty text."""
        return next((match["currency"] for match in _BALANCE.finditer(self.text) if match["currency"]), "")

    def balances_without_currency(self, currency: str) -> Iterator[Balance]:
        """Read the balances that lack a currency as being in the statement's. Raises FormatError."""
        for match in _BALANCE.finditer(self.text):
            if match["currency"] is None:
                line, written = self.line_at(match.start()), match["amount"].replace(",", ".")
                amount = read_amount(written, currency, line=line, place=match["tag"])
                yield Balance(_BALANCE_TAGS[match["tag"]], -amount if match["sign"] == "D" else amount)

    def doubts(self, *, lost: int, account: str) -> list[Finding]:
        """Return what a strict reader refuses: no account, lost entries, balances without a currency."""
        doubts = []
        if not account.strip():
            doubts.append(
                Finding("account_missing", "The statement has no :25: tag.", self.first_line, ":25:")
            )
        if lost:
            doubts.append(
                Finding("lines_lost", f"{lost} :61: lines could not be read.", self.first_line, ":61:")
            )
        for match in _BALANCE.finditer(self.text):
            if match["currency"] is None and len(doubts) < FINDINGS_MAX:
                line = self.line_at(match.start())
                doubts.append(Finding("balance_currency", "A balance has no currency.", line, match[0][:5]))
        return doubts

    def remarks(self) -> list[Finding]:
        """Return what is worth a look, at most FINDINGS_MAX remarks: unknown tags, dates that do not exist.

        Some banks count thirty days in every month; the package takes the last day that exists.
        """
        remarks = [
            Finding(
                "unknown_tag",
                "The tag is unknown here and was not read.",
                self.line_at(match.start()),
                match[0],
                "warning",
            )
            for match in _TAG.finditer(self.text)
            if match[1] not in _KNOWN_TAGS
        ]
        message = "The value date does not exist; the last day of its month was taken."
        remarks += [
            Finding("date_clamped", message, self.line_at(match.start()), ":61:", "warning")
            for match in _VALUE_DATE.finditer(self.text)
            if not _exists(int(match[1]), int(match[2]), int(match[3]))
        ]
        return remarks[:FINDINGS_MAX]


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(2000 + year, month, day)
    except ValueError:
        return False
    return True


def split_blocks(text: str) -> Iterator[Block]:
    """Split a file at `:20:`, without SWIFT envelopes. Raises FormatError (too_large, too_many_statements)."""
    plain = _ENVELOPE.sub("", text)
    starts = [match.start() for match in _BLOCK.finditer(plain)]
    if len(starts) > STATEMENTS_MAX:
        raise FormatError("too_many_statements", f"A file has at most {STATEMENTS_MAX} statements.")
    ends = [*starts[1:], len(plain)][: len(starts)]
    line, before = 1, 0
    for start, end in zip(starts, ends, strict=True):
        line, before = line + plain.count("\n", before, start), start
        if end - start > BLOCK_CHARS_MAX:
            raise FormatError("too_large", "A statement is longer than the limit.", line)
        yield Block(plain[start:end], line)
