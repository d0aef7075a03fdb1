"""Ask the banks about instant payouts that have no answer."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.actors import system_actor
from apps.core.ids import public_id
from apps.payments import instant


class Command(BaseCommand):
    """Ask about what is sent and past its rail's limit, and about what is unknown."""

    help = (
        "Ask (pacs.028) about instant payouts without an answer that are due for a question: 30 s after "
        "sending (FedNow 26 s), then after 2 minutes, 10 minutes and 1 hour. Exits with 1 if payments are "
        "left whose questions are used up: people must look into those."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--dry-run", action="store_true", help="show what is due; ask nothing")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask, and tell what came of it."""
        if options["dry_run"]:
            asked = instant.preview_inquiries(clock.database_now())
        else:
            asked = list(instant.inquire_due(instant.Caller(system_actor("inquire_unknown"))))
        left = [
            {"id": public_id("pay", row["id"]), "since": row["since"].isoformat()}
            for row in instant.unanswered()
        ]
        if options["json"]:
            self.stdout.write(json.dumps({"inquiries": asked, "for_people": left}))
        else:
            for item in asked:
                self.stdout.write("  ".join(f"{name}={value}" for name, value in item.items()))
            for item in left:
                self.stdout.write(f"for people: {item['id']} since {item['since']}")
        if left:
            raise CommandError(f"{len(left)} payments without an answer are left for people.", returncode=1)
