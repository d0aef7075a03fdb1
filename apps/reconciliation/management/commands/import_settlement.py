"""Imports a processor's settlement report: `manage.py import_settlement PATH --provider … --map …`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.commands import execute
from apps.core.errors import Refusal
from apps.reconciliation.cli import bank_accounts, cli_actor
from apps.reconciliation.commands.settlements import ImportSettlement, SettledItem
from apps.reconciliation.domain.settlements import FIELDS, KINDS, read_settlement
from apps.reconciliation.preview import preview


class Command(BaseCommand):
    help = (
        'Expect what a processor says it settles. The map is JSON: {"columns": {group, kind, reference, amount, '
        "currency, date: the CSV's column}, \"kinds\": {the CSV's word: payment, fee, refund or dispute}}. Exits "
        "with 1 if the report is refused or an amount differs from its payment."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the report, whose it is, and how it is written."""
        parser.add_argument("path", type=Path, metavar="PATH")
        parser.add_argument("--provider", required=True)
        parser.add_argument("--account", required=True, help="where the money arrives: an IBAN or ban_…")
        parser.add_argument("--map", type=Path, default=None, help="JSON; names as in the help if left out")
        parser.add_argument("--dry-run", action="store_true")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, import, print."""
        accounts = bank_accounts(options["account"])
        if len(accounts) != 1:
            raise CommandError("that number has accounts in several currencies; name one by its ban_…")
        mapping = self._mapping(options["map"])
        try:
            rows = read_settlement(
                options["path"].read_bytes(), columns=mapping["columns"], kinds=mapping["kinds"]
            )
            command = ImportSettlement(
                None,
                options["provider"],
                accounts[0].id,
                tuple(SettledItem(r.group, r.kind, r.reference, r.amount, r.day) for r in rows),
            )
            at = clock.database_now()
            answer = (
                preview(command, actor=cli_actor(), at=at)
                if options["dry_run"]
                else execute(command, actor=cli_actor(), key=None, at=at).answer
            )
        except OSError as error:
            raise CommandError(f"{options['path'].name}: {error.strerror}") from None
        except Refusal as refusal:
            result = {"ok": False, "code": refusal.code, "message": refusal.title, **refusal.facts}
            self.stdout.write(
                json.dumps(result) if options["json"] else f"{options['path'].name}: refused ({refusal})"
            )
            sys.exit(1)
        self.stdout.write(
            json.dumps({"ok": not answer["differ"], **answer})
            if options["json"]
            else ", ".join(f"{count} {name}" for name, count in answer.items())
        )
        if answer["differ"]:
            sys.exit(1)

    def _mapping(self, path: Path | None) -> dict[str, dict[str, str]]:
        if path is None:
            return {"columns": {name: name for name in FIELDS}, "kinds": {kind: kind for kind in KINDS}}
        try:
            mapping = json.loads(path.read_text(encoding="utf-8"))
            return {part: {str(k): str(v) for k, v in mapping[part].items()} for part in ("columns", "kinds")}
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            raise CommandError(f"{path}: not a map of columns and kinds") from None
