"""A few places for workers of a kind, so that wake-ups never fill all of Celery's processes with pumps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import DatabaseError, connection

_PLACES = {"inbox": 7_100_000, "deliveries": 7_200_000, "replays": 7_300_000, "reconcilers": 7_400_000}


def places(kind: str) -> int:
    """Tell how many workers of the kind may work at once."""
    return 1 if kind in ("replays", "reconcilers") else int(settings.WEBHOOK_WORKERS)


@contextmanager
def slot(kind: str) -> Iterator[bool]:
    """Take a place while the block runs; False when all are taken.

    The place is a session's advisory lock: it is free again the moment its process is gone.
    """
    taken = next((number for number in _numbers(kind) if _try(number)), None)
    try:
        yield taken is not None
    finally:
        if taken is not None:
            _release(taken)


def _numbers(kind: str) -> range:
    return range(_PLACES[kind], _PLACES[kind] + places(kind))


def _try(number: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
        return bool(cursor.fetchone()[0])


def _release(number: int) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [number])
    except DatabaseError:
        connection.close()  # the session is gone, and the lock with it
