"""Transactions by intention: start one here, insist on one, take a savepoint, retry a collision."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import OperationalError, connection, transaction

from apps.core.errors import Refusal

COLLISIONS = frozenset({"40P01", "40001", "55P03"})
"""deadlock_detected, serialization_failure, lock_not_available: another try may well succeed."""

T = TypeVar("T")


class Busy(Refusal):
    code = "busy"
    status = 503
    title = "The platform is busy with the same objects; try again shortly."


@contextmanager
def new_transaction() -> Iterator[None]:
    """Start a transaction here and nowhere inside another. Raises RuntimeError when nested."""
    with transaction.atomic(durable=True):
        yield


@contextmanager
def savepoint() -> Iterator[None]:
    """Take a savepoint that an exception rolls back to. Needs an open transaction."""
    require_transaction()
    with transaction.atomic():
        yield


def require_transaction() -> None:
    """Raise RuntimeError unless a transaction is open: the caller's locks would not be held."""
    if not connection.in_atomic_block:
        raise RuntimeError("this must be called inside a transaction")


@contextmanager
def session_lock(name: str) -> Iterator[bool]:
    """Try to be the only session in the block, over all processes, for work outside of transactions.

    Gives False at once when another one is in it. The lock ends with the block, or with the session if
    the process dies.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name])
        (alone,) = cursor.fetchone()
    try:
        yield bool(alone)
    finally:
        if alone:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name])


def transaction_lock(name: str) -> None:
    """Wait for a lock by name that the open transaction then holds until its end."""
    require_transaction()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def retrying(work: Callable[[], T], *, tries_max: int = 5, jitter_s: float = 0.05) -> T:
    """Run a whole transaction again when it collided with another one. Raises Busy at the end.

    The pause is random and grows, so that two colliding callers part ways.
    """
    for attempt in range(1, tries_max + 1):
        try:
            return work()
        except OperationalError as error:
            if not is_collision(error):
                raise
            if attempt == tries_max:
                raise Busy from error
            time.sleep(random.uniform(0, jitter_s * attempt))  # only a pause
    raise AssertionError("unreachable")


def is_collision(error: BaseException) -> bool:
    """Tell whether the database gave up because of a concurrent transaction."""
    return getattr(error.__cause__, "sqlstate", None) in COLLISIONS
