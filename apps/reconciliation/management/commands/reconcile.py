"""Matches what banks booked with what was expected: `manage.py reconcile`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.reconciliation.cli import bank_accounts, cli_actor, day, progress_bar
from apps.reconciliation.running import reconcile_accounts


class Command(BaseCommand):
    help = "Match statement lines with expected payments and name the breaks. Exits with 1 if any is open."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the account and the day."""
        parser.add_argument(
            "--account", default="", help="an IBAN or ban_…; every settlement account if left out"
        )
        parser.add_argument("--as-of", type=day, default=None, help="the day, today if left out")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, change nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run, print, and exit by whether breaks are open."""
        at = clock.database_now()
        as_of = options["as_of"] or at.date()
        if as_of > at.date():
            raise CommandError(f"{as_of} has not come yet")
        runs = reconcile_accounts(
            as_of=as_of,
            actor=cli_actor(),
            at=at,
            dry_run=options["dry_run"],
            accounts=bank_accounts(options["account"]) if options["account"] else None,
            progress=progress_bar(sys.stderr),
        )
        ok = not any(run["break_count"] or run["refused"] for run in runs)
        if options["json"]:
            self.stdout.write(json.dumps({"ok": ok, "as_of": as_of.isoformat(), "runs": runs}, indent=2))
        else:
            for run in runs:
                self._print(run)
        if not ok:
            sys.exit(1)

    def _print(self, run: dict[str, Any]) -> None:
        matched = ", ".join(f"{count} by {name}" for name, count in run["matched"].items()) or "none"
        breaks = ", ".join(f"{count} {name}" for name, count in run["breaks"].items()) or "none"
        self.stdout.write(
            f"{run['account']} {run['currency']} as of {run['as_of']}: matched {matched}; "
            f"expected still {run['expected_count']}; breaks {breaks}; effects {run['applied']}, "
            f"refused {len(run['refused'])}"
        )
