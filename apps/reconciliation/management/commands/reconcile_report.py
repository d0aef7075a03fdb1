"""Tells how reconciliation stands: `manage.py reconcile_report --as-of 2026-11-24`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand

from apps.core import clock, tenancy
from apps.core.ids import public_id
from apps.core.money import Money
from apps.reconciliation import queries
from apps.reconciliation.cli import day

LISTED_MAX = 1_000


class Command(BaseCommand):
    help = "List open breaks by age, and statements that are missing or do not follow. Exits with 1 on any."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the day."""
        parser.add_argument(
            "--as-of", type=day, default=None, help="how it stood at the end of a day; today if left out"
        )
        parser.add_argument("--dry-run", action="store_true", help="the same: it only reads")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the report."""
        as_of = options["as_of"] or clock.database_now().date()
        with tenancy.scope(tenancy.PLATFORM):
            report = {
                "as_of": as_of.isoformat(),
                "by_age": queries.breaks_by_age(as_of),
                "breaks": [self._break(row) for row in queries.breaks_as_of(as_of)[:LISTED_MAX]],
                "chain": [
                    {
                        "account": account.number,
                        "kind": one.kind,
                        "day": one.day.isoformat(),
                        "expected": one.expected,
                        "found": one.found,
                    }
                    for account in queries.bank_accounts()
                    for one in queries.chain_problems(account)
                    if one.day <= as_of
                ],
            }
        ok = not report["breaks"] and not report["chain"]
        if options["json"]:
            self.stdout.write(json.dumps({"ok": ok, **report}, indent=2))
        else:
            self._print(report)
        if not ok:
            sys.exit(1)

    def _break(self, row: Any) -> dict[str, Any]:
        return {
            "id": public_id("brk", row.id),
            "account": row.bank_account.number,
            "reason": row.reason,
            "since": row.day.isoformat(),
            "owner": row.owner,
            "difference": Money(row.difference_minor, row.currency).decimal_text(),
            "currency": row.currency,
        }

    def _print(self, report: dict[str, Any]) -> None:
        for row in report["breaks"]:
            self.stdout.write(
                f"{row['id']} {row['account']} {row['reason']} {row['difference']} {row['currency']} "
                f"since {row['since']}" + (f", {row['owner']}" if row["owner"] else "")
            )
        for one in report["chain"]:
            self.stdout.write(
                f"{one['account']} {one['day']} {one['kind'].replace('_', ' ')}: expected {one['expected']}, "
                f"found {one['found']}"
            )
        if not report["breaks"] and not report["chain"]:
            self.stdout.write("no break is open, and every statement follows its predecessor")
