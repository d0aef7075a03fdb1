"""Imports a processor's settlement report: `manage.py import_settlement PATH --provider … --map …`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.commands import execute
from apps.core.errors import Refusal
from apps.reconciliation.bank_formats import FormatError
from apps.reconciliation.card_settlements import STANDARD, import_card_report, mapping_of
from apps.reconciliation.cli import bank_accounts, cli_actor, progress_bar
from apps.reconciliation.commands.settlements import ImportSettlement, SettledItem
from apps.reconciliation.domain.settlements import FIELDS, KINDS, read_settlement
from apps.reconciliation.models import BankAccount
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
        parser.add_argument(
            "--cards",
            action="store_true",
            help="a card processor's report (reference, kind, gross, fee, net, currency, date, payout): its "
            "captures, refunds and disputes are settled, its payouts expected at the bank",
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, change nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, import, print."""
        accounts = bank_accounts(options["account"])
        if len(accounts) != 1:
            raise CommandError("that number has accounts in several currencies; name one by its ban_…")
        try:
            data = options["path"].read_bytes()
            answer = (self._cards if options["cards"] else self._groups)(data, accounts[0], options)
        except OSError as error:
            raise CommandError(f"{options['path'].name}: {error.strerror}") from None
        except FormatError as error:
            self._refused(options, error.code, error.message, {"line": error.line, "place": error.place})
        except Refusal as refusal:
            self._refused(options, refusal.code, refusal.title, refusal.facts)
        self._print(answer, options)

    def _groups(self, data: bytes, account: BankAccount, options: dict[str, Any]) -> dict[str, Any]:
        mapping = self._mapping(options["map"])
        rows = read_settlement(data, columns=mapping["columns"], kinds=mapping["kinds"])
        items = tuple(SettledItem(r.group, r.kind, r.reference, r.amount, r.day) for r in rows)
        command = ImportSettlement(None, options["provider"], account.id, items)
        at = clock.database_now()
        if options["dry_run"]:
            return preview(command, actor=cli_actor(), at=at)
        return execute(command, actor=cli_actor(), key=None, at=at).answer

    def _cards(self, data: bytes, account: BankAccount, options: dict[str, Any]) -> dict[str, Any]:
        declared = self._json(options["map"]) if options["map"] else None
        return import_card_report(
            data,
            provider=options["provider"],
            account=account,
            mapping=mapping_of(declared) if declared else STANDARD,
            actor=cli_actor(),
            at=clock.database_now(),
            dry_run=options["dry_run"],
            progress=progress_bar(sys.stderr),
        )

    def _refused(self, options: dict[str, Any], code: str, title: str, facts: dict[str, Any]) -> NoReturn:
        told = ", ".join(f"{name} {value}" for name, value in facts.items() if value)
        self.stdout.write(
            json.dumps({"ok": False, "code": code, "message": title, **facts})
            if options["json"]
            else f"{options['path'].name}: refused ({code}): {title} [{told}]"
        )
        sys.exit(1)

    def _print(self, answer: dict[str, Any], options: dict[str, Any]) -> None:
        ok = not answer["differ"] and not answer.get("unknown")
        self.stdout.write(
            json.dumps({"ok": ok, **answer})
            if options["json"]
            else ", ".join(f"{count} {name}" for name, count in answer.items())
        )
        if not ok:
            sys.exit(1)

    def _json(self, path: Path) -> dict[str, Any]:
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            raise CommandError(f"{path}: not a map") from None

    def _mapping(self, path: Path | None) -> dict[str, dict[str, str]]:
        if path is None:
            return {"columns": {name: name for name in FIELDS}, "kinds": {kind: kind for kind in KINDS}}
        try:
            mapping = json.loads(path.read_text(encoding="utf-8"))
            return {part: {str(k): str(v) for k, v in mapping[part].items()} for part in ("columns", "kinds")}
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            raise CommandError(f"{path}: not a map of columns and kinds") from None
