"""Compares what providers collected with what they said they settle: `manage.py reconcile_processor`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand

from apps.core import clock, tenancy
from apps.reconciliation import queries
from apps.reconciliation.cli import day


class Command(BaseCommand):
    help = (
        "List payments that a provider collected and has not settled in time, and settled amounts that belong to "
        "no payment of ours. Exits with 1 on any."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the day."""
        parser.add_argument("--as-of", type=day, default=None)
        parser.add_argument("--dry-run", action="store_true", help="the same: it only reads")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare and print."""
        as_of = options["as_of"] or clock.database_now().date()
        with tenancy.scope(tenancy.PLATFORM):
            report = queries.processor_report(as_of)
        ok = not report["overdue"] and not report["unknown"]
        if options["json"]:
            self.stdout.write(json.dumps({"ok": ok, "as_of": as_of.isoformat(), **report}, indent=2))
        else:
            self.stdout.write(f"{report['waiting_count']} collected and not due yet")
            for one in report["overdue"]:
                self.stdout.write(
                    f"{one['payment']} overdue since {one['due']}: {one['amount']} {one['currency']}"
                )
            for one in report["unknown"]:
                self.stdout.write(
                    f"group {one['group']}: {one['amount']} {one['currency']} of no payment of ours"
                )
        if not ok:
            sys.exit(1)
