"""Prove that each payment is what its events fold to."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand

from apps.core import tenancy
from apps.payments.queries import payments, verify_payments


class Command(BaseCommand):
    """Fold every payment's events and compare with its row."""

    help = "Replay the events of every payment and compare with its row. Exits with 1 if one differs."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--verify", action="store_true", required=True, help="compare; nothing is written"
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify all payments."""
        with tenancy.scope(tenancy.PLATFORM):
            checked, wrong = verify_payments(payments())
        result = {
            "ok": not wrong,
            "payments": checked,
            "differences": [
                {"payment": item.payment_id, "stored": item.stored, "folded": item.folded}
                for item in wrong[:100]
            ],
        }
        self.stdout.write(
            json.dumps(result)
            if options["json"]
            else f"{checked} payments, {len(wrong)} differ from their events"
        )
        if wrong:
            sys.exit(1)
