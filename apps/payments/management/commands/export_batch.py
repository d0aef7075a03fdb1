"""Put approved payments into a file for the bank."""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.actors import system_actor
from apps.payments.calendar import next_target_day
from apps.payments.exports import export_batches, preview
from apps.payments.formats import FormatError
from apps.payments.rails import rails_with_files


class Command(BaseCommand):
    """Close a batch over the approved payments of a rail and put its file into the outgoing folder."""

    help = (
        "Write approved payments into a bank file (pain.001.001.09) in the outgoing folder and mark them "
        "sent. A batch that was closed but not sent, because a run was interrupted, is sent first."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--rail", choices=rails_with_files(), default="sepa_ct")
        parser.add_argument("--execution-date", type=date.fromisoformat, help="default: the next TARGET day")
        parser.add_argument("--folder", type=Path, default=Path(settings.BANK_OUTGOING_DIR))
        parser.add_argument("--dry-run", action="store_true", help="tell what would be sent; write nothing")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Export, or preview."""
        at = clock.database_now()
        if options["dry_run"]:
            self._print(preview(options["rail"]), options["json"])
            return
        try:
            sent = list(
                export_batches(
                    rail=options["rail"],
                    execution_date=options["execution_date"] or next_target_day(at.date()),
                    folder=options["folder"],
                    actor=system_actor("export_batch"),
                    at=at,
                )
            )
        except FormatError as error:
            raise CommandError(f"The batch cannot be written: {error}") from None
        except OSError as error:
            raise CommandError(f"The folder cannot be written: {error}") from None
        self._print({"batches": sent}, options["json"])

    def _print(self, result: dict[str, Any], as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(result))
            return
        for batch in result.get("batches", [result]):
            self.stdout.write("  ".join(f"{name}={value}" for name, value in batch.items()))
        if result.get("batches") == []:
            self.stdout.write("No approved payment waits for this rail.")
