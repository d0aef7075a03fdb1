"""Cancel orders that nobody has approved in time."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand

from apps.core import clock
from apps.core.actors import system_actor
from apps.payments.expiring import expire_waiting, overdue


class Command(BaseCommand):
    """Release the money of payments that have waited for a second person too long."""

    help = (
        "Cancel payments that were ordered more than APPROVAL_DAYS (default 14) ago and that nobody has "
        "approved; their money is free again. The ledger's own job releases holds that expire by themselves."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--dry-run", action="store_true", help="tell what would be cancelled")
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Expire, or tell."""
        at = clock.database_now()
        result = overdue(at)
        if not options["dry_run"]:
            result = {"cancelled": expire_waiting(actor=system_actor("expire_holds"), at=at)}
        self.stdout.write(
            json.dumps(result)
            if options["json"]
            else "  ".join(f"{name}={value}" for name, value in result.items())
        )
