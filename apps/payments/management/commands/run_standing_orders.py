"""Make the payments of standing orders that are due."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.actors import system_actor
from apps.core.ids import public_id
from apps.payments.standing_runs import due_runs, run_due


class Command(BaseCommand):
    """Run what is due, and say what became of it."""

    help = (
        "Make the payments of standing orders and scheduled payments that are due; running it twice makes none "
        "twice. Exits with 1 when a run failed for good or was refused."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--dry-run", action="store_true", help="tell what is due; pay nothing")
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run."""
        at = clock.database_now()
        if options["dry_run"]:
            runs: list[dict[str, Any]] = [
                {"id": public_id("sto", run.standing_order_id), "due_on": str(run.due_on), "result": "due"}
                for run in due_runs(at)
            ]
        else:
            runs = list(run_due(actor=system_actor("run_standing_orders"), at=at))
        if options["json"]:
            self.stdout.write(json.dumps({"runs": runs}))
        else:
            for run in runs:
                self.stdout.write("  ".join(f"{name}={value}" for name, value in run.items()))
        bad = sum(run["result"] in ("failed", "refused") for run in runs)
        if bad:
            raise CommandError(f"{bad} runs were not made.", returncode=1)
