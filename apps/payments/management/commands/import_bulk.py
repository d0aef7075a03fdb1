"""Make a bulk order of a file: a table of payouts, or a pain.001."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.actors import system_actor
from apps.core.errors import Refusal
from apps.core.ids import parse_public_id
from apps.payments.bulk_files import COLUMNS, FILE_BYTES_MAX, NEEDED, import_bulk
from apps.payments.formats import FormatError


class Command(BaseCommand):
    """Order all payments of a file, or none."""

    help = (
        f"Order the payments of a CSV file (UTF-8, comma or semicolon, a header of {', '.join(COLUMNS)}; "
        f"{', '.join(NEEDED)} and an account are needed) or of a pain.001, from one account. If a line is wrong, "
        "nothing is ordered and every wrong line is named with column and reason. A file is taken once. Exits "
        "with 1 when nothing was ordered for that; --dry-run leaves out the balance and stopped payees."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("path", type=Path, metavar="FILE")
        parser.add_argument("--account", required=True, help="acc_…, which the money leaves")
        parser.add_argument("--reference", default="", help="your own reference of the order")
        parser.add_argument("--dry-run", action="store_true", help="check and show; order nothing")
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Order, or say what is wrong."""
        told = {"file": options["path"].name, **self._told(options)}
        wrong = "error" in told or bool(told["errors"])
        if options["json"]:
            self.stdout.write(json.dumps(told))
        else:
            self._print(told)
        if wrong:
            raise CommandError(f"Nothing was ordered: {told['file']}", returncode=1)

    def _told(self, options: dict[str, Any]) -> dict[str, Any]:
        path: Path = options["path"]
        try:
            if path.stat().st_size > FILE_BYTES_MAX:
                return {"error": "file_too_large", "bytes_max": FILE_BYTES_MAX}
            return import_bulk(
                path.read_bytes(),
                account_id=parse_public_id("acc", options["account"]),
                actor=system_actor("import_bulk"),
                at=clock.database_now(),
                reference=options["reference"],
                dry_run=options["dry_run"],
            )
        except OSError as error:
            return {"error": "unreadable", "message": error.strerror}
        except FormatError as error:
            return {"error": error.code, "line": error.line, "column": error.place, "message": error.message}
        except Refusal as refusal:
            return {"error": refusal.code, "message": refusal.title, **refusal.facts}

    def _print(self, told: dict[str, Any]) -> None:
        for error in told.pop("errors", ()):
            self.stdout.write(f"line {error['line']}  {error['column'] or '-'}  {error['reason']}")
        self.stdout.write("  ".join(f"{name}={value}" for name, value in told.items()))
