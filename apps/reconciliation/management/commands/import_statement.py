"""Imports files of bank statements: `manage.py import_statement PATH…`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.errors import Refusal
from apps.reconciliation.bank_formats import FormatError
from apps.reconciliation.cli import acting_organisation, progress_bar
from apps.reconciliation.importing.files import import_file
from apps.reconciliation.progress import listening

FILES_MAX = 10_000


class Command(BaseCommand):
    help = (
        "Import bank statements (camt.052/053/054, MT940/942, BAI2), each file whole or not at all. "
        "Exits with 1 if any file was refused."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the files, and how to read them."""
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
        parser.add_argument("--organisation", default="", help="org_…; the operator if left out")
        parser.add_argument("--lenient", action="store_true", help="read files that break their schema")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, change nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import file after file; a refused one does not keep the others out."""
        if len(options["paths"]) > FILES_MAX:
            raise CommandError(f"at most {FILES_MAX} files at a time")
        organisation_id = acting_organisation(options["organisation"])
        results, progress = [], progress_bar(sys.stderr)
        for number, path in enumerate(options["paths"], start=1):
            # One file tells of its entries, several of themselves.
            with listening(progress if len(options["paths"]) == 1 else None):
                results.append(self._one(path, organisation_id, options))
            if len(options["paths"]) > 1:
                progress(number, len(options["paths"]))
        refused = sum(1 for result in results if result["result"] == "refused")
        if options["json"]:
            self.stdout.write(json.dumps({"ok": not refused, "files": results}, indent=2))
        else:
            self._print(results)
        if refused:
            sys.exit(1)

    def _one(self, path: Path, organisation_id: Any, options: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = import_file(
                path,
                organisation_id=organisation_id,
                lenient=options["lenient"],
                dry_run=options["dry_run"],
                at=clock.database_now(),
            )
        except FormatError as error:
            place = {"line": error.line, "place": error.place}
            return _refusal(path, error.code, error.message, **place)
        except Refusal as refusal:
            return _refusal(path, refusal.code, refusal.title, **refusal.facts)
        except OSError as error:
            return _refusal(path, "unreadable", error.strerror or "The file cannot be read.")
        word = "already_imported" if answer.pop("already_imported") else "imported"
        return {"file": path.name, "result": "would_import" if options["dry_run"] else word, **answer}

    def _print(self, results: list[dict[str, Any]]) -> None:
        for result in results:
            if result["result"] == "refused":
                facts = ", ".join(f"{name} {value}" for name, value in result["facts"].items() if value)
                self.stderr.write(
                    f"{result['file']}: refused ({result['code']}): {result['message']}"
                    + (f" [{facts}]" if facts else "")
                )
                continue
            self.stdout.write(f"{result['file']}: {result['result'].replace('_', ' ')}, {result['format']}")
            for one in result["statements"]:
                why = f" ({', '.join(one['reasons'])})" if one["reasons"] else ""
                self.stdout.write(
                    f"  {one['account']} {one['day']} {one['kind']} {one['bank_id']}: {one['entries']} entries, "
                    f"+{one['credit']} −{one['debit']} {one['currency']}, "
                    f"{one['opening']} to {one['closing']}, {one['proof']}{why}"
                )


def _refusal(path: Path, code: str, message: str, **facts: Any) -> dict[str, Any]:
    return {"file": path.name, "result": "refused", "code": code, "message": message, "facts": facts}
