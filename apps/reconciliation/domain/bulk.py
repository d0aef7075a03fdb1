"""Resolutions as a file: CSV of a break, an action and a value, read strictly."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from uuid import UUID

from apps.core.errors import Refusal
from apps.core.ids import parse_public_id

COLUMNS = ("break", "action", "value")
ACTIONS = ("suspense", "charge", "write_off", "match", "assign", "note")
ENDS = frozenset({"suspense", "charge", "write_off", "match"})
"""Actions that resolve a break: one of them a break."""

ROWS_MAX, CELL_MAX, BYTES_MAX = 2_000, 2_000, 1024 * 1024


class BadBulk(Refusal):
    code = "bad_bulk"
    title = "The file of resolutions cannot be read."


@dataclass(frozen=True)
class BulkRow:
    """One row; `line` is the line of the file. `value` is a reason, an owner, a note or an `exp_…`."""

    line: int
    break_id: UUID
    action: str
    value: str


def read_bulk(data: bytes) -> tuple[BulkRow, ...]:
    """Read a file: the columns break, action and value; others (an export has some) are passed over.

    A row without an action is passed over too. Raises BadBulk naming the line.
    """
    if len(data) > BYTES_MAX:
        raise BadBulk(reason="too large", bytes_max=BYTES_MAX)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadBulk(reason="not UTF-8") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        names = reader.fieldnames or []
        if missing := [name for name in COLUMNS if names.count(name) != 1]:
            raise BadBulk(line=1, reason="column missing or there twice", column=missing[0])
        rows = [_row(reader.line_num, cells) for cells in reader if (cells["action"] or "").strip()]
    except csv.Error:
        raise BadBulk(line=reader.line_num, reason="not CSV") from None
    if len(rows) > ROWS_MAX:
        raise BadBulk(reason="too many rows", rows_max=ROWS_MAX)
    _refuse_contradictions(rows)
    return tuple(rows)


def _row(line: int, cells: dict[str | None, str | None]) -> BulkRow:
    told = [cells[name] for name in COLUMNS]
    if None in cells or any(value is None or len(value) > CELL_MAX for value in told):
        raise BadBulk(line=line, reason="cells missing, too many, or too long")
    key, action, value = (str(cell).strip() for cell in told)
    if action not in ACTIONS:
        raise BadBulk(line=line, reason="unknown action", actions=list(ACTIONS))
    try:
        return BulkRow(line, parse_public_id("brk", key), action, value)
    except Refusal:
        raise BadBulk(line=line, reason="no break", found=key[:40]) from None


def _refuse_contradictions(rows: list[BulkRow]) -> None:
    ended: set[UUID] = set()
    for row in rows:
        if row.action in ENDS and row.break_id in ended:
            raise BadBulk(line=row.line, reason="the break is resolved by another line")
        if row.action in ENDS:
            ended.add(row.break_id)
    actions = {row.action for row in rows}
    if {"write_off", "note"} <= actions:  # what waits for approval is kept as it is; notes are kept sealed
        raise BadBulk(reason="notes and write-offs go into files of their own")
