"""A processor's settlement report: CSV with a declared mapping of its columns, read strictly."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from apps.core.errors import Refusal
from apps.core.money import Money

ROWS_MAX, CELL_MAX, BYTES_MAX = 200_000, 200, 64 * 1024 * 1024
FIELDS = ("group", "kind", "reference", "amount", "currency", "date")
KINDS = ("payment", "fee", "refund", "dispute")


class BadSettlement(Refusal):
    code = "bad_settlement"
    title = "The settlement report cannot be read."


@dataclass(frozen=True, slots=True)
class SettlementRow:
    """One row: what the processor settles under `group`, signed as it changes what reaches the bank."""

    line: int
    group: str
    kind: str
    reference: str
    amount: Money
    day: date


def read_settlement(
    data: bytes, *, columns: Mapping[str, str], kinds: Mapping[str, str]
) -> tuple[SettlementRow, ...]:
    """Read a report. `columns` names the CSV's column for each of FIELDS, `kinds` maps its words to KINDS.

    Fees, refunds and disputes reduce what arrives: they are negative in what is returned, however the
    processor writes them. Raises BadSettlement naming the line.
    """
    if len(data) > BYTES_MAX:
        raise BadSettlement(reason="too large", bytes_max=BYTES_MAX)
    if missing := [name for name in FIELDS if name not in columns]:
        raise BadSettlement(reason="unmapped", field=missing[0])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadSettlement(reason="not UTF-8") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if absent := [name for name in columns.values() if name not in (reader.fieldnames or [])]:
            raise BadSettlement(line=1, reason="column missing", column=absent[0][:CELL_MAX])
        rows = tuple(_row(number, cells, columns, kinds) for number, cells in enumerate(reader, start=2))
    except csv.Error:
        raise BadSettlement(line=reader.line_num, reason="not CSV") from None
    if not rows:
        raise BadSettlement(reason="empty")
    _refuse_repeats(rows)
    return rows


def _row(
    line: int, cells: Mapping[str | None, object], columns: Mapping[str, str], kinds: Mapping[str, str]
) -> SettlementRow:
    if line > ROWS_MAX + 1:
        raise BadSettlement(line=line, reason="too many rows", rows_max=ROWS_MAX)
    told = {name: cells.get(columns[name]) for name in FIELDS}
    if None in cells or not all(isinstance(value, str) and len(value) <= CELL_MAX for value in told.values()):
        raise BadSettlement(line=line, reason="cells missing, too many, or too long")
    values = {name: str(value).strip() for name, value in told.items()}
    kind = kinds.get(values["kind"], "")
    if kind not in KINDS or not values["group"] or not values["reference"]:
        raise BadSettlement(line=line, reason="group, reference or a known kind is missing")
    try:
        written = Money.parse(values["amount"].lstrip("-"), values["currency"])
        day = date.fromisoformat(values["date"][:10])
    except (Refusal, ValueError):
        raise BadSettlement(line=line, reason="amount, currency or date") from None
    amount = written if kind == "payment" and not values["amount"].startswith("-") else -written
    return SettlementRow(line, values["group"], kind, values["reference"], amount, day)


def _refuse_repeats(rows: tuple[SettlementRow, ...]) -> None:
    seen: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        name = (row.group, row.kind, row.reference)
        seen[name] += 1
        if seen[name] > 1:
            raise BadSettlement(line=row.line, reason="the same row twice")
