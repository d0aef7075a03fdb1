"""Prove that each payment, and all else with a life of its own, is what its events fold to."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand

from apps.core import tenancy
from apps.payments.queries import verify_lives


class Command(BaseCommand):
    """Fold every payment's events and compare with its row."""

    help = "Replay the events of every payment, mandate, dispute … and compare with its row. Exits with 1 if one differs."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--verify", action="store_true", required=True, help="compare; nothing is written"
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify all payments."""
        with tenancy.scope(tenancy.PLATFORM):
            checked, wrong = verify_lives()
        result = {
            "ok": not wrong,
            "payments": checked["payment"],
            "checked": checked,
            "differences": [
                {"id": item.id, "stored": item.stored, "folded": item.folded} for item in wrong[:100]
            ],
        }
        self.stdout.write(
            json.dumps(result)
            if options["json"]
            else f"{_counted(checked)}; {len(wrong)} differ from their events"
        )
        if wrong:
            sys.exit(1)


def _counted(checked: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in checked.items())
