"""Write the statement of a payment account to a file."""

from __future__ import annotations

import argparse
import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock, tenancy
from apps.core.errors import Refusal
from apps.core.folders import put_whole
from apps.core.ids import parse_public_id
from apps.payments.customer_statements import FORMATS, file_name, statement_of, written


class Command(BaseCommand):
    """Read the ledger's entries of a period and write them for the account's holder."""

    help = (
        "Write a statement as camt.053.001.08, CSV or PDF. Days are in UTC, both are included; a past period "
        "always gives the same bytes. Exits with 1 when there is no such account or the period cannot be meant."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("account", help="acc_…")
        parser.add_argument("--from", dest="first", type=date.fromisoformat, required=True)
        parser.add_argument("--to", dest="last", type=date.fromisoformat, required=True)
        parser.add_argument("--format", choices=sorted(FORMATS), default="camt053")
        parser.add_argument("--folder", type=Path, default=Path())
        parser.add_argument("--dry-run", action="store_true", help="write no file")
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it."""
        form = options["format"]
        try:
            with tenancy.scope(tenancy.PLATFORM):
                statement = statement_of(
                    parse_public_id("acc", options["account"]),
                    first=options["first"],
                    last=options["last"],
                    at=clock.database_now(),
                )
            data, path = written(statement, form), options["folder"] / file_name(statement, form)
            if not options["dry_run"]:
                put_whole(path, data)
        except (Refusal, OSError) as problem:
            raise CommandError(str(problem), returncode=1) from None
        told = {
            "file": str(path),
            "sha256": hashlib.sha256(data).hexdigest(),
            "entries": len(statement.lines),
            "opening": str(statement.opening),
            "closing": str(statement.closing),
        }
        if options["json"]:
            self.stdout.write(json.dumps(told))
        else:
            self.stdout.write("  ".join(f"{name}={value}" for name, value in told.items()))
