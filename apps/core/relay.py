"""The relay: hands committed events to consumers and remembers, per consumer, how far it came.

One relay works at a time (a session-level advisory lock); another waits in reserve. It polls, since
NOTIFY takes a lock for the whole cluster at commit: 20 ms while busy, doubling to one second.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError, InterfaceError, connection

from apps.core import clock, ids, logs, outbox, tenancy
from apps.core.consumers import CONSUMERS, Consumer
from apps.core.heartbeats import beat
from apps.core.models import ConsumerCursor, DeadEvent
from apps.core.outbox import Position, Positioned

BATCH = 500
ATTEMPTS_MAX = 8
PAUSE_MIN_S, PAUSE_MAX_S = 0.02, 1.0
_LOCK = 7_001_001
_log = structlog.get_logger("bezant.relay")


def run_relay(stop: threading.Event, *, now: Callable[[], datetime] = clock.database_now) -> None:
    """Relay events until `stop` is set. Blocks; needs a connection of its own, not a pooler's.

    A database that goes away is waited for: whoever finds it again first leads.
    """
    while not stop.is_set():
        try:
            _lead(stop, now)
        except (DatabaseError, InterfaceError) as error:
            _log.warning("the database is away", error=type(error).__name__)
            connection.close()
            stop.wait(PAUSE_MAX_S)


def _lead(stop: threading.Event, now: Callable[[], datetime]) -> None:
    while not _become_leader():
        if stop.wait(PAUSE_MAX_S):
            return
    pause = PAUSE_MIN_S
    while not stop.is_set():
        moved = relay_once(now=now)
        beat("relay", now())
        pause = PAUSE_MIN_S if moved else min(pause * 2, PAUSE_MAX_S)
        stop.wait(pause)


def relay_once(*, now: Callable[[], datetime] = clock.database_now) -> int:
    """Let each consumer take one batch. Returns how many events were handed over."""
    return sum(_advance(consumer, now) for consumer in list(CONSUMERS.values()))


def drain(*, now: Callable[[], datetime] = clock.database_now, rounds_max: int = 1_000) -> int:
    """Relay until nothing is left (or waits for a later attempt). Returns how many were handed over."""
    total = 0
    for _ in range(rounds_max):
        moved = relay_once(now=now)
        if not moved:
            return total
        total += moved
    return total


def _become_leader() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        return bool(cursor.fetchone()[0])


def _advance(consumer: Consumer, now: Callable[[], datetime]) -> int:
    cursor, _ = ConsumerCursor.objects.get_or_create(consumer=consumer.name)
    if cursor.retry_at is not None and cursor.retry_at > now():
        return 0
    with tenancy.scope(tenancy.PLATFORM):
        batch = outbox.read_after(Position(cursor.xid, cursor.seq), limit=BATCH)
    handed = 0
    for item in batch:
        if not consumer.events or item.event.name in consumer.events:
            if not _hand_over(consumer, cursor, item, now):
                break
            handed += 1
        cursor.xid, cursor.seq = item.position.xid, item.position.seq
    if batch:
        cursor.save()
    return handed


def _hand_over(
    consumer: Consumer, cursor: ConsumerCursor, item: Positioned, now: Callable[[], datetime]
) -> bool:
    """Call the consumer. False when the event must be tried again later."""
    logs.set_correlation_id(item.event.correlation_id)
    try:
        consumer.react(item.event)
    except Exception as error:  # a reaction may fail in any way; the event must not be lost for it
        return _stumble(consumer, cursor, item, error, now())
    if cursor.failing_event_id is not None:
        cursor.failing_event_id, cursor.attempts, cursor.retry_at, cursor.last_error = None, 0, None, ""
    return True


def _stumble(
    consumer: Consumer, cursor: ConsumerCursor, item: Positioned, error: Exception, at: datetime
) -> bool:
    """Count the attempt; after the last one bury the event and go on (True)."""
    same = cursor.failing_event_id == item.event.id
    cursor.attempts = cursor.attempts + 1 if same else 1
    cursor.failing_event_id, cursor.last_error = item.event.id, fingerprint(error)
    _log.warning(
        "reaction failed",
        consumer=consumer.name,
        event_id=str(item.event.id),
        attempt=cursor.attempts,
        error=cursor.last_error,
    )
    if cursor.attempts < ATTEMPTS_MAX:
        cursor.retry_at = at + timedelta(seconds=min(2 ** (cursor.attempts - 1) * 0.25, 60))
        return False
    DeadEvent.objects.get_or_create(
        consumer=consumer.name,
        event_id=item.event.id,
        defaults={
            "id": ids.uuid7(at),
            "name": item.event.name,
            "error": cursor.last_error,
            "attempts": cursor.attempts,
            "died_at": at,
        },
    )
    cursor.failing_event_id, cursor.attempts, cursor.retry_at, cursor.last_error = None, 0, None, ""
    return True


def fingerprint(error: BaseException) -> str:
    """Name an error by its kind and place, without its message, which may hold personal data."""
    place, trace = "", error.__traceback__
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename.rsplit('/apps/', 1)[-1]}:{trace.tb_lineno}"
        trace = trace.tb_next
    code = getattr(error, "code", "")
    return f"{type(error).__name__}{f'({code})' if code else ''} at {place}"[:300]
