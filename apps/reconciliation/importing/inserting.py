"""Writing a hundred thousand lines: one statement for thousands of rows, each subject's key looked up once."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from apps.core.crypto.bulk import sealed_values
from apps.reconciliation.models import StatementLine

CHUNK = 2_000
"""Rows of one INSERT: enough to hide the round trip, few enough to need little memory."""

_TYPES = {
    "id": "uuid",
    "organisation_id": "uuid",
    "bank_account_id": "uuid",
    "statement_id": "uuid",
    "subject_id": "uuid",
    "position": "integer",
    "part": "integer",
    "kind": "text",
    "status": "text",
    "amount_minor": "bigint",
    "currency": "text",
    "booking_date": "date",
    "value_date": "date",
    "end_to_end": "text",
    "uetr": "text",
    "message_id": "text",
    "batch_id": "text",
    "creditor_reference": "text",
    "bank_reference": "text",
    "bank_code": "text",
    "return_reason": "text",
    "reversal": "boolean",
    "counterparty": "bytea",
    "fingerprint": "text",
    "state": "text",
}
"""Every column but the sealed text and the match, which a new line has not."""

_SQL = (
    f"INSERT INTO reconciliation_statementline ({', '.join(_TYPES)}, text) "
    f"SELECT * FROM unnest({', '.join(f'%s::{kind}[]' for kind in _TYPES.values())}, %s::bytea[])"
)


def insert_lines(lines: Sequence[StatementLine]) -> None:
    """Insert new lines with their texts sealed. Raises IntegrityError for a line that is there."""
    with connection.cursor() as cursor:
        for start in range(0, len(lines), CHUNK):
            rows = lines[start : start + CHUNK]
            columns = [[getattr(row, name) for row in rows] for name in _TYPES]
            cursor.execute(_SQL, [*columns, sealed_values(rows, "text")])
