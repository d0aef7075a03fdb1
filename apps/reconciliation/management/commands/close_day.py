"""Closes a day of a bank account: `manage.py close_day --account … --day 2026-11-24`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.commands import execute
from apps.core.errors import Refusal
from apps.reconciliation.cli import bank_accounts, cli_actor, day
from apps.reconciliation.commands.closing import CloseDay
from apps.reconciliation.domain.evidence import report_html
from apps.reconciliation.domain.evidence_pdf import report_pdf
from apps.reconciliation.preview import preview

REPORTS: dict[str, Callable[[dict[str, Any], str], bytes]] = {
    ".html": lambda evidence, sha256: report_html(evidence, sha256=sha256).encode(),
    ".pdf": lambda evidence, sha256: report_pdf(evidence, sha256=sha256),
}


class Command(BaseCommand):
    help = "Close a day of a bank account and seal the evidence. Exits with 1 if the day cannot be closed."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the account, the day, and where a report goes."""
        parser.add_argument("--account", required=True, help="an IBAN or ban_…")
        parser.add_argument("--day", type=day, required=True)
        parser.add_argument(
            "--accept-breaks", action="store_true", help="close although breaks are open; they are listed"
        )
        parser.add_argument(
            "--report",
            type=Path,
            action="append",
            default=[],
            metavar="FILE",
            help="write the evidence as a page (.html) or a document (.pdf); may be given twice",
        )
        parser.add_argument("--dry-run", action="store_true")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Close, print, write the report."""
        if any(path.suffix not in REPORTS for path in options["report"]):
            raise CommandError("a report is a file that ends in .html or .pdf")
        accounts = bank_accounts(options["account"])
        if len(accounts) != 1:
            raise CommandError("that number has accounts in several currencies; name one by its ban_…")
        command = CloseDay(
            accounts[0].organisation_id,
            bank_account_id=accounts[0].id,
            day=options["day"],
            accept_breaks=options["accept_breaks"],
        )
        at = clock.database_now()
        try:
            answer = (
                preview(command, actor=cli_actor(), at=at)
                if options["dry_run"]
                else execute(command, actor=cli_actor(), key=None, at=at).answer
            )
        except Refusal as refusal:
            self._refused(refusal, as_json=options["json"])
            sys.exit(1)
        for path in options["report"]:
            path.write_bytes(REPORTS[path.suffix](answer["evidence"], answer["sha256"]))
        if options["json"]:
            self.stdout.write(json.dumps({"ok": True, **answer}, indent=2))
        else:
            verb = "would be closed" if options["dry_run"] else "closed"
            self.stdout.write(
                f"{accounts[0]} {options['day']} {verb}, version {answer['version']}, {answer['sha256']}"
            )

    def _refused(self, refusal: Refusal, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"ok": False, "code": refusal.code, **refusal.facts}, indent=2))
        else:
            reasons = ", ".join(refusal.facts.get("reasons", [])) or str(refusal)
            self.stderr.write(f"{refusal.title} {reasons}")
