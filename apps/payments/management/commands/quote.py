"""Say when a payment would arrive and what the bank would charge."""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.errors import Refusal
from apps.core.money import Money
from apps.payments.quotes import quote, quote_data, quotes
from apps.payments.rails import ADAPTERS


class Command(BaseCommand):
    """Ask one rail, or all of them."""

    help = (
        "Tell by which moment an order must be in, when it is executed, settled and final, and the bank's "
        "charge. Exits with 1 when no asked rail carries it."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--rail", choices=sorted(ADAPTERS), help="default: every rail")
        parser.add_argument("--amount", required=True, help="in decimal units with the currency: 12.50EUR")
        parser.add_argument(
            "--at", type=datetime.fromisoformat, help="ordered when (with offset); default: now"
        )
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Quote."""
        at = options["at"] or clock.database_now()
        if at.tzinfo is None:
            raise CommandError("--at needs an offset, such as 2026-07-08T15:59:00+02:00.", returncode=1)
        try:
            amount = Money.parse(options["amount"][:-3].strip(), options["amount"][-3:])
            asked = [quote(options["rail"], amount, at=at)] if options["rail"] else quotes(amount, at=at)
        except Refusal as refusal:
            raise CommandError(str(refusal), returncode=1) from None
        told = [quote_data(one) for one in asked]
        if options["json"]:
            self.stdout.write(json.dumps({"at": at.isoformat(), "quotes": told}))
        else:
            for one in told:
                self.stdout.write("  ".join(f"{name}={value}" for name, value in one.items()))
        if not any(one["possible"] for one in told):
            raise CommandError("No asked rail carries this.", returncode=1)
