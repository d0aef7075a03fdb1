"""Verify the sealed log."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from apps.ledger.proving import verify_log


class Command(BaseCommand):
    """Compare every sealed row with its leaf, the tree with its checkpoints, those with the anchor file."""

    help = "Verify the sealed log; exit with 1 and name the rows if anything was changed."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="print the report as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify, print, exit."""
        report = verify_log()
        if options["json"]:
            self.stdout.write(json.dumps(asdict(report), indent=2))
        else:
            self.stdout.write(
                f"{report.leaves} leaves, {report.checkpoints} checkpoints, {report.anchored} anchored: "
                + ("whole" if report.ok else "NOT WHOLE")
            )
            for fault in report.faults:
                self.stdout.write(json.dumps(fault))
        if not report.ok:
            sys.exit(1)
