"""Take a wrong ACH file back, entry by entry."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.actors import system_actor
from apps.core.commands import execute
from apps.core.errors import Refusal
from apps.payments.commands.ach_reversals import ReverseBatch, preview_reversal


class Command(BaseCommand):
    """Order the opposite of every entry of a file that was wrong."""

    help = (
        "Take an ACH file back within five banking days of its settlement: the opposite of each entry is "
        "ordered, described REVERSAL, and leaves with the next file. Exits with 1 if an entry cannot be taken back."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "message_id", metavar="MESSAGE_ID", help="the batch, such as BEZANT-ACH-000000001"
        )
        parser.add_argument("--reason", required=True, help="why, at most 60 characters; it is kept")
        parser.add_argument(
            "--dry-run", action="store_true", help="tell what would be taken back; write nothing"
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Reverse it, or show."""
        at = clock.database_now()
        try:
            if options["dry_run"]:
                result = preview_reversal(options["message_id"], at=at)
            else:
                command = ReverseBatch(None, options["message_id"], options["reason"])
                result = execute(command, actor=system_actor("reverse_batch"), key=None, at=at).answer
        except Refusal as refusal:
            raise CommandError(str(refusal), returncode=1) from None
        shown = json.dumps(result) if options["json"] else _words(result)
        self.stdout.write(shown)
        if result["refused"]:
            raise CommandError(f"{len(result['refused'])} entries cannot be taken back.", returncode=1)


def _words(result: dict[str, Any]) -> str:
    return f"{result['batch']}: {len(result['reversals'])} taken back, {len(result['refused'])} refused"
