"""Say what an organisation is charged for exchanging currencies."""

from __future__ import annotations

import argparse
import json
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.actors import system_actor
from apps.core.commands import execute
from apps.core.errors import Refusal
from apps.core.ids import parse_public_id
from apps.payments.commands import SetFxTerms


class Command(BaseCommand):
    """Store the next version of an organisation's terms for a pair of currencies."""

    help = "Set spread and fee of an organisation's exchanges from one currency into another. Exits with 1 if refused."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("organisation", metavar="org_…", help="the organisation's id")
        parser.add_argument("--sell", required=True, metavar="CUR", help="the currency sold")
        parser.add_argument("--buy", required=True, metavar="CUR", help="the currency bought")
        parser.add_argument("--spread-bp", type=int, required=True, help="the spread in basis points")
        parser.add_argument(
            "--fee-minor", type=int, default=0, help="a fee in the sold currency, minor units"
        )
        parser.add_argument(
            "--from", dest="since", type=date.fromisoformat, help="the first day (default: today, UTC)"
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Set them."""
        at = clock.database_now()
        try:
            command = SetFxTerms(
                parse_public_id("org", options["organisation"]),
                options["sell"],
                options["buy"],
                options["since"] or at.date(),
                options["spread_bp"],
                options["fee_minor"],
            )
            answer = execute(command, actor=system_actor("set_fx_terms"), key=None, at=at).answer
        except Refusal as refusal:
            raise CommandError(f"{refusal.code}: {refusal.facts}", returncode=1) from None
        shown = "  ".join(f"{name}={value}" for name, value in answer.items())
        self.stdout.write(json.dumps(answer) if options["json"] else shown)
