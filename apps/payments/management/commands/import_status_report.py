"""Apply what a bank reports on our files."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.actors import system_actor
from apps.core.errors import Refusal
from apps.payments.formats import FormatError, read_status_report
from apps.payments.status_files import as_command, import_status_file

FILE_BYTES_MAX = 50 * 1024 * 1024


class Command(BaseCommand):
    """Read pain.002 files and move the payments they are about."""

    help = "Apply status reports (pain.002). Exits with 1 if a file is refused; the others are applied."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
        parser.add_argument("--dry-run", action="store_true", help="read and show; write nothing")
        parser.add_argument("--json", action="store_true", help="print the results as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Apply each file on its own."""
        results = [self._one(path, dry_run=options["dry_run"]) for path in options["paths"]]
        if options["json"]:
            self.stdout.write(json.dumps({"files": results}))
        else:
            for result in results:
                self.stdout.write("  ".join(f"{name}={value}" for name, value in result.items()))
        refused = [result["file"] for result in results if "error" in result]
        if refused:
            raise CommandError(f"Refused: {', '.join(refused)}", returncode=1)

    def _one(self, path: Path, *, dry_run: bool) -> dict[str, Any]:
        try:
            if path.stat().st_size > FILE_BYTES_MAX:
                return {"file": path.name, "error": "file_too_large", "bytes_max": FILE_BYTES_MAX}
            data = path.read_bytes()
            if dry_run:
                command = as_command(read_status_report(data), sha256="", file_name=path.name)
                return {
                    "file": path.name,
                    "batch": command.original_message_id,
                    "status": command.group_status,
                    "lines": len(command.lines),
                }
            answer = import_status_file(
                data, file_name=path.name, actor=system_actor("import_status_report"), at=clock.database_now()
            )
            return {"file": path.name, **answer}
        except OSError as error:
            return {"file": path.name, "error": "unreadable", "message": error.strerror}
        except FormatError as error:
            return {"file": path.name, "error": error.code, "line": error.line, "message": error.message}
        except Refusal as refusal:
            return {"file": path.name, "error": refusal.code, **refusal.facts}
