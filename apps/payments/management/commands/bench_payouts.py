"""Measure payouts, from one bulk command to the bank's file, on a private server."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.bench_server import private_server


class Command(BaseCommand):
    """Order, hold, file and capture many payouts, and say how many a second."""

    help = (
        "Measure payouts a second: one bulk order, holds, batch, file, captures, events, audit entries. Runs on "
        "a private, durable PostgreSQL that is removed afterwards. Exits with 1 below the limit."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--count", type=int, default=1_000, help="payouts of one order (default 1000)")
        parser.add_argument("--rounds", type=int, default=3, help="medians are of this many (default 3)")
        parser.add_argument("--profile", metavar="PATH", help="write a profile (pstats) of the rounds here")
        parser.add_argument("--json", action="store_true", help="print one line of JSON")
        parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure, print, and exit with 1 when it is too slow or something is wrong."""
        if not (1 <= options["count"] <= 10_000 and 1 <= options["rounds"] <= 20):
            raise CommandError("--count is 1 to 10000, --rounds is 1 to 20.", returncode=1)
        if options["here"]:
            self.stdout.write(json.dumps(_measured_here(options)))
            return
        figures = _measured_apart(options)
        if options["json"]:
            self.stdout.write(json.dumps(figures))
        else:
            for name, figure in figures.items():
                self.stdout.write(f"{name:20} {figure}")
        if figures["lives_wrong"] or figures["held_minor"] or not figures["clearing_is_right"]:
            raise CommandError("The books or the lives are not what was ordered.", returncode=1)
        if figures["payouts_per_s"] < figures["limit_per_s"]:
            raise CommandError("Slower than the limit.", returncode=1)


def _measured_here(options: dict[str, Any]) -> dict[str, Any]:
    from apps.payments import bench

    folder = Path(os.environ["BEZANT_VAR"]) / "outgoing"
    if not options["profile"]:
        return bench.measure(count=options["count"], rounds=options["rounds"], folder=folder)
    import cProfile

    profile = cProfile.Profile()
    figures = profile.runcall(bench.measure, count=options["count"], rounds=options["rounds"], folder=folder)
    profile.dump_stats(options["profile"])
    return figures


def _measured_apart(options: dict[str, Any]) -> dict[str, Any]:
    arguments = ["--here", "--count", str(options["count"]), "--rounds", str(options["rounds"])]
    if options["profile"]:
        arguments += ["--profile", str(Path(options["profile"]).resolve())]
    with private_server() as server:
        done = server.manage("bench_payouts", *arguments, capture_output=True)
    if done.returncode:
        raise CommandError(f"bench_payouts failed: {done.stderr[-2_000:]}", returncode=1)
    told: dict[str, Any] = json.loads(done.stdout)
    return told
