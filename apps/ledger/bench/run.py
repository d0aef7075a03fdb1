"""The benchmark: every case and pgbench's TPC-B on one private server, interleaved, medians of the rounds."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from apps.core import bench_server
from apps.core.bench_server import ROOT, BenchServer
from apps.ledger.bench.worker import ACCOUNTS, BATCH, ORGANISATION

PROCESSES = {
    "django_single": 4, "django_atomic": 4, "post_many_100": 2, "post_many_100_hot": 2, "callers_64": 1, "callers_64_hot": 1,
}  # fmt: skip
_HEAD = (
    "SELECT codes FROM ledger.post(now(), {org}, {keys}, {kind}, {day}, {actor}, {reference}, NULL, {lines}, {debit}, {credit}, "
    "{amount}, {currency})"
)
_SINGLE = """\\set a random(1, {accounts})
""" + _HEAD.format(
    org=f"ARRAY['{ORGANISATION}'::uuid]", keys="ARRAY[gen_random_uuid()]", kind="ARRAY['bench']", day="ARRAY['2026-11-02'::date]",
    actor="ARRAY['bench']", reference="ARRAY['']", lines="ARRAY[1]", debit="ARRAY[:a::bigint]",
    credit="ARRAY[(:a % {accounts} + 1)::bigint]", amount="ARRAY[100::bigint]", currency="ARRAY['EUR']",
)  # fmt: skip
_MANY = """SELECT p.codes FROM (SELECT array_agg(gen_random_uuid()) AS keys, array_agg(a) AS debit, array_agg(a % {accounts} + 1) AS credit
    FROM (SELECT (random() * ({accounts} - 1))::bigint + 1 AS a FROM generate_series(1, {batch})) r) x, LATERAL (
""" + _HEAD.format(
    org=f"array_fill('{ORGANISATION}'::uuid, ARRAY[{{batch}}])", keys="x.keys", kind="array_fill('bench'::text, ARRAY[{batch}])",
    day="array_fill('2026-11-02'::date, ARRAY[{batch}])", actor="array_fill('bench'::text, ARRAY[{batch}])",
    reference="array_fill(''::text, ARRAY[{batch}])", lines="array_fill(1, ARRAY[{batch}])", debit="x.debit", credit="x.credit",
    amount="array_fill(100::bigint, ARRAY[{batch}])", currency="array_fill('EUR'::text, ARRAY[{batch}])",
) + ") p"  # fmt: skip
_SCRIPTS = {"sql_single": (_SINGLE, "4", 1), "sql_batch_100": (_MANY.replace("\n", " "), "2", BATCH)}


@dataclass
class Bench(BenchServer):
    """A private server with two databases: the books, and pgbench's."""

    seconds: float
    samples: dict[str, list[float]] = field(default_factory=dict)
    latencies: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def pgbench(self, *arguments: str, database: str, role: str) -> float:
        """Run pgbench and return its transactions a second."""
        program = shutil.which("pgbench") or str(self.cluster.binaries.postgres.parent / "pgbench")
        environment = os.environ | {
            "PGHOST": str(self.cluster.sockets), "PGUSER": role, "PGOPTIONS": f"-c bezant.organisation={ORGANISATION}",
        }  # fmt: skip
        done = subprocess.run(
            [program, "-n", "-M", "prepared", "-T", str(max(1, round(self.seconds))), *arguments, database],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return float(done.stdout.split("tps = ")[1].split()[0])

    def clients(self, case: str, processes: int) -> tuple[float, float, float]:
        """Run a case in several processes; return journals (or reads) a second, and p50 and p99 in ms."""
        start = time.time() + 1.5 + 0.5 * processes
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "apps.ledger.bench.worker", case, str(start), str(self.seconds), str(seed)],
                cwd=ROOT, env=self.environment(), stdout=subprocess.PIPE, text=True,
            )
            for seed in range(processes)
        ]  # fmt: skip
        told = [json.loads(process.communicate(timeout=120)[0]) for process in running]
        return (
            sum(one["done"] for one in told) / self.seconds,
            statistics.median(one["p50_ms"] for one in told),
            max(one["p99_ms"] for one in told),
        )

    def run(self, case: str) -> None:
        """Run one case once and keep what it gave."""
        if case == "tpcb":
            rate = self.pgbench("-c", "4", "-j", "2", database="tpcb", role="postgres")
        elif case in _SCRIPTS:
            script, clients, each = _SCRIPTS[case]
            path = self.folder / f"{case}.sql"
            path.write_text(script.format(accounts=ACCOUNTS, batch=BATCH))
            rate = each * self.pgbench(
                "-c", clients, "-j", "2", "-f", str(path), database="bezant", role="bezant_app"
            )
        else:
            rate, p50, p99 = self.clients(
                case.removesuffix("_followed"), PROCESSES.get(case.removesuffix("_followed"), 1)
            )
            self.latencies.setdefault(case, []).append((p50, p99))
        self.samples.setdefault(case, []).append(rate)
        print(f"{case:22} {rate:10.0f}/s", file=sys.stderr, flush=True)

    def median(self, case: str) -> float:
        """Return the median rate of a case."""
        return statistics.median(self.samples[case])


