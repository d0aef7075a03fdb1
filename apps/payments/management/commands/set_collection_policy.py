"""Let an organisation collect by direct debit."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.actors import system_actor
from apps.core.commands import execute
from apps.core.errors import Refusal
from apps.core.ids import parse_public_id
from apps.payments.commands.mandates import SetCollectionPolicy


class Command(BaseCommand):
    """Set under which creditor identifier an organisation collects, and how long its money is reserved."""

    help = (
        "Let an organisation collect by SEPA direct debit. Holds for what is ordered, and what settles, from "
        "now on. Exits with 1 if a value is refused."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("organisation", metavar="org_…", help="the organisation's id")
        parser.add_argument("--creditor-id", required=True, help="the creditor identifier (AT-02)")
        parser.add_argument("--creditor-name", required=True, help="the name it was registered with")
        parser.add_argument("--core-reserve-days", type=int, default=56, metavar="DAYS", help="default: 56")
        parser.add_argument("--b2b-reserve-days", type=int, default=5, metavar="DAYS", help="default: 5")
        parser.add_argument(
            "--approval-above",
            type=int,
            metavar="MINOR",
            help="in cents: collections above this need a second person (default: none does)",
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Set it."""
        try:
            command = SetCollectionPolicy(
                parse_public_id("org", options["organisation"]),
                options["creditor_id"],
                options["creditor_name"],
                core_reserve_days=options["core_reserve_days"],
                b2b_reserve_days=options["b2b_reserve_days"],
                approval_above_minor=options["approval_above"],
            )
            actor = system_actor("set_collection_policy")
            answer = execute(command, actor=actor, key=None, at=clock.database_now()).answer
        except Refusal as refusal:
            raise CommandError(f"{refusal.code}: {refusal.facts}", returncode=1) from None
        shown = "  ".join(f"{name}={value}" for name, value in answer.items())
        self.stdout.write(json.dumps(answer) if options["json"] else shown)
