"""Apply a card processor's settlement report."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.actors import system_actor
from apps.core.errors import Refusal
from apps.payments.card_reports import preview_report, settle_report
from apps.payments.formats import FormatError
from apps.payments.formats.settlement import MAPPINGS


class Command(BaseCommand):
    """Settle captures and refunds by the processor's own list."""

    help = (
        "Apply a processor's settlement report (CSV): captures and refunds are settled, net of the "
        "processor's costs. Brought again, it changes nothing. Exits with 1 when the report is refused, or "
        "lines are of nobody (unknown) or of another amount than ours (differ): those stay out of the books."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("path", type=Path, metavar="PATH")
        parser.add_argument("--provider", required=True, help="the processor's name, as it was added")
        parser.add_argument(
            "--mapping", choices=sorted(MAPPINGS), default="standard", help="how it is written"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="read it and tell its payouts; apply nothing"
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Apply it, and tell the counts."""
        try:
            data = options["path"].read_bytes()
            answer = (
                preview_report(data, mapping=options["mapping"])
                if options["dry_run"]
                else settle_report(
                    data,
                    provider=options["provider"],
                    actor=system_actor("settle_cards"),
                    at=clock.database_now(),
                    mapping=options["mapping"],
                )
            )
        except OSError as error:
            raise CommandError(f"{options['path'].name}: {error.strerror}", returncode=1) from None
        except FormatError as error:
            place = f", line {error.line}" if error.line else ""
            raise CommandError(f"{error.code}{place}: {error.message}", returncode=1) from None
        except Refusal as refusal:
            raise CommandError(f"{refusal.title} ({refusal})", returncode=1) from None
        self.stdout.write(
            json.dumps(answer)
            if options["json"]
            else "  ".join(f"{name}={value}" for name, value in answer.items())
        )
        if answer.get("unknown") or answer.get("differ"):
            raise CommandError("Some lines are not in the books.", returncode=1)
