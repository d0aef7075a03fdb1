"""Which organisation's rows the database shows: row-level security, switched per transaction.

The setting `bezant.organisation` holds an organisation's id, `*` for the whole platform, or nothing,
in which case every business table looks empty. It is set LOCAL to a transaction, so that it cannot
leak to the next user of a pooled connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from uuid import UUID

from django.db import connection, transaction


class Platform(Enum):
    """The scope of staff and of the platform's own processes: every organisation."""

    EVERY_ORGANISATION = "*"


PLATFORM = Platform.EVERY_ORGANISATION


def setting_of(organisation_id: UUID | Platform | None) -> str:
    """Write a scope as the value of the database setting; None is the whole platform."""
    return "*" if organisation_id is None or organisation_id is PLATFORM else str(organisation_id)


def switch(organisation_id: UUID | Platform | None) -> None:
    """Set the scope for the rest of the open transaction. Raises RuntimeError outside of one."""
    if not connection.in_atomic_block:
        raise RuntimeError("a scope needs an open transaction")
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('bezant.organisation', %s, true)", [setting_of(organisation_id)])


def current_setting() -> str:
    """Tell the database's present scope: an organisation's id, `*` or nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(current_setting('bezant.organisation', true), '')")
        return str(cursor.fetchone()[0])


@contextmanager
def scope(organisation_id: UUID | Platform) -> Iterator[None]:
    """Show the rows of one organisation, or of all, while the block runs, in one transaction.

    Inside an open transaction the former scope comes back at the end of the block.
    """
    nested = connection.in_atomic_block
    with transaction.atomic(savepoint=False):
        before = current_setting() if nested else ""
        switch(organisation_id)
        yield
        if nested:
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('bezant.organisation', %s, true)", [before])
