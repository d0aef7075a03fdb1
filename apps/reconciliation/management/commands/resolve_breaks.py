"""Resolves breaks in bulk: `manage.py resolve_breaks FILE.csv --dry-run`, then without."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.commands import Command as Wanted
from apps.core.commands import execute
from apps.core.errors import Refusal
from apps.core.ids import parse_public_id
from apps.reconciliation.cli import acting_organisation, cli_actor
from apps.reconciliation.commands.resolutions import (
    AssignBreak,
    BookBreakAsCharge,
    BookBreakToSuspense,
    NoteBreak,
    WriteOffBreak,
)
from apps.reconciliation.preview import preview

ROWS_MAX = 10_000
COLUMNS = ["break", "action", "value"]
ACTIONS: dict[str, Callable[[UUID, UUID, str], Wanted]] = {
    "suspense": lambda organisation, key, _value: BookBreakToSuspense(organisation, key),
    "charge": lambda organisation, key, _value: BookBreakAsCharge(organisation, key),
    "write_off": lambda organisation, key, value: WriteOffBreak(organisation, key, reason=value),
    "assign": lambda organisation, key, value: AssignBreak(organisation, key, owner=value),
    "note": lambda organisation, key, value: NoteBreak(organisation, key, note=value),
}


class Command(BaseCommand):
    help = (
        "Resolve breaks by a CSV of break, action and value (suspense, charge, write_off, assign, note). Every row "
        "is tried first; if any is refused, none is done. Exits with 1 then."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the file."""
        parser.add_argument("path", type=Path, metavar="FILE.csv")
        parser.add_argument("--organisation", default="", help="org_…; the operator if left out")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, change nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Preview all rows, then do them."""
        organisation_id, at = acting_organisation(options["organisation"]), clock.database_now()
        wanted = self._read(options["path"], organisation_id)
        trying = partial(preview, actor=cli_actor(), at=at)
        doing = partial(execute, actor=cli_actor(), key=None, at=at)
        results = [self._tried(trying, line, command) for line, command in wanted]
        refused = [one for one in results if one["result"] == "refused"]
        if not refused and not options["dry_run"]:
            results = [self._tried(doing, line, command) for line, command in wanted]
            refused = [one for one in results if one["result"] == "refused"]
        if options["json"]:
            done = not refused and not options["dry_run"]
            self.stdout.write(json.dumps({"ok": not refused, "done": done, "rows": results}, indent=2))
        else:
            for one in results:
                self.stdout.write(
                    f"line {one['line']}: {one['result']}" + (f" ({one['code']})" if "code" in one else "")
                )
        if refused:
            sys.exit(1)

    def _tried(self, attempt: Callable[[Wanted], Any], line: int, command: Wanted) -> dict[str, Any]:
        try:
            attempt(command)
        except Refusal as refusal:
            return {"line": line, "result": "refused", "code": refusal.code, "message": refusal.title}
        return {"line": line, "result": "ok"}

    def _read(self, path: Path, organisation_id: UUID) -> list[tuple[int, Wanted]]:
        """Read the file. Raises CommandError naming the line."""
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = list(csv.DictReader(file, strict=True))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise CommandError(
                f"{path.name}: not a CSV file that can be read ({type(error).__name__})"
            ) from None
        if len(rows) > ROWS_MAX:
            raise CommandError(f"{path.name}: more than {ROWS_MAX} rows")
        wanted = []
        for line, row in enumerate(rows, start=2):
            if sorted(str(name) for name in row) != sorted(COLUMNS) or row["action"] not in ACTIONS:
                raise CommandError(
                    f"{path.name}, line {line}: the columns are {', '.join(COLUMNS)}; "
                    f"the actions {', '.join(ACTIONS)}"
                )
            try:
                key = parse_public_id("brk", row["break"] or "")
            except Refusal:
                raise CommandError(
                    f"{path.name}, line {line}: {str(row['break'])[:40]!r} is no break"
                ) from None
            wanted.append((line, ACTIONS[row["action"]](organisation_id, key, row["value"] or "")))
        return wanted
