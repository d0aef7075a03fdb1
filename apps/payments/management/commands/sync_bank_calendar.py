"""Compare the stored bank calendars with their source."""

from __future__ import annotations

import argparse
import json
import re
from datetime import date
from importlib.metadata import version
from typing import Any

import holidays
from django.core.management.base import BaseCommand, CommandError

from apps.core import clock
from apps.core.actors import system_actor
from apps.core.commands import execute
from apps.core.errors import Refusal
from apps.payments.commands.calendars import CALENDARS, ChangeBankCalendar, Holiday
from apps.payments.models import BankHoliday

SOURCE = "holidays"
CODES = {"FED": "FED", "TARGET": "TAR"}


class Command(BaseCommand):
    """Fill years that are not stored yet; say where stored years differ, and change them if told to."""

    help = (
        "Take the holidays of the Reserve Banks (FED) or of TARGET from the package `holidays` into the table. "
        "Years that are not there yet are filled. Where a stored year differs from the package, that is a "
        "finding, and the exit code is 1, unless --apply stores what the package says."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--calendar", choices=CALENDARS, help="default: both")
        parser.add_argument("--years", default="2024-2035", help="such as 2024-2035, or one year")
        parser.add_argument("--apply", action="store_true", help="store what differs")
        parser.add_argument("--dry-run", action="store_true", help="compare, and write nothing")
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare and fill."""
        years = _years(options["years"])
        chosen = [options["calendar"]] if options["calendar"] else list(CALENDARS)
        results = [self._calendar(name, years, options) for name in chosen]
        findings = [finding for result in results for finding in result["findings"]]
        if options["json"]:
            self.stdout.write(json.dumps({"source": f"{SOURCE} {version(SOURCE)}", "calendars": results}))
        else:
            self._tell(results)
        if findings and not options["apply"]:
            raise CommandError(f"{len(findings)} days differ from the source.", returncode=1)

    def _calendar(self, name: str, years: range, options: dict[str, Any]) -> dict[str, Any]:
        wanted = _from_package(name, years)
        rows = BankHoliday.objects.filter(calendar=name, day__year__gte=years.start, day__year__lt=years.stop)
        stored = {row.day: row.name for row in rows}
        known = {day.year for day in stored}
        new = {day: text for day, text in wanted.items() if day.year not in known}
        differing = {day: text for day, text in wanted.items() if day.year in known and day not in stored}
        gone = sorted(set(stored) - set(wanted))
        added = new | (differing if options["apply"] else {})
        removed = gone if options["apply"] else []
        if (added or removed) and not options["dry_run"]:
            self._store(name, added, removed)
        return {
            "calendar": name,
            "years": f"{years.start}-{years.stop - 1}",
            "stored": len(stored),
            "filled": len(new),
            "findings": [
                *({"day": str(day), "code": "missing", "name": text} for day, text in differing.items()),
                *({"day": str(day), "code": "not_in_source", "name": stored[day]} for day in gone),
            ],
            "applied": bool(options["apply"] and not options["dry_run"]),
        }

    def _store(self, name: str, added: dict[date, str], removed: list[date]) -> None:
        command = ChangeBankCalendar(
            None,
            name,
            SOURCE,
            version(SOURCE),
            tuple(Holiday(day, text) for day, text in sorted(added.items())),
            tuple(removed),
        )
        try:
            execute(command, actor=system_actor("sync_bank_calendar"), key=None, at=clock.database_now())
        except Refusal as refusal:
            raise CommandError(str(refusal), returncode=1) from None

    def _tell(self, results: list[dict[str, Any]]) -> None:
        for result in results:
            counts = f"{result['stored']} stored, {result['filled']} new"
            self.stdout.write(f"{result['calendar']} {result['years']}: {counts}")
            for finding in result["findings"]:
                self.stdout.write(f"  {finding['day']} {finding['code']}: {finding['name']}")


def _years(text: str) -> range:
    match = re.fullmatch(r"(\d{4})(?:-(\d{4}))?", text)
    if match is None:
        raise CommandError("--years is such as 2024-2035.", returncode=1)
    first, last = int(match[1]), int(match[2] or match[1])
    if not 2000 <= first <= last <= 2100:
        raise CommandError("--years lie between 2000 and 2100.", returncode=1)
    return range(first, last + 1)


def _from_package(name: str, years: range) -> dict[date, str]:
    found = holidays.financial_holidays(CODES[name], years=years, language="en_US")
    return {day: found[day] for day in sorted(found) if day.year in years}
