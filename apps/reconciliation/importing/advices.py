"""Advices whose entries carry no reference of the bank's: joined to the statement's batch by our own.

An advice (camt.054) opens a batch that the statement books as one amount. Where the bank's reference does
not say that the two are one entry, the batch's own does (PmtInfId, MsgId), with the amount and the day, if
it is unique on both sides.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from django.db import connection

from apps.reconciliation.importing.retold import retell_from
from apps.reconciliation.lines import content_id
from apps.reconciliation.models import BankAccount, Statement, StatementLine

_PAIRS = """
WITH part AS (
    SELECT l.fingerprint, l.amount_minor, l.currency, l.booking_date, l.batch_id, l.message_id, l.part,
           l.kind, l.state, s.kind AS told_by
    FROM reconciliation_statementline l JOIN reconciliation_statement s ON s.id = l.statement_id
    WHERE l.bank_account_id = %(account)s AND l.booking_date = ANY(%(days)s)
        AND (l.batch_id <> '' OR l.message_id <> '')
), advised AS (
    SELECT fingerprint, currency, booking_date, sum(amount_minor) AS total,
           CASE WHEN min(batch_id) = max(batch_id) THEN min(batch_id) ELSE '' END AS batch_id,
           CASE WHEN min(message_id) = max(message_id) THEN min(message_id) ELSE '' END AS message_id
    FROM part WHERE told_by = 'advice' GROUP BY 1, 2, 3 HAVING count(*) > 1
), booked AS (
    SELECT * FROM part p WHERE told_by = 'statement' AND kind = 'entry' AND state = 'open' AND part = 0
), pair AS (
    SELECT b.fingerprint AS booked, a.fingerprint AS advised,
           count(*) OVER (PARTITION BY b.fingerprint) AS advices,
           count(*) OVER (PARTITION BY a.fingerprint) AS bookings
    FROM booked b JOIN advised a ON a.currency = b.currency AND a.booking_date = b.booking_date
        AND a.total = b.amount_minor
        AND (a.batch_id <> '' AND a.batch_id = b.batch_id
             OR a.message_id <> '' AND a.message_id = b.message_id AND a.batch_id = b.batch_id)
)
SELECT booked, advised FROM pair WHERE advices = 1 AND bookings = 1 ORDER BY booked
"""


def open_advised_batches(account: BankAccount, days: Iterable[date]) -> int:
    """Open batches of the statements on some days into what advices tell of them; return how many.

    It does not matter which of the two came first.
    """
    with connection.cursor() as cursor:
        cursor.execute(_PAIRS, {"account": account.id, "days": sorted(set(days))})
        pairs: list[tuple[str, str]] = cursor.fetchall()
    for booked, advised in pairs:
        _open(account, booked, advised)
    return len(pairs)


def _open(account: BankAccount, booked: str, advised: str) -> None:
    lines = StatementLine.objects.filter(bank_account_id=account.id)
    old = list(lines.filter(fingerprint=booked).order_by("part"))
    home = Statement.objects.get(id=old[0].statement_id)
    new = [_as_part_of(old[0], told) for told in lines.filter(fingerprint=advised).order_by("part")]
    retell_from(new, old, home, account)


def _as_part_of(whole: StatementLine, told: StatementLine) -> StatementLine:
    """Make a part of the booked entry that says what the advice's part says."""
    text = told.text.reveal() if told.text is not None else None
    key: UUID = content_id(whole.booking_date, str(whole.bank_account_id), whole.fingerprint, str(told.part))
    told.id, told.fingerprint, told.text = key, whole.fingerprint, text
    told.statement_id, told.position = whole.statement_id, whole.position
    return told
