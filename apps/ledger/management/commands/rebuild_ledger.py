"""Replay the log."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection, transaction

from apps.core import clock
from apps.ledger.following import follow_all, replace_read_models
from apps.ledger.proving import rebuild_report


class Command(BaseCommand):
    """Rebuild the read models from the log, or prove that a rebuild would change nothing."""

    help = "Make the read models anew from the log; with --verify, replay into scratch tables and compare row by row."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--verify", action="store_true", help="compare only; the platform may go on meanwhile"
        )
        parser.add_argument("--json", action="store_true", help="print the report as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Replay, print, exit."""
        if not options["verify"]:
            self.stdout.write(f"{replace_read_models()} rows of the log were replayed.")
            return
        follow_all(at=clock.database_now())
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT set_config('statement_timeout', '0', true)")
            report = rebuild_report()
        self.stdout.write(
            json.dumps(report, indent=2)
            if options["json"]
            else f"{report['events']} events replayed: {report['differences'] or 'equal'}"
        )
        if not report["ok"]:
            sys.exit(1)
