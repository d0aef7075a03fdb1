"""Load exchange rates from a file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.actors import system_actor
from apps.core.commands import execute
from apps.core.errors import Refusal
from apps.payments.commands import LoadFxRates
from apps.payments.formats.fx_rates import BYTES_MAX, COLUMNS, FileRate, RateFinding, read_rates


class Command(BaseCommand):
    """Store the rates of a file: all of them or, with a finding, none."""

    help = (
        f"Load exchange rates from a CSV file ({','.join(COLUMNS)}) or the European Central Bank's eurofxref "
        "XML, told apart by content. Rates that are there already are left. Exits with 1, and stores nothing, "
        "if the file has a finding, a stored rate has another value, or a rate jumps without --accept-jumps."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--accept-jumps", action="store_true", help="store rates far from the one before")
        parser.add_argument("--dry-run", action="store_true", help="read and check, and store nothing")
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, check, store."""
        try:
            with options["file"].open("rb") as stream:
                data = stream.read(BYTES_MAX + 1)
        except OSError as error:
            raise CommandError(f"The file cannot be read: {error.strerror}", returncode=1) from None
        rates, findings = read_rates(data)
        answer: dict[str, Any] = {}
        if not findings and not options["dry_run"]:
            answer, findings = self._store(rates, accept_jumps=options["accept_jumps"])
        result = {
            "valid": not findings,
            "rates": len(rates),
            "stored": answer.get("stored", 0),
            "known": answer.get("known", 0),
            "findings": [
                {"code": one.code, "line": one.line, "message": one.message} for one in findings[:100]
            ],
        }
        if options["json"]:
            self.stdout.write(json.dumps(result))
        else:
            self.stdout.write(f"{result['rates']} rates, {result['stored']} stored, {result['known']} known")
            for one in findings[:100]:
                self.stdout.write(f"  line {one.line or '?'} {one.code}: {one.message}")
        if findings:
            raise CommandError(f"{len(findings)} findings; nothing was stored.", returncode=1)

    def _store(
        self, rates: list[FileRate], *, accept_jumps: bool
    ) -> tuple[dict[str, Any], list[RateFinding]]:
        command = LoadFxRates(None, tuple(rates), accept_jumps)
        try:
            outcome = execute(command, actor=system_actor("load_fx_rates"), key=None, at=clock.database_now())
        except Refusal as refusal:
            facts = ", ".join(f"{name} {value}" for name, value in refusal.facts.items())
            return {}, [RateFinding(refusal.code, None, facts)]
        return outcome.answer, []