@contextmanager
def private_server(seconds: float) -> Iterator[Bench]:
    """Make a durable server with the books and pgbench's tables, and remove it afterwards."""
    with bench_server.private_server() as server:
        bench = Bench(server.cluster, server.folder, seconds)
        _fill(bench)
        yield bench


def _fill(bench: Bench) -> None:
    with psycopg.connect(bench.cluster.url(role="bezant_app", database="bezant"), autocommit=True) as app:
        app.execute("SELECT set_config('bezant.organisation', %s, false)", [str(ORGANISATION)])
        app.execute(
            "SELECT count(o.account_id) FROM generate_series(1, %s) g, LATERAL ledger.open_account(%s, 'a' || g, 'A', 'liability',"
            " 'EUR', 'system:bench') o",
            [ACCOUNTS, ORGANISATION],
        )
    with psycopg.connect(bench.cluster.url(role="bezant_owner", database="bezant"), autocommit=True) as owner:
        owner.execute(
            "CREATE TABLE bench_payment (id bigint PRIMARY KEY, state text NOT NULL) WITH (fillfactor = 70)"
        )
        owner.execute("INSERT INTO bench_payment SELECT g, 'new' FROM generate_series(1, %s) g", [ACCOUNTS])
    with psycopg.connect(bench.cluster.url(role="postgres", database="postgres"), autocommit=True) as admin:
        admin.execute("CREATE DATABASE tpcb")
    program = shutil.which("pgbench") or str(bench.cluster.binaries.postgres.parent / "pgbench")
    subprocess.run(
        [program, "-i", "-q", "-s", "10", "-h", str(bench.cluster.sockets), "-U", "postgres", "tpcb"],
        check=True, capture_output=True,
    )  # fmt: skip
    with psycopg.connect(bench.cluster.url(role="postgres", database="bezant"), autocommit=True) as admin:
        admin.execute("VACUUM ANALYZE")


def add_postings(bench: Bench, total: int) -> None:
    """Bring the log to a number of postings, 90 in 100 of them on fifty accounts, written straight into the tables.

    The read models are brought level with the log, as their follower keeps them.
    """
    with psycopg.connect(bench.cluster.url(role="postgres", database="bezant")) as admin:
        ((have,),) = admin.execute("SELECT count(*) FROM ledger.posting").fetchall()
        admin.execute("SET session_replication_role = replica")
        if total > have:
            for statement in _ADD.split(";\n"):
                admin.execute(statement, {"org": ORGANISATION, "n": total - have, "accounts": ACCOUNTS})
            admin.execute("SELECT setval('ledger.log_seq', (SELECT max(seq) FROM ledger.journal))")
    # In transactions of their own: followers read only what is below the horizon of running ones.
    with psycopg.connect(bench.cluster.url(role="postgres", database="bezant"), autocommit=True) as admin:
        while (admin.execute("SELECT rows_found FROM ledger.follow(50000)").fetchone() or (0,))[0]:
            pass
        admin.execute("VACUUM ANALYZE")


_ADD = """
CREATE TEMP TABLE add ON COMMIT DROP AS
SELECT g + (SELECT coalesce(max(seq), 0) FROM (SELECT seq FROM ledger.journal UNION ALL SELECT seq FROM ledger.account_event) s) AS seq,
       CASE WHEN g %% 10 < 9 THEN g %% 50 + 1 ELSE 50 + g %% (%(accounts)s - 100) + 1 END AS debit,
       CASE WHEN g %% 10 < 9 THEN (g + 7) %% 50 + 1 ELSE 50 + (g + 7) %% (%(accounts)s - 100) + 1 END AS credit, g
  FROM generate_series(1, %(n)s) g;
INSERT INTO ledger.journal (seq, organisation_id, key, action, kind, effective_date, recorded_at, actor, reference)
SELECT seq, %(org)s, gen_random_uuid(), 1, 'bench', date '2026-01-01' + (g::bigint * 300 / %(n)s)::int,
       clock_timestamp() - interval '300 days' + g * (interval '300 days' / %(n)s), 'system:bench', '' FROM add;
INSERT INTO ledger.posting (seq, line, organisation_id, debit_id, credit_id, currency, amount, debit_version, credit_version,
                            debit_after, credit_after, recorded_at)
SELECT seq, 1, %(org)s, debit, credit, 'EUR', 1, seq, seq, -g, g,
       clock_timestamp() - interval '300 days' + g * (interval '300 days' / %(n)s) FROM add WHERE debit <> credit
"""


def machine() -> dict[str, Any]:
    """Say what it ran on."""
    return {
        "cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version(),
        "load_1m": round(os.getloadavg()[0], 2),
    }  # fmt: skip
