"""Takes matches back and matches again: `manage.py rematch --match mat_… --reason …`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock, tenancy
from apps.core.commands import execute
from apps.core.errors import Refusal
from apps.core.ids import parse_public_id
from apps.reconciliation.cli import cli_actor, progress_bar
from apps.reconciliation.commands.resolutions import UndoMatch
from apps.reconciliation.errors import NoSuchObject
from apps.reconciliation.models import BankAccount, Match
from apps.reconciliation.preview import preview
from apps.reconciliation.running import reconcile_accounts

MATCHES_MAX = 1_000


class Command(BaseCommand):
    help = "Undo matches that settled no payment, then reconcile their accounts again. Exits with 1 on a refusal."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the matches and why."""
        parser.add_argument("--match", action="append", required=True, metavar="mat_…")
        parser.add_argument("--reason", required=True)
        parser.add_argument("--dry-run", action="store_true")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Undo each, then run once over each account."""
        if len(options["match"]) > MATCHES_MAX:
            raise CommandError(f"at most {MATCHES_MAX} matches at a time")
        at, undone, refused, touched = clock.database_now(), [], [], set()
        for written in options["match"]:
            try:
                match = self._match(written)
                command = UndoMatch(match.organisation_id, match.id, reason=options["reason"])
                if options["dry_run"]:
                    preview(command, actor=cli_actor(), at=at)
                else:
                    execute(command, actor=cli_actor(), key=None, at=at)
                    touched.add(match.bank_account_id)
                undone.append(written)
            except Refusal as refusal:
                refused.append({"match": written, "code": refusal.code, "message": refusal.title})
        with tenancy.scope(tenancy.PLATFORM):
            accounts = list(BankAccount.objects.filter(id__in=touched).order_by("id"))
        runs = reconcile_accounts(
            as_of=at.date(),
            actor=cli_actor(),
            at=at,
            accounts=accounts,
            dry_run=options["dry_run"],
            progress=progress_bar(sys.stderr),
        )
        result = {"ok": not refused, "undone": undone, "refused": refused, "runs": runs}
        self.stdout.write(
            json.dumps(result, indent=2)
            if options["json"]
            else "\n".join(
                [f"{name}: {'would be undone' if options['dry_run'] else 'undone'}" for name in undone]
                + [f"{one['match']}: refused, {one['message']}" for one in refused]
            )
        )
        if refused:
            sys.exit(1)

    def _match(self, written: str) -> Match:
        key = parse_public_id("mat", written)
        with tenancy.scope(tenancy.PLATFORM):
            match = Match.objects.filter(id=key).first()
        if match is None:
            raise NoSuchObject(object="match", id=written)
        return match
