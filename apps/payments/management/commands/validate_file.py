"""Tell what a bank file is, whether it holds, and what it sums up to."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.payments.formats import Report, validate


class Command(BaseCommand):
    """Check one file of any known format; nothing is written anywhere."""

    help = (
        "Check a bank file: NACHA, pain.001/.002/.008/.013, pacs.002/.003/.004/.007/.008/.028, camt.029/.052/.053/"
        ".054/.055/.056, MT940, MT942, BAI2; told apart by content. Prints JSON and exits with 0 if it is valid, else 1."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("path", type=Path, metavar="PATH")
        parser.add_argument(
            "--as", dest="as_format", metavar="FORMAT", help="refuse the file if it is anything else"
        )
        mode = parser.add_mutually_exclusive_group()
        mode.add_argument("--strict", action="store_true", help="every rule counts (the default)")
        mode.add_argument("--lenient", action="store_true", help="faults of form become warnings")
        parser.add_argument(
            "--json", action="store_true", help="accepted for symmetry: the output is JSON anyway"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the report and exit with 1 if the file is not valid."""
        path: Path = options["path"]
        if not path.is_file():
            raise CommandError(f"There is no file {path}.", returncode=1)
        try:
            report = validate(path, as_format=options["as_format"], strict=not options["lenient"])
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.", returncode=1) from None
        self.stdout.write(json.dumps(report.as_dict(), ensure_ascii=False))
        if not report.valid:
            raise CommandError(self._summary(report), returncode=1)

    def _summary(self, report: Report) -> str:
        errors = [finding for finding in report.findings if finding.severity == "error"]
        return (
            f"The file is not a valid {report.format}: {len(errors)} error(s), the first: {errors[0].message}"
        )
