"""Prove the books."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand

from apps.ledger.proofs import check


class Command(BaseCommand):
    """Run every proof of the books; exit with 1 if one fails."""

    help = "Prove the books from their own rows: zero sums, version chains, balances, holds, limits."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="print the whole report as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check, print, exit."""
        report = check()
        if options["json"]:
            self.stdout.write(json.dumps(report.data(), indent=2))
        else:
            for proof in report.proofs:
                mark = f"{proof.violations} violations: {proof.examples}" if proof.violations else "holds"
                self.stdout.write(f"{proof.name:28} {mark}")
            self.stdout.write(
                f"{report.journals} journals, {report.postings} postings, {report.accounts} accounts"
            )
        if not report.ok:
            sys.exit(1)
