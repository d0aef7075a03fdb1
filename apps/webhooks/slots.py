"""A few places for workers of a kind, so that wake-ups never fill all of Celery's processes with pumps."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from django.conf import settings
from django.db import connection

_PLACES = {"inbox": 7_100_000, "deliveries": 7_200_000, "replays": 7_300_000, "reconcilers": 7_400_000}


@dataclass
class Slot:
    """A place that is held until it is left, or until its process is gone: a session's advisory lock."""

    number: int
    session: psycopg.Connection
    held: bool = True

    def leave(self) -> None:
        """Make room for the next worker; once is enough."""
        if self.held:
            self.held = False
            # The driver is asked itself: Django lets nobody do this from an event loop, and a pump that
            # winds down does. It is one short statement on a session that nobody else is using.
            with contextlib.suppress(psycopg.Error):  # a session that is gone has left its locks
                self.session.execute("SELECT pg_advisory_unlock(%s)", [self.number])


def places(kind: str) -> int:
    """Tell how many workers of the kind may work at once."""
    return 1 if kind in ("replays", "reconcilers") else int(settings.WEBHOOK_WORKERS)


@contextlib.contextmanager
def slot(kind: str) -> Iterator[Slot | None]:
    """Take a place while the block runs; None when all are taken."""
    first = _PLACES[kind]
    taken = next((number for number in range(first, first + places(kind)) if _try(number)), None)
    place = Slot(taken, connection.connection) if taken is not None else None
    try:
        yield place
    finally:
        if place is not None:
            place.leave()


def _try(number: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
        return bool(cursor.fetchone()[0])
