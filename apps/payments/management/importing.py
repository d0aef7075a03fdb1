"""What commands that take in files from banks share: each file on its own, findings, exit codes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.errors import Refusal
from apps.payments.formats import FormatError

FILE_BYTES_MAX = 50 * 1024 * 1024


class ImportFiles(BaseCommand):
    """Take in files; subclasses say what is done with the bytes of one, and what is only shown of it."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
        parser.add_argument("--dry-run", action="store_true", help="read and show; write nothing")
        parser.add_argument("--json", action="store_true", help="print the results as JSON")

    def take(self, data: bytes, name: str, options: dict[str, Any]) -> dict[str, Any]:
        """Apply the bytes of a file. Raises FormatError, Refusal."""
        raise NotImplementedError

    def show(self, data: bytes, name: str) -> dict[str, Any]:
        """Tell what is in a file. Raises FormatError."""
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        """Take each file on its own. Exits with 1 when one is refused or something in it is wrong."""
        results = [self._one(path, options) for path in options["paths"]]
        if options["json"]:
            self.stdout.write(json.dumps({"files": results}))
        else:
            for result in results:
                self.stdout.write("  ".join(f"{name}={value}" for name, value in result.items()))
        wrong = [
            result["file"]
            for result in results
            if "error" in result or result.get("findings") or result.get("refused_changes")
        ]
        if wrong:
            raise CommandError(f"Not all of it was applied: {', '.join(wrong)}", returncode=1)

    def _one(self, path: Path, options: dict[str, Any]) -> dict[str, Any]:
        work: Callable[[bytes], dict[str, Any]] = (
            (lambda data: self.show(data, path.name))
            if options["dry_run"]
            else (lambda data: self.take(data, path.name, options))
        )
        try:
            if path.stat().st_size > FILE_BYTES_MAX:
                return {"file": path.name, "error": "file_too_large", "bytes_max": FILE_BYTES_MAX}
            return {"file": path.name, **work(path.read_bytes())}
        except OSError as error:
            return {"file": path.name, "error": "unreadable", "message": error.strerror}
        except FormatError as error:
            return {"file": path.name, "error": error.code, "line": error.line, "message": error.message}
        except Refusal as refusal:
            return {"file": path.name, "error": refusal.code, **refusal.facts}
