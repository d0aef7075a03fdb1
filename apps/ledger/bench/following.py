"""What follows the log, measured: how far behind it is under load, and how fast the log is proven."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from apps.ledger.bench.run import Bench

SAMPLE_EVERY_S = 0.02
_LAGS = """SELECT f.name, coalesce(extract(epoch FROM clock_timestamp() - (
    SELECT recorded_at FROM ledger.journal j WHERE j.seq > f.seq ORDER BY j.seq LIMIT 1)), 0)::float8
    FROM ledger.follower f"""


@contextmanager
def watched_lags(bench: Bench, lags: dict[str, list[float]]) -> Iterator[None]:
    """Sample, while the block runs, the age in seconds of the oldest row each follower has not read."""
    stop = threading.Event()

    def watch() -> None:
        with psycopg.connect(bench.cluster.url(role="postgres", database="bezant"), autocommit=True) as admin:
            while not stop.wait(SAMPLE_EVERY_S):
                for name, lag_s in admin.execute(_LAGS):
                    lags.setdefault(name, []).append(lag_s)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def wait_until_level(bench: Bench) -> None:
    """Wait, for a minute at most, until both followers have read what was there before they started."""
    deadline = time.monotonic() + 60
    with psycopg.connect(bench.cluster.url(role="postgres", database="bezant"), autocommit=True) as admin:
        while time.monotonic() < deadline and any(lag_s for _, lag_s in admin.execute(_LAGS)):
            time.sleep(0.2)


def at_share(values: list[float], share: float) -> float | None:
    """Return the value at a share of a sorted list."""
    return round(values[min(int(len(values) * share), len(values) - 1)], 4) if values else None


def prove_speed(bench: Bench) -> dict[str, Any]:
    """Seal what has been written, then verify all of it and replay it; return rows and events a second."""
    bench.manage("seal_ledger", check=True, stdout=subprocess.PIPE)
    with psycopg.connect(bench.cluster.url(role="postgres", database="bezant"), autocommit=True) as admin:
        while (admin.execute("SELECT rows_found FROM ledger.follow(50000)").fetchone() or (0,))[0]:
            pass
        admin.execute("VACUUM ANALYZE")
    verified = _told(bench, "verify_ledger_log")
    rebuilt = _told(bench, "rebuild_ledger", "--verify")
    return {
        "ok": verified["ok"] and rebuilt["ok"],
        "verified_rows": verified["rows"],
        "verified_rows_per_s": round(verified["rows"] / verified["seconds"]),
        "replayed_events": rebuilt["events"],
        "replayed_events_per_s": round(rebuilt["events"] / rebuilt["seconds"]),
    }


def _told(bench: Bench, *command: str) -> dict[str, Any]:
    done = bench.manage(*command, "--json", check=True, stdout=subprocess.PIPE)
    return dict(json.loads(done.stdout))
