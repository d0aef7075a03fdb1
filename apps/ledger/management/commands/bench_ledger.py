"""Measure the ledger against TPC-B."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

from django.core.management.base import BaseCommand

from apps.core.bench_server import ROOT
from apps.ledger.bench.following import at_share, prove_speed, wait_until_level, watched_lags
from apps.ledger.bench.run import Bench, add_postings, machine, private_server

CASES = (
    "sql_single", "sql_batch_100", "django_single", "django_atomic", "post_many_100", "post_many_100_hot",
    "callers_64", "callers_64_hot",
)  # fmt: skip


class Command(BaseCommand):
    """Run every case and TPC-B on one private server, interleaved, and print the ratios of the medians."""

    help = "Measure the ledger on a private, durable server; ratios are to pgbench TPC-B in the same run."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
        parser.add_argument("--rounds", type=int, default=5)
        parser.add_argument("--seconds", type=float, default=2, help="one case in one round")
        parser.add_argument("--cases", default=",".join(CASES))
        parser.add_argument(
            "--reads", default="10000,1000000,5000000", help="numbers of postings to read balances at"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure, print."""
        cases = [case for case in options["cases"].split(",") if case]
        with private_server(options["seconds"]) as bench:
            for _ in range(options["rounds"]):
                for case in ["tpcb", *cases]:
                    bench.run(case)
            followers = self._followers(bench, options["rounds"]) if "django_single" in cases else {}
            proofs = prove_speed(bench) if cases else {}
            reads = self._reads(bench, [int(size) for size in options["reads"].split(",") if size])
            result = self._result(bench, cases, followers, reads) | {"proofs": proofs}
        self.stdout.write(
            json.dumps(result, indent=2)
            if options["json"]
            else "\n".join(f"{k:20} {v}" for k, v in result["ratios"].items())
        )

    def _followers(self, bench: Bench, rounds: int) -> dict[str, Any]:
        """Measure single journals while read models and sealer follow, next to the same without them.

        Also how far behind the two are meanwhile: the age of the oldest row they have not read.
        """
        shares = []
        self.lags: dict[str, list[float]] = {}
        for _ in range(rounds):
            bench.run("django_single")
            process = subprocess.Popen(
                [sys.executable, "manage.py", "run_ledger"],
                cwd=ROOT,
                env=bench.environment(),
                stdout=subprocess.DEVNULL,
            )
            try:
                wait_until_level(bench)
                with watched_lags(bench, self.lags):
                    bench.run("django_single_followed")
            finally:
                process.terminate()
                process.wait(20)
            shares.append(bench.samples["django_single_followed"][-1] / bench.samples["django_single"][-1])
        return {"with_followers": round(sorted(shares)[len(shares) // 2], 3)}

    def _reads(self, bench: Bench, sizes: list[int]) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for size in sizes:
            add_postings(bench, size)
            for case in ("balance", "balance_at_recorded", "balance_at_effective"):
                bench.run(case)
                p50, p99 = bench.latencies[case][-1]
                told[f"{case}_{size}"] = {"p50": p50, "p99": p99}
        return told

    def _result(
        self, bench: Bench, cases: list[str], followers: dict[str, Any], reads: dict[str, Any]
    ) -> dict[str, Any]:
        base = bench.median("tpcb")
        latencies = {
            case: {
                "p50": sorted(p50 for p50, _ in told)[len(told) // 2],
                "p99": sorted(p99 for _, p99 in told)[len(told) // 2],
            }
            for case, told in bench.latencies.items()
            if not case.startswith("balance")
        }
        return {
            "ratios": {case: round(bench.median(case) / base, 3) for case in cases} | followers,
            "per_s": {case: round(bench.median(case)) for case in ("tpcb", *cases)},
            "latency_ms": latencies | reads,
            "lag_p99_s": {
                name: at_share(sorted(told), 0.99) for name, told in getattr(self, "lags", {}).items()
            },
            "machine": machine(),
        }
