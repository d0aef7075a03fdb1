"""Transactions by intention: start one here, insist on one, take a savepoint, retry a collision."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any, TypeVar

from django.db import OperationalError, connection, transaction
from django.db.models import Field, Model

from apps.core.errors import Refusal

COLLISIONS = frozenset({"40P01", "40001", "55P03"})
"""deadlock_detected, serialization_failure, lock_not_available: another try may well succeed."""

PARAMETERS_MAX = 65_535
"""The most parameters of one statement (PostgreSQL's protocol)."""

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


def insert_rows(rows: Sequence[Model]) -> None:
    """Insert new rows of one model, with one statement for as many as fit into its 65,535 parameters.

    The statement's text is made once for each number of rows. What `bulk_create` does, at half the cost, for the few inserts that every command makes. Columns whose
    value the database gives are left to it, and not read back. Raises what the database raises.
    """
    if not rows:
        return
    model, fields = type(rows[0]), _inserted(type(rows[0]))
    size = PARAMETERS_MAX // len(fields)
    with connection.cursor() as cursor:
        for start in range(0, len(rows), size):
            some = rows[start : start + size]
            values = [
                field.get_db_prep_save(field.pre_save(row, True), connection)
                for row in some
                for field in fields
            ]
            cursor.execute(_insert_text(model, len(some)), values)
    for row in rows:
        row._state.adding = False


@cache
def _inserted(model: type[Model]) -> tuple[Field[Any, Any], ...]:
    return tuple(field for field in model._meta.local_concrete_fields if not field.has_db_default())


@lru_cache(maxsize=512)
def _insert_text(model: type[Model], count: int) -> str:
    fields = _inserted(model)
    names = ", ".join(f'"{field.column}"' for field in fields)
    one = "(" + ", ".join(["%s"] * len(fields)) + ")"
    return f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES ' + ", ".join([one] * count)


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
