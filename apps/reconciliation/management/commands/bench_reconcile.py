"""Measures matching on made-up data with a known truth: `manage.py bench_reconcile --json`."""

from __future__ import annotations

import argparse
import json
import math
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.bench_server import private_server
from apps.reconciliation.bench.measure import measure

LINES_MAX = 2_000_000


class Command(BaseCommand):
    help = (
        "Match made-up statement lines with as many expectations and compare with the truth, on a durable "
        "server of its own. Exits with 1 if a match is false, a reason wrong or the recall low."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the sizes and the seed."""
        parser.add_argument("--lines", type=int, default=100_000)
        parser.add_argument(
            "--growth", default="", help="sizes measured one after the other first, such as 10000,100000"
        )
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--noise", type=float, default=0.03, help="the share of planted breaks")
        parser.add_argument("--recall-min", type=float, default=0.995)
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--here", action="store_true", help="in the configured database, in a transaction rolled back"
        )
        parser.add_argument("--on-own-server", action="store_true", help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure and judge; where no server is named, start one and do it there."""
        sizes = [*_sizes(options["growth"]), options["lines"]]
        if any(not 1 <= size <= LINES_MAX for size in sizes) or not 0 <= options["noise"] <= 1:
            raise CommandError(f"from 1 to {LINES_MAX} lines, with a noise between 0 and 1")
        if not options["here"] and not options["on_own_server"]:
            sys.exit(_elsewhere(options))
        results = [
            measure(
                lines=size,
                seed=options["seed"] + number,
                noise=options["noise"],
                own_server=options["on_own_server"],
                report=self.stderr.write,
            )
            for number, size in enumerate(sizes)
        ]
        ok = all(_is_right(result, options["recall_min"]) for result in results)
        told = {"ok": ok, **results[-1], "growth": _growth(results)}
        if options["json"]:
            self.stdout.write(json.dumps(told, indent=2))
        else:
            for name, value in told.items():
                self.stdout.write(f"{name.replace('_', ' ')}: {value}")
        if not ok:
            sys.exit(1)


def _sizes(text: str) -> list[int]:
    try:
        return [int(size) for size in text.split(",") if size]
    except ValueError as error:
        raise CommandError("sizes are whole numbers with commas between them") from error


def _elsewhere(options: dict[str, Any]) -> int:
    given = ("lines", "growth", "seed", "noise", "recall_min")
    arguments = ["bench_reconcile", "--on-own-server"]
    arguments += [f"--{name.replace('_', '-')}={options[name]}" for name in given]
    with private_server() as server:
        return server.manage(*arguments, *(["--json"] if options["json"] else [])).returncode


def _is_right(result: dict[str, Any], recall_min: float) -> bool:
    return not result["false_matches"] and not result["wrong_reasons"] and result["recall"] >= recall_min


def _growth(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Set sizes side by side: seconds, and nanoseconds for each of the n log n, which should not rise."""
    return [
        {
            "lines": one["lines"],
            "seconds": one["seconds"],
            "whole_seconds": round(sum(one["stages"].values()), 2),
            "ns_per_n_log_n": round(one["seconds"] * 1e9 / (one["lines"] * math.log2(one["lines"] + 1)), 1),
            "false_matches": one["false_matches"],
            "recall": one["recall"],
        }
        for one in results
    ]
