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

FINDINGS = ("overdue", "unknown", "unsettled", "in_doubt", "payouts_missing")


class Command(BaseCommand):
    help = (
        "List what a provider collected and has not settled in time, settled amounts that belong to no payment of "
        "ours, captures and refunds that no report shows for 7 days or whose outcome is in doubt for a day, and "
        "payouts that did not arrive. Exits with 1 on any."
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
        ok = not any(report[name] for name in FINDINGS)
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
            for one in (*report["unsettled"], *report["in_doubt"]):
                self.stdout.write(
                    f"{one['operation']} of {one['payment']}: {one['type']} of {one['amount']} {one['currency']} "
                    f"{one['state']} since {one['since']}"
                )
            for one in report["payouts_missing"]:
                self.stdout.write(
                    f"payout {one['payout']} of {one['amount']} {one['currency']}, due {one['due']}, is missing"
                )
        if not ok:
            sys.exit(1)
