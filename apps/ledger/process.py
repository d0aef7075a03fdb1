"""The process beside the log: it follows, seals, expires and makes room, each at its own pace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed

import psycopg
import structlog
from django.db import DatabaseError, close_old_connections, connection

from apps.core import clock
from apps.core.heartbeats import beat
from apps.core.sealer import connect_sealer
from apps.ledger import following, sealing

PAUSE_MIN_S, PAUSE_MAX_S = 0.02, 0.2
SEAL_EVERY_S = 0.5
EXPIRE_EVERY_S = 5.0
PARTITIONS_EVERY_S = 600.0
HEARTBEAT_EVERY_S = 5.0
_OUTAGES = (DatabaseError, psycopg.Error, OSError)
_log = structlog.get_logger("bezant.ledger")


def run_ledger(stop: threading.Event) -> None:
    """Work until `stop` is set. An error of the database is waited out; the next round goes on from it.

    Following has a thread of its own: a window of twenty thousand leaves takes the sealer longer than a
    read model may be late. Any other error stops both threads and is raised.
    """
    with ThreadPoolExecutor(thread_name_prefix="ledger") as threads:
        works = [threads.submit(_guarded, work, stop) for work in (_follow, _keep)]
        for done in as_completed(works):
            done.result()


def _guarded(work: Callable[[threading.Event], None], stop: threading.Event) -> None:
    try:
        work(stop)
    finally:
        stop.set()
        connection.close()


def _follow(stop: threading.Event) -> None:
    pause = PAUSE_MIN_S
    while not stop.is_set():
        try:
            moved = following.follow_once(at=clock.database_now())
            pause = PAUSE_MIN_S if moved else min(pause * 2, PAUSE_MAX_S)
        except _OUTAGES as error:
            pause = _waited_out(error)
        stop.wait(pause)


def _keep(stop: threading.Event) -> None:
    due = {name: 0.0 for name, _, _ in _JOBS}
    while not stop.is_set():
        try:
            _work_due(due)
            pause = max(min(due.values()) - time.monotonic(), 0)
        except _OUTAGES as error:
            pause = _waited_out(error)
        stop.wait(pause)


def _waited_out(error: Exception) -> float:
    _log.error("ledger_round_failed", error=type(error).__name__)
    close_old_connections()
    return 1.0


def _work_due(due: dict[str, float]) -> None:
    for name, every_s, work in _JOBS:
        now = time.monotonic()
        if now >= due[name]:
            work()
            due[name] = now + every_s


_sealer: psycopg.Connection[tuple[object, ...]] | None = None


def _seal() -> None:
    global _sealer
    if _sealer is None or _sealer.closed:
        _sealer = connect_sealer()
    try:
        while sealing.seal_once(_sealer) is not None:
            pass
        sealing.anchor(_sealer)
    except psycopg.Error:
        _sealer.close()
        raise


_JOBS: tuple[tuple[str, float, Callable[[], object]], ...] = (
    ("seal", SEAL_EVERY_S, _seal),
    ("expire", EXPIRE_EVERY_S, lambda: following.expire_holds(at=clock.database_now())),
    ("partitions", PARTITIONS_EVERY_S, following.make_partitions),
    ("heartbeat", HEARTBEAT_EVERY_S, lambda: beat("ledger", clock.database_now())),
)
