"""Record that a batch's file was handed to the bank by hand."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.actors import system_actor
from apps.core.errors import Refusal
from apps.payments.exports import batch_bytes, mark_sent_by_hand
from apps.payments.formats import FormatError


class Command(BaseCommand):
    """Capture the holds of a closed batch's payments, because a person has uploaded its file."""

    help = (
        "Mark a batch as sent whose file was uploaded by hand; a batch that is sent already stays as it is. "
        "Exits with 1 when there is no such batch, or --file is not its file."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("message_id", help="the batch's message id, such as BEZANT-SEPACT-0000000001")
        parser.add_argument("--file", type=Path, help="the file that was uploaded, to be compared")
        parser.add_argument("--dry-run", action="store_true", help="compare, and write nothing")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Mark it."""
        message_id = options["message_id"]
        try:
            uploaded = options["file"].read_bytes() if options["file"] else None
            if options["dry_run"]:
                same = uploaded is None or uploaded == batch_bytes(message_id)
                result = {"message_id": message_id, "same_file": same}
            else:
                result = mark_sent_by_hand(
                    message_id,
                    actor=system_actor("mark_batch_sent"),
                    at=clock.database_now(),
                    uploaded=uploaded,
                )
        except (Refusal, FormatError, OSError) as problem:
            raise CommandError(str(problem), returncode=1) from None
        self.stdout.write(
            json.dumps(result)
            if options["json"]
            else "  ".join(f"{name}={value}" for name, value in result.items())
        )
        if result.get("same_file") is False:
            raise CommandError("The file is not the batch's.", returncode=1)
