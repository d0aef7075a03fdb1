"""Rotation: a new version of the key encryption key, and every stored key wrapped again under it.

What was sealed stays as it is, so nothing needs to stop. A run that was interrupted is taken up again
where it was: the version stored beside each key says what is left to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core import db, signing
from apps.core.crypto.errors import Unreadable
from apps.core.crypto.runtime import key_ring, provider
from apps.core.crypto.store import TableKeyStore, stored_key
from apps.core.tenancy import PLATFORM, switch

BATCH_SIZE = 500


@dataclass(frozen=True, slots=True)
class KeyCount:
    """How many keys of a kind (`subject` or `signing`) are wrapped under a KEK version."""

    kind: str
    kek_version: int
    count: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How many keys a step wrapped again, and the ids of those that do not open any more."""

    done: int
    damaged: tuple[str, ...]


def key_counts() -> list[KeyCount]:
    """Count the living keys by kind and KEK version."""
    with db.new_transaction(), connection.cursor() as cursor:
        switch(PLATFORM)
        cursor.execute(
            "SELECT 'signing', kek_version, count(*) FROM core_signingkey GROUP BY 2"
            " UNION ALL"
            " SELECT 'subject', kek_version, count(*) FROM core_subjectkey"
            "  WHERE destroyed_at IS NULL GROUP BY 2"
            " ORDER BY 1, 2"
        )
        return [KeyCount(*row) for row in cursor.fetchall()]


def rewrap_signing_keys() -> int:
    """Wrap every signing key that is under an older KEK version again; tell how many."""
    version, done = provider().current_version(), 0
    with db.new_transaction(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT purpose, version FROM core_signingkey WHERE kek_version < %s"
            " ORDER BY purpose, version FOR UPDATE",
            [version],
        )
        for purpose, key_version in cursor.fetchall():
            done += signing.rewrap(purpose=purpose, version=key_version)
    return done


def rewrap_subject_keys() -> Iterator[Progress]:
    """Wrap every subject key that is under an older KEK version again, in small transactions.

    Yields after each what was done since the last. A key in use at the moment is passed over, and so is
    a damaged one, which is named: neither keeps the others from being done.
    """
    version, after = provider().current_version(), UUID(int=0)
    while True:
        rows = []
        with db.new_transaction():
            switch(PLATFORM)
            rows = _lock_batch(version, after)
            progress = _rewrap_rows(rows)
        if not rows:
            return
        after = rows[-1][0]
        yield progress


def _lock_batch(version: int, after: UUID) -> list[Any]:
    with connection.cursor() as cursor:
        # Whoever is sealing holds a share lock: passing over it keeps both from waiting.
        cursor.execute(
            "SELECT id, key_id, organisation_id, subject_id, wrapped, kek_version, check_value"
            " FROM core_subjectkey WHERE destroyed_at IS NULL AND kek_version < %s AND id > %s"
            " ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED",
            [version, after, BATCH_SIZE],
        )
        return cursor.fetchall()


def _rewrap_rows(rows: list[Any]) -> Progress:
    ring, store, done, damaged = key_ring(), TableKeyStore(), 0, []
    for _, *columns in rows:
        key = stored_key(tuple(columns))
        try:
            rewrapped = ring.rewrap(key)
        except Unreadable:
            damaged.append(key.key_id.hex())
            continue
        done += store.replace_wrapping(rewrapped, former_version=columns[4])
    return Progress(done, tuple(damaged))
