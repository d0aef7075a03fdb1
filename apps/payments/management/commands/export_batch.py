"""Put approved payments into a file for the bank."""

from __future__ import annotations

import argparse
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.actors import system_actor
from apps.core.errors import Refusal
from apps.payments.calendar import execution_day
from apps.payments.exports import export_batches, preview, rebuild_batch
from apps.payments.formats import FormatError
from apps.payments.rails import rails_with_files


class Command(BaseCommand):
    """Close a batch over the approved payments of a rail and put its file into the outgoing folder."""

    help = (
        "Write approved payments into a bank file in the outgoing folder and mark them sent. A batch that was "
        "closed but not sent, because a run was interrupted, is sent first. --rebuild writes the file of one "
        "batch again, the very same bytes, and exits with 1 if they would differ from what was sent."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--rail", choices=rails_with_files(), default="sepa_ct")
        parser.add_argument(
            "--cutoff",
            metavar="NAME|HH:MM",
            default="",
            help="the window to go with, by name or time of the bank's day; default: the next one ahead",
        )
        parser.add_argument(
            "--execution-date", type=date.fromisoformat, help="default: what the cut-off says"
        )
        parser.add_argument(
            "--segregate", action="store_true", help="each kind of payment in files of its own"
        )
        parser.add_argument("--rebuild", metavar="MESSAGE_ID", help="write this batch's file again")
        parser.add_argument("--folder", type=Path, default=Path(settings.BANK_OUTGOING_DIR))
        parser.add_argument("--dry-run", action="store_true", help="tell what would be sent; write nothing")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Export, rebuild, or preview."""
        at = clock.database_now()
        try:
            if options["dry_run"]:
                result = self._preview(options, at)
            elif options["rebuild"]:
                result = {"batches": [self._rebuilt(options, at)]}
            else:
                result = {"batches": self._exported(options, at)}
        except FormatError as error:
            raise CommandError(f"The batch cannot be written: {error}", returncode=1) from None
        except Refusal as refusal:
            raise CommandError(str(refusal), returncode=1) from None
        except OSError as error:
            raise CommandError(f"The folder cannot be written: {error}", returncode=1) from None
        self._print(result, options["json"])

    def _preview(self, options: dict[str, Any], at: datetime) -> dict[str, Any]:
        day = options["execution_date"] or execution_day(options["rail"], at, cut_off=options["cutoff"])
        return {**preview(options["rail"], at=at), "execution_date": day.isoformat()}

    def _rebuilt(self, options: dict[str, Any], at: datetime) -> dict[str, Any]:
        actor = system_actor("export_batch")
        return rebuild_batch(options["rebuild"], folder=options["folder"], actor=actor, at=at)

    def _exported(self, options: dict[str, Any], at: datetime) -> list[dict[str, Any]]:
        batches = export_batches(
            rail=options["rail"],
            execution_date=options["execution_date"]
            or execution_day(options["rail"], at, cut_off=options["cutoff"]),
            folder=options["folder"],
            actor=system_actor("export_batch"),
            at=at,
            segregate=options["segregate"],
        )
        return list(batches)

    def _print(self, result: dict[str, Any], as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(result))
            return
        for batch in result.get("batches", [result]):
            self.stdout.write("  ".join(f"{name}={value}" for name, value in batch.items()))
        if result.get("batches") == []:
            self.stdout.write("No approved payment waits for this rail.")
