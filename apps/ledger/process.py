"""The process beside the log: it follows, seals, expires and makes room, each at its own pace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg
import structlog
from django.db import DatabaseError, close_old_connections

from apps.core import clock
from apps.core.heartbeats import beat
from apps.core.sealer import connect_sealer
from apps.ledger import following, sealing

PAUSE_MIN_S, PAUSE_MAX_S = 0.02, 0.2
SEAL_EVERY_S = 0.5
EXPIRE_EVERY_S = 5.0
PARTITIONS_EVERY_S = 600.0
HEARTBEAT_EVERY_S = 5.0
_log = structlog.get_logger("bezant.ledger")


def run_ledger(stop: threading.Event, *, tick: Callable[[], float] = time.monotonic) -> None:
    """Work until `stop` is set. An error of the database is waited out; the next round goes on from it."""
    pause = PAUSE_MIN_S
    due = dict.fromkeys(("seal", "expire", "partitions", "heartbeat"), 0.0)
    while not stop.is_set():
        try:
            moved = following.follow_once(at=clock.database_now())
            _work_due(due, tick())
            pause = PAUSE_MIN_S if moved else min(pause * 2, PAUSE_MAX_S)
        except (DatabaseError, psycopg.Error, OSError) as error:
            _log.error("ledger_round_failed", error=type(error).__name__)
            close_old_connections()
            pause = 1.0
        stop.wait(pause)


def _work_due(due: dict[str, float], now: float) -> None:
    jobs: tuple[tuple[str, float, Callable[[], object]], ...] = (
        ("seal", SEAL_EVERY_S, _seal),
        ("expire", EXPIRE_EVERY_S, lambda: following.expire_holds(at=clock.database_now())),
        ("partitions", PARTITIONS_EVERY_S, following.make_partitions),
        ("heartbeat", HEARTBEAT_EVERY_S, lambda: beat("ledger", clock.database_now())),
    )
    for name, every_s, work in jobs:
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
