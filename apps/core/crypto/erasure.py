"""Erasing a person: their data key is destroyed, and what was sealed under it is noise for ever."""

from __future__ import annotations

import os
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from apps.core import db, ids
from apps.core.crypto.envelope import KEY_ID_SIZE
from apps.core.crypto.runtime import key_ring


def destroy_subject_key(*, organisation_id: UUID, subject_id: UUID, at: datetime) -> bool:
    """Destroy a subject's data key; tell whether it was alive until now.

    A subject that never had a key gets a destroyed one, so that nothing is ever sealed for it again.
    Call it last in the transaction of the erasure, after the rows of the subject are dealt with:
    whoever saves such a row holds its lock and then asks for the key. Other processes forget the key
    within the age of their cache (60 seconds). Raises RuntimeError outside of a transaction.
    """
    db.require_transaction()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE core_subjectkey SET wrapped = NULL, destroyed_at = %s"
            " WHERE organisation_id = %s AND subject_id = %s AND destroyed_at IS NULL"
            " RETURNING key_id",
            [at, organisation_id, subject_id],
        )
        row = cursor.fetchone()
        if row is None:
            return _place_tombstone(organisation_id, subject_id, at)
    key_id = bytes(row[0])
    transaction.on_commit(lambda: key_ring().forget(key_id))
    return True


def _place_tombstone(organisation_id: UUID, subject_id: UUID, at: datetime) -> bool:
    """Insert a destroyed key where there is none; destroy the one that somebody else just inserted."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_subjectkey"
            " (id, organisation_id, subject_id, key_id, kek_version, check_value, destroyed_at)"
            " VALUES (%s, %s, %s, %s, 0, '', %s)"
            " ON CONFLICT (organisation_id, subject_id) DO NOTHING",
            [ids.uuid7(at), organisation_id, subject_id, os.urandom(KEY_ID_SIZE), at],
        )
        if cursor.rowcount == 1:
            return False
        cursor.execute(
            "SELECT destroyed_at IS NULL FROM core_subjectkey"
            " WHERE organisation_id = %s AND subject_id = %s FOR UPDATE",
            [organisation_id, subject_id],
        )
        row = cursor.fetchone()
    alive = row is not None and row[0]
    return alive and destroy_subject_key(organisation_id=organisation_id, subject_id=subject_id, at=at)
