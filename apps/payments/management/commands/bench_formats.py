"""Measure the bank formats against their limits."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.payments.formats.benchmark import LIMITS, measure, misses

LARGE_BYTES = 100_000_000


class Command(BaseCommand):
    """Build, read and check large files, and say how long it took."""

    help = "Measure the formats. Exits with 1 if a limit is missed. --large adds the memory on 100 MB files."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--count", type=int, default=10_000, help="payments per file (default 10000)")
        parser.add_argument("--large", action="store_true", help="also read 100 MB of camt and of NACHA")
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the numbers and exit with 1 on a miss."""
        if not 1 <= options["count"] <= 50_000:
            raise CommandError("--count is between 1 and 50000.", returncode=1)
        numbers = measure(count=options["count"], large_bytes=LARGE_BYTES if options["large"] else 0)
        missed = list(misses(numbers))
        if options["json"]:
            self.stdout.write(json.dumps({**numbers, "limits": LIMITS, "missed": missed}))
        else:
            for name, number in numbers.items():
                limit = f"  (limit {LIMITS[name]})" if name in LIMITS else ""
                self.stdout.write(f"{name:32} {number}{limit}")
        if missed:
            raise CommandError(f"Beyond the limit: {', '.join(missed)}.", returncode=1)
