"""What a file of resolutions would do, row by row: each is tried and rolled back."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core.actors import Actor
from apps.core.errors import Refusal
from apps.core.ids import public_id
from apps.core.money import Money
from apps.reconciliation.commands.bulk import command_of
from apps.reconciliation.domain.bulk import COLUMNS, BulkRow
from apps.reconciliation.preview import preview
from apps.reconciliation.queries import best_proposals, open_breaks

EXPORTED_MAX = 2_000
EXPORT_COLUMNS = (*COLUMNS, "reason", "difference", "currency", "since", "owner", "proposal", "score")


def preview_rows(
    organisation_id: UUID,
    rows: Sequence[BulkRow],
    *,
    actor: Actor,
    at: datetime,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Try every row by itself and change nothing; say of each whether it would be done, or why not."""
    results = []
    for number, row in enumerate(rows, start=1):
        results.append(_tried(organisation_id, row, actor, at))
        if progress is not None:
            progress(number, len(rows))
    return results


def _tried(organisation_id: UUID, row: BulkRow, actor: Actor, at: datetime) -> dict[str, Any]:
    told = {"line": row.line, "break": public_id("brk", row.break_id), "action": row.action}
    try:
        preview(command_of(organisation_id, row), actor=actor, at=at)
    except Refusal as refusal:
        return {**told, "result": "refused", "code": refusal.code, "message": refusal.title}
    return {**told, "result": "ok"}


def export_breaks(organisation_id: UUID) -> str:
    """Write the open breaks of an organisation as the CSV that `read_bulk` takes, actions left empty.

    Needs the platform's scope. No cell is taken for a formula by a spreadsheet.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(EXPORT_COLUMNS)
    rows = list(open_breaks().filter(organisation_id=organisation_id)[:EXPORTED_MAX])
    best = best_proposals(rows)
    for row in rows:
        proposal = best.get(row.line_id)
        writer.writerow(
            [
                public_id("brk", row.id),
                "",
                "",
                row.reason,
                Money(row.difference_minor, row.currency).decimal_text(),
                row.currency,
                row.day.isoformat(),
                row.owner if row.owner[:1] not in "=+-@\t\r" else f"'{row.owner}",
                public_id("exp", proposal.expectation_id) if proposal else "",
                proposal.score if proposal else "",
            ]
        )
    return out.getvalue()
