"""Wrapped data keys in their table, behind the ring's `KeyStore`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from apps.core import ids
from apps.core.crypto.keyring import StoredKey, Subject
from apps.core.crypto.providers import Wrapped

_COLUMNS = "key_id, organisation_id, subject_id, wrapped, kek_version, check_value"


class TableKeyStore:
    """The rows of `core_subjectkey` that the transaction's scope shows."""

    def of_subject(self, *, organisation_id: UUID, subject_id: UUID) -> StoredKey | None:
        """Find a subject's key and, in a transaction, keep it from being destroyed until the commit.

        Whoever destroys the key therefore comes after everything sealed with it, or before none of it.
        """
        return self._one("organisation_id = %s AND subject_id = %s FOR SHARE", [organisation_id, subject_id])

    def by_id(self, key_id: bytes) -> StoredKey | None:
        """Find a key by its id, without a lock."""
        return self._one("key_id = %s", [key_id])

    def add(self, key: StoredKey) -> StoredKey:
        """Insert a key and return it, or the one that another transaction committed first."""
        if key.wrapped is None:
            raise ValueError("a new key is wrapped")
        with transaction.atomic(savepoint=False), connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO core_subjectkey (id, {_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s)"
                " ON CONFLICT (organisation_id, subject_id) DO NOTHING",
                [
                    ids.uuid7(datetime.now(UTC)),
                    key.key_id,
                    key.organisation_id,
                    key.subject_id,
                    key.wrapped.blob,
                    key.wrapped.version,
                    key.check_value,
                ],
            )
            stored = self.of_subject(organisation_id=key.organisation_id, subject_id=key.subject_id)
        if stored is None:
            raise RuntimeError("a key was inserted and cannot be seen: the scope is another's")
        return stored

    def of_subjects(self, subjects: Collection[Subject], *, to_seal: bool) -> list[StoredKey]:
        """Find the keys of many subjects; those to seal with are kept from being destroyed, as one is."""
        ordered = sorted(subjects)
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {', '.join('k.' + name for name in _COLUMNS.split(', '))} FROM core_subjectkey k"
                " JOIN unnest(%s::uuid[], %s::uuid[]) AS u (organisation_id, subject_id)"
                " USING (organisation_id, subject_id)" + (" ORDER BY k.id FOR SHARE OF k" if to_seal else ""),
                [[one for one, _ in ordered], [one for _, one in ordered]],
            )
            return [stored_key(row) for row in cursor.fetchall()]

    def add_all(self, keys: Collection[StoredKey]) -> None:
        """Insert keys with one statement; a subject that has got one meanwhile keeps that."""
        now = datetime.now(UTC)
        blobs = [key.wrapped for key in keys if key.wrapped is not None]
        if len(blobs) != len(keys):
            raise ValueError("a new key is wrapped")
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO core_subjectkey (id, {_COLUMNS}) SELECT * FROM unnest("
                "%s::uuid[], %s::bytea[], %s::uuid[], %s::uuid[], %s::bytea[], %s::int[], %s::bytea[])"
                " ON CONFLICT (organisation_id, subject_id) DO NOTHING",
                [
                    [ids.uuid7(now) for _ in keys],
                    [key.key_id for key in keys],
                    [key.organisation_id for key in keys],
                    [key.subject_id for key in keys],
                    [wrapped.blob for wrapped in blobs],
                    [wrapped.version for wrapped in blobs],
                    [key.check_value for key in keys],
                ],
            )

    def replace_wrapping(self, key: StoredKey, *, former_version: int) -> bool:
        """Store a key's new wrapping, unless it was wrapped again or destroyed meanwhile."""
        if key.wrapped is None:
            raise ValueError("a destroyed key has no wrapping")
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE core_subjectkey SET wrapped = %s, kek_version = %s"
                " WHERE key_id = %s AND kek_version = %s AND destroyed_at IS NULL",
                [key.wrapped.blob, key.wrapped.version, key.key_id, former_version],
            )
            return cursor.rowcount == 1

    def _one(self, condition: str, parameters: list[Any]) -> StoredKey | None:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {_COLUMNS} FROM core_subjectkey WHERE {condition}", parameters)
            row = cursor.fetchone()
        return None if row is None else stored_key(row)


def stored_key(row: tuple[Any, ...]) -> StoredKey:
    """Read a row of the six columns of a key."""
    key_id, organisation_id, subject_id, wrapped, kek_version, check_value = row
    return StoredKey(
        key_id=bytes(key_id),
        organisation_id=organisation_id,
        subject_id=subject_id,
        wrapped=None if wrapped is None else Wrapped(bytes(wrapped), kek_version),
        check_value=bytes(check_value),
    )
