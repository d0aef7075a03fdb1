"""Sealing many values at once, for inserts of many rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast
from uuid import UUID

from django.db import models

from apps.core.crypto.context import Context
from apps.core.crypto.fields import EncryptedTextField
from apps.core.crypto.padding import padded
from apps.core.crypto.runtime import key_ring


def sealed_values(rows: Sequence[models.Model], name: str) -> list[bytes | None]:
    """Seal a text field of many new rows, as a save of each would.

    A subject's key is looked up once, and kept from destruction until the transaction ends: the values
    belong into that transaction. Raises KeyDestroyed.
    """
    sealers: dict[tuple[UUID, UUID], Callable[[bytes, Context], bytes]] = {}
    sealed: list[bytes | None] = []
    for row in rows:
        field = cast(EncryptedTextField, row._meta.get_field(name))
        value = row.__dict__.get(field.attname)
        if value is None:
            sealed.append(None)
            continue
        context = field.context_of(row)
        subject = (context.organisation_id, cast(Any, getattr(row, field.subject)))
        if subject not in sealers:
            sealers[subject] = key_ring().sealer(organisation_id=subject[0], subject_id=subject[1])
        sealed.append(sealers[subject](padded(value.reveal()), context))
    return sealed
