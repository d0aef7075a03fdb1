"""Present ACH debits again that came back for lack of money."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.actors import system_actor
from apps.payments.ach_retries import due_retries, retry_due


class Command(BaseCommand):
    """Order what is due, and say what became of it."""

    help = (
        "Present ACH debits again that came back with R01 or R09, as often as their organisation's policy wants "
        "(twice at most, within 180 days). Running it twice presents nothing twice. Exits with 1 when one was "
        "refused."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--dry-run", action="store_true", help="tell what is due; order nothing")
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run."""
        at = clock.database_now()
        if options["dry_run"]:
            retries: list[dict[str, Any]] = [{**one.as_data(), "result": "due"} for one in due_retries(at)]
        else:
            retries = list(retry_due(actor=system_actor("retry_collections"), at=at))
        if options["json"]:
            self.stdout.write(json.dumps({"retries": retries}))
        else:
            for retry in retries:
                self.stdout.write("  ".join(f"{name}={value}" for name, value in retry.items()))
        refused = sum(retry["result"] == "refused" for retry in retries)
        if refused:
            raise CommandError(f"{refused} debits were not presented again.", returncode=1)
