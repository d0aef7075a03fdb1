"""Say who we are in the ACH at one of our bank accounts."""

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
from apps.payments.commands.ach import SetAchProfile


class Command(BaseCommand):
    """Store the names and numbers that a bank has assigned for our NACHA files."""

    help = (
        "Let a US dollar account of ours take part in the ACH, under the names and numbers that its bank has "
        "assigned. Run again, it changes them for files from then on; the counters go on."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("account", metavar="sta_…", help="the settlement account")
        parser.add_argument("--company-id", required=True, help="at most ten capitals and digits")
        parser.add_argument("--company-name", required=True, help="at most sixteen signs")
        parser.add_argument("--origin", required=True, help="the immediate origin: nine or ten signs")
        parser.add_argument("--origin-name", default="")
        parser.add_argument("--destination", default="", help="default: the account's own routing number")
        parser.add_argument("--destination-name", default="")
        parser.add_argument(
            "--segregate", action="store_true", help="debits and credits in batches of their own"
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Store it."""
        names = ("company_id", "company_name", "origin", "origin_name", "destination", "destination_name")
        try:
            command = SetAchProfile(
                None,
                parse_public_id("sta", options["account"]),
                segregate=options["segregate"],
                **{name: options[name] for name in names},
            )
            actor = system_actor("set_ach_profile")
            answer = execute(command, actor=actor, key=None, at=clock.database_now()).answer
        except Refusal as refusal:
            raise CommandError(str(refusal), returncode=1) from None
        shown = json.dumps(answer) if options["json"] else f"{answer['company_id']} takes part in the ACH."
        self.stdout.write(shown)
