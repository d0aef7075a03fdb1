"""Resolves breaks in bulk: `manage.py resolve_breaks FILE.csv --dry-run`, then without."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.commands import execute
from apps.core.errors import Refusal
from apps.reconciliation.bulk import preview_rows
from apps.reconciliation.cli import acting_organisation, cli_actor, progress_bar
from apps.reconciliation.commands.bulk import bulk_command
from apps.reconciliation.domain.bulk import ACTIONS, BadBulk, read_bulk


class Command(BaseCommand):
    help = (
        f"Resolve breaks by a CSV of break, action and value ({', '.join(ACTIONS)}; a match names an exp_…). "
        "Every row is tried first; if any is refused, none is done, and it exits with 1. A file that writes "
        "something off waits for a second person."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the file."""
        parser.add_argument("path", type=Path, metavar="FILE.csv")
        parser.add_argument("--organisation", default="", help="org_…; the operator if left out")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, change nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Preview all rows, then do them together."""
        organisation_id, at = acting_organisation(options["organisation"]), clock.database_now()
        try:
            rows = read_bulk(options["path"].read_bytes())
        except OSError as error:
            raise CommandError(f"{options['path'].name}: {error.strerror}") from None
        except BadBulk as refusal:
            raise CommandError(f"{options['path'].name}: {refusal.title} ({refusal})") from None
        actor = cli_actor()
        results = preview_rows(organisation_id, rows, actor=actor, at=at, progress=progress_bar(sys.stderr))
        refused = any(one["result"] == "refused" for one in results)
        status = ""
        if rows and not refused and not options["dry_run"]:
            try:
                status = execute(bulk_command(organisation_id, rows), actor=actor, key=None, at=at).status
            except Refusal as refusal:
                raise CommandError(f"{refusal.title} ({refusal})") from None
        if options["json"]:
            self.stdout.write(
                json.dumps({"ok": not refused, "status": status or "nothing_done", "rows": results}, indent=2)
            )
        else:
            for one in results:
                why = f" ({one['code']})" if "code" in one else ""
                self.stdout.write(f"line {one['line']}: {one['action']} {one['result']}{why}")
            self.stdout.write(status.replace("_", " ") or "nothing done")
        if refused:
            sys.exit(1)
