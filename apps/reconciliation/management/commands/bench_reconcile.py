"""Measures matching on made-up data with a known truth: `manage.py bench_reconcile --json`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.reconciliation.bench.measure import measure

LINES_MAX = 2_000_000


class Command(BaseCommand):
    help = (
        "Match made-up statement lines with as many expectations and compare with the truth. Works in a "
        "transaction that is rolled back. Exits with 1 if a match is false, a reason wrong or the recall low."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the size and the seed."""
        parser.add_argument("--lines", type=int, default=100_000)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--noise", type=float, default=0.03, help="the share of planted breaks")
        parser.add_argument("--recall-min", type=float, default=0.995)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure and judge."""
        if not 1 <= options["lines"] <= LINES_MAX or not 0 <= options["noise"] <= 1:
            raise CommandError(f"from 1 to {LINES_MAX} lines, with a noise between 0 and 1")
        result = measure(lines=options["lines"], seed=options["seed"], noise=options["noise"])
        ok = (
            not result["false_matches"]
            and not result["wrong_reasons"]
            and (result["recall"] >= options["recall_min"])
        )
        if options["json"]:
            self.stdout.write(json.dumps({"ok": ok, **result}, indent=2))
        else:
            for name, value in result.items():
                self.stdout.write(f"{name.replace('_', ' ')}: {value}")
        if not ok:
            sys.exit(1)
