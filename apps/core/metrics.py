"""Metrics for Prometheus: counters that every process keeps, and gauges that are read from the tables.

The processes of one machine count into files of one folder (PROMETHEUS_MULTIPROC_DIR, set in the
settings), and any web process adds them up when it is asked. What the tables know better than any
process (how much waits, since when, what is dead) is read there, at the moment of asking.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.db import connection
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

from apps.core import tenancy
from apps.core.registries import Registry

FILES_MAX = 100
_ARCHIVE = "0"
"""No process has this id, so it names the file of all that are gone."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """One figure read from the tables."""

    name: str
    help: str
    value: float
    labels: dict[str, str] = field(default_factory=dict)


READINGS: Registry[Callable[[], Iterable[Gauge]]] = Registry("metrics reading")
"""Functions that read gauges from the tables; called in the platform's scope. Quick: asked every few seconds."""


class _Tables:
    """A collector of what the registered readings say."""

    def collect(self) -> Iterator[Metric]:
        """Gather the gauges by name."""
        families: dict[str, GaugeMetricFamily] = {}
        with tenancy.scope(tenancy.PLATFORM):
            gauges = [gauge for read in READINGS.entries.values() for gauge in read()]
        for gauge in gauges:
            family = families.setdefault(
                gauge.name, GaugeMetricFamily(gauge.name, gauge.help, labels=sorted(gauge.labels))
            )
            family.add_metric([gauge.labels[name] for name in sorted(gauge.labels)], gauge.value)
        yield from families.values()


def exposition() -> bytes:
    """Write all metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder:
        gather_dead(Path(folder))
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(REGISTRY)
    registry.register(_Tables())  # type: ignore[arg-type]  # a collector is whatever collects
    return generate_latest(registry)


def gather_dead(folder: Path, *, files_max: int = FILES_MAX) -> int:
    """Add the files of processes that are gone to one of each kind, once there are many; return how many.

    Workers are renewed all the time, and each leaves its counts behind. Only one process does this at a
    time; another that reads meanwhile may count a file twice or not at all, for that one answer.
    """
    files = [path for path in folder.glob("*_*.db") if path.stem.rsplit("_", 1)[-1] != _ARCHIVE]
    if len(files) <= files_max:
        return 0
    with (folder / "gather.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        dead = [path for path in files if not Path(f"/proc/{path.stem.rsplit('_', 1)[-1]}").exists()]
        for path in dead:
            _add(path, folder / f"{path.stem.rsplit('_', 1)[0]}_{_ARCHIVE}.db")
            path.unlink()
        return len(dead)


def _add(source: Path, target: Path) -> None:
    """Add the counts of one file to those of another."""
    archive = MmapedDict(str(target))  # type: ignore[no-untyped-call]
    try:
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(source)):  # type: ignore[no-untyped-call]
            former, _ = archive.read_value(key)  # type: ignore[no-untyped-call]
            archive.write_value(key, former + value, 0.0)  # type: ignore[no-untyped-call]
    finally:
        archive.close()  # type: ignore[no-untyped-call]


def read_core() -> Iterator[Gauge]:
    """Read how far the outbox's consumers are behind, what they could not take, and who is alive."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.consumer, coalesce(extract(epoch FROM clock_timestamp() - o.recorded_at), 0)::float8"
            " FROM core_consumercursor c LEFT JOIN LATERAL (SELECT recorded_at FROM core_outboxevent e"
            "  WHERE (e.xid, e.seq) > (c.xid::text::xid8, c.seq) ORDER BY e.xid, e.seq LIMIT 1) o ON true"
        )
        for consumer, lag_s in cursor.fetchall():
            yield Gauge(
                "bezant_outbox_lag_seconds",
                "Age of the oldest event a consumer has not read.",
                lag_s,
                {"consumer": consumer},
            )
        cursor.execute("SELECT count(*) FROM core_deadevent WHERE settled_at IS NULL")
        yield Gauge("bezant_dead_events", "Events that a consumer could not take.", cursor.fetchone()[0])
        cursor.execute(
            "SELECT kind, extract(epoch FROM clock_timestamp() - max(beaten_at))::float8 FROM core_heartbeat GROUP BY kind"
        )
        for kind, age_s in cursor.fetchall():
            yield Gauge(
                "bezant_heartbeat_age_seconds",
                "Since the latest sign of life of a process of the kind.",
                age_s,
                {"kind": kind},
            )
        cursor.execute(
            "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8"
            " FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()"
        )
        yield Gauge(
            "bezant_oldest_transaction_seconds",
            "Age of the oldest open transaction this role can see.",
            cursor.fetchone()[0],
        )


READINGS.register("core", read_core)
