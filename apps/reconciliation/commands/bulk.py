"""Many resolutions at once: all rows of a file or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core import tenancy
from apps.core.commands import Command, Context, handles
from apps.core.errors import Refusal
from apps.core.ids import parse_public_id
from apps.reconciliation.commands.resolutions import (
    AssignBreak,
    BookBreakAsCharge,
    BookBreakToSuspense,
    MatchByHand,
    NoteBreak,
    WriteOffBreak,
)
from apps.reconciliation.domain.bulk import BulkRow
from apps.reconciliation.errors import NoSuchObject
from apps.reconciliation.models import Break


class RowRefused(Refusal):
    code = "row_refused"
    title = "A row of the file was refused, so none was done."


@dataclass(frozen=True)
class ResolveBreaks(Command):
    """Resolve, assign and note breaks by a file. `rows` as `read_bulk` gives them."""

    rows: tuple[BulkRow, ...]


@dataclass(frozen=True)
class ResolveBreaksWithWriteOffs(Command):
    """The same for a file that writes something off: it takes two persons."""

    rows: tuple[BulkRow, ...]


@handles(ResolveBreaks, name="reconciliation.resolve_breaks", version=1, permission="reconciliation.write")
def resolve_breaks(command: ResolveBreaks, context: Context) -> dict[str, Any]:
    """Do every row. Raises RowRefused naming the line and what its own command refused."""
    if any(row.action == "write_off" for row in command.rows):
        raise RowRefused(reason="a write-off takes two persons")
    return _resolve(command, context)


@handles(
    ResolveBreaksWithWriteOffs,
    name="reconciliation.resolve_breaks_with_write_offs",
    version=1,
    permission="reconciliation.write",
    four_eyes=True,
    covers=("reconciliation.write_off",),
)
def resolve_breaks_with_write_offs(command: ResolveBreaksWithWriteOffs, context: Context) -> dict[str, Any]:
    """Do every row. Raises RowRefused naming the line and what its own command refused."""
    return _resolve(command, context)


def bulk_command(organisation_id: UUID, rows: Sequence[BulkRow]) -> Command:
    """Make the one command of a file, which takes two persons if anything is written off."""
    kind = ResolveBreaksWithWriteOffs if any(row.action == "write_off" for row in rows) else ResolveBreaks
    return kind(organisation_id, tuple(rows))


def _resolve(command: ResolveBreaks | ResolveBreaksWithWriteOffs, context: Context) -> dict[str, Any]:
    assert command.organisation_id is not None
    for row in command.rows:
        try:
            context.run(command_of(command.organisation_id, row), step=f"row:{row.line}")
        except Refusal as refusal:
            raise RowRefused(line=row.line, refused=refusal.code) from None
    return {"done": len(command.rows)}


def command_of(organisation_id: UUID, row: BulkRow) -> Command:
    """Make the command of one row. Raises NoSuchObject for a match with something that is no expectation."""
    match row.action:
        case "suspense":
            return BookBreakToSuspense(organisation_id, row.break_id)
        case "charge":
            return BookBreakAsCharge(organisation_id, row.break_id)
        case "write_off":
            return WriteOffBreak(organisation_id, row.break_id, reason=row.value)
        case "assign":
            return AssignBreak(organisation_id, row.break_id, owner=row.value)
        case "note":
            return NoteBreak(organisation_id, row.break_id, note=row.value)
    return _match(organisation_id, row)


def _match(organisation_id: UUID, row: BulkRow) -> Command:
    with tenancy.scope(tenancy.PLATFORM):
        found = Break.objects.filter(id=row.break_id, organisation_id=organisation_id).first()
    try:
        expectation_id = parse_public_id("exp", row.value)
    except Refusal:
        raise NoSuchObject(object="expectation", id=row.value[:40]) from None
    if found is None or found.line_id is None:
        raise NoSuchObject(object="break with a line")
    return MatchByHand(organisation_id, found.bank_account_id, (found.line_id,), (expectation_id,), "by file")
