"""Send or ask about card requests that were left behind, and release reserves that have ended."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand

from apps.core import clock
from apps.payments.card_calls import drive_due, due_references


class Command(BaseCommand):
    """Do once what the periodic task does."""

    help = (
        "Send card requests that were prepared and left, ask the processor about those without an answer "
        "(after 30 s, 2 and 10 minutes, then every hour), and make captured amounts available whose reserve "
        "has ended."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--limit", type=int, default=100, help="at most so many requests (default: 100)")
        parser.add_argument("--dry-run", action="store_true", help="list what is due; call nobody")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Work, and tell what was done."""
        limit = max(1, min(options["limit"], 1_000))
        if options["dry_run"]:
            due = [reference for _, reference in due_references(clock.database_now(), limit=limit)]
            self.stdout.write(
                json.dumps({"due": due}) if options["json"] else "\n".join(due) or "nothing due"
            )
            return
        done = drive_due(limit=limit)
        self.stdout.write(
            json.dumps(done)
            if options["json"]
            else f"{done['due']} due, {done['calls']} calls, {done['released']} reserves released"
        )
