"""Make a new version of the key encryption key and wrap every stored key under it."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.crypto.errors import KeysUnavailable, Unreadable
from apps.core.crypto.rotation import KeyCount, key_counts, rewrap_signing_keys, rewrap_subject_keys
from apps.core.crypto.runtime import provider


class Command(BaseCommand):
    """Rotate without stopping anything: data keys are wrapped again, data stays as it is."""

    help = "Make a new key encryption key version and wrap every stored key under it, while all else runs."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--dry-run", action="store_true", help="only count what would be done")
        parser.add_argument(
            "--resume", action="store_true", help="make no new version: finish an interrupted run"
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate, or count."""
        self.as_json = options["json"]
        try:
            result = self._count() if options["dry_run"] else self._rotate(resume=options["resume"])
        except (KeysUnavailable, Unreadable) as problem:
            raise CommandError(f"The keys were not rotated to the end: {problem}.") from None
        if self.as_json:
            self.stdout.write(json.dumps(result, sort_keys=True))
        elif not options["dry_run"]:
            self.stdout.write(
                f"{result['rewrapped']} keys are wrapped under version {result['version']} now."
            )
        if result["left"] and not options["dry_run"]:
            damaged = ", ".join(result["damaged"]) or "none"
            raise CommandError(
                f"{result['left']} keys are still under an older version. Damaged: {damaged}. "
                "The others were in use: run it again with --resume."
            )

    def _count(self) -> dict[str, Any]:
        version, counts = provider().current_version(), key_counts()
        for count in counts:
            self._say(f"{count.count} {count.kind} keys under version {count.kek_version}")
        self._say(
            f"The newest version is {version}; a run would make {version + 1} and wrap all of them again."
        )
        total = sum(count.count for count in counts)
        return {
            "dry_run": True,
            "version": version,
            "keys": _as_rows(counts),
            "rewrapped": 0,
            "left": total,
            "damaged": [],
        }

    def _rotate(self, *, resume: bool) -> dict[str, Any]:
        version = provider().current_version() if resume else provider().rotate()
        self._say(f"Version {version} of the key encryption key is in use.")
        rewrapped = rewrap_signing_keys()
        damaged: list[Any] = []
        for progress in rewrap_subject_keys():
            rewrapped += progress.done
            damaged += progress.damaged
            self._say(f"{rewrapped} keys done")
        counts = key_counts()
        left = sum(count.count for count in counts if count.kek_version < version)
        return {
            "dry_run": False,
            "version": version,
            "keys": _as_rows(counts),
            "rewrapped": rewrapped,
            "left": left,
            "damaged": damaged,
        }

    def _say(self, line: str) -> None:
        # Progress goes to the error stream when the answer is JSON, so that the answer stays whole.
        (self.stderr if self.as_json else self.stdout).write(line)


def _as_rows(counts: list[KeyCount]) -> list[dict[str, Any]]:
    return [{"kind": count.kind, "kek_version": count.kek_version, "count": count.count} for count in counts]
