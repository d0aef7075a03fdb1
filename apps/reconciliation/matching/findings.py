"""What is left after the passes, and why: one statement that names a reason for every open line and
for every expectation past its time. The reasons are tried in this order, and the first that fits holds.

duplicate   the same reference and amount was booked more than once
data        a reference of ours on another of our accounts, or with the opposite sign; or the same
            payer and amount under a reference that is another's
currency, over, under   the reference is ours, or that of a batch or settlement of ours, and the money or the
            sum is not what we expected
ambiguous   several candidates
unexplained nothing of ours is like it
missing     expected, its window is over, and no break above speaks of it
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db import connection

from apps.reconciliation.matching.passes import _OPEN_EXPECTATIONS, _OPEN_LINES, ALIKE_MAX, ALIKE_PAIRS

_SQL = f"""
WITH {_OPEN_LINES}, {_OPEN_EXPECTATIONS}, {ALIKE_PAIRS},
twin AS (  -- open lines that say the same under one of our references
    SELECT l.id, l.end_to_end,
           row_number() OVER (PARTITION BY l.end_to_end, l.amount_minor, l.currency
                              ORDER BY l.booking_date, l.id) AS place,
           count(*) OVER (PARTITION BY l.end_to_end, l.amount_minor, l.currency) AS twins
    FROM line l WHERE l.end_to_end <> ''
), twin_of_ours AS (
    SELECT t.id AS line_id, e.id AS expectation_id, t.place
    FROM twin t JOIN expected e ON e.end_to_end = t.end_to_end WHERE t.twins > 1
), booked AS (  -- matched before; by way of an array, so that the index is used however long the history
    SELECT m.end_to_end, m.amount_minor, m.currency FROM reconciliation_statementline m
    WHERE m.bank_account_id = %(account)s AND m.state = 'matched' AND m.end_to_end <> ''
        AND m.end_to_end = ANY ((SELECT array_agg(end_to_end) FROM line WHERE end_to_end <> '')::varchar[])
), booked_twin AS (  -- lines whose twin is among them
    SELECT DISTINCT l.id AS line_id FROM line l JOIN booked m ON m.end_to_end = l.end_to_end
        AND m.amount_minor = l.amount_minor AND m.currency = l.currency
), duplicate AS (
    SELECT line_id, CASE WHEN place = 1 THEN expectation_id END AS expectation_id FROM twin_of_ours
    UNION ALL SELECT line_id, NULL FROM booked_twin
        WHERE line_id NOT IN (SELECT line_id FROM twin_of_ours)
), referred AS (  -- lines with a reference of ours, whatever the amount
    SELECT l.id AS line_id, e.id AS expectation_id FROM line l
        JOIN expected e ON e.end_to_end = l.end_to_end WHERE l.end_to_end <> ''
    UNION SELECT l.id, e.id FROM line l JOIN expected e ON e.uetr = l.uetr WHERE l.uetr <> ''
    UNION SELECT l.id, e.id FROM line l
        JOIN expected e ON e.creditor_reference = l.creditor_reference WHERE l.creditor_reference <> ''
    UNION SELECT l.id, e.id FROM line l
        JOIN (SELECT batch_id, min(id::text)::uuid AS id FROM expected WHERE batch_id <> ''
              GROUP BY batch_id HAVING count(*) = 1) e ON e.batch_id = l.batch_id
        WHERE l.batch_id <> '' AND l.end_to_end = ''
), counted AS (
    SELECT *, count(*) OVER (PARTITION BY line_id) AS per_line,
           count(*) OVER (PARTITION BY expectation_id) AS per_expectation
    FROM referred WHERE line_id NOT IN (SELECT line_id FROM duplicate)
), by_reference AS (
    SELECT l.id AS line_id,
           CASE WHEN c.per_line = 1 AND c.per_expectation = 1 THEN e.id END AS expectation_id,
           CASE WHEN c.per_line > 1 OR c.per_expectation > 1 THEN 'ambiguous'
                WHEN l.currency <> e.currency THEN 'currency'
                WHEN sign(l.amount_minor) <> sign(e.amount_minor) THEN 'data'
                WHEN abs(l.amount_minor) > abs(e.amount_minor) THEN 'over'
                WHEN abs(l.amount_minor) < abs(e.amount_minor) THEN 'under'
                ELSE 'ambiguous' END AS reason,
           e.id AS candidate
    FROM counted c JOIN line l ON l.id = c.line_id JOIN expected e ON e.id = c.expectation_id
), named AS (
    SELECT id, currency, amount_minor, batch_id AS reference FROM line WHERE batch_id <> ''
    UNION SELECT id, currency, amount_minor, message_id FROM line WHERE message_id <> ''
    UNION SELECT id, currency, amount_minor, end_to_end FROM line WHERE end_to_end <> ''
    UNION SELECT id, currency, amount_minor, creditor_reference FROM line WHERE creditor_reference <> ''
), member AS (
    SELECT id, currency, amount_minor, batch_id AS reference FROM expected WHERE batch_id <> ''
    UNION SELECT id, currency, amount_minor, message_id FROM expected WHERE message_id <> ''
    UNION SELECT id, currency, amount_minor, group_reference FROM expected WHERE group_reference <> ''
), whole AS (
    SELECT reference, currency, sum(amount_minor)::bigint AS total, array_agg(id ORDER BY id) AS ids
    FROM member GROUP BY reference, currency
), by_group AS (  -- lines that name a batch or a settlement whose sum is another
    SELECT n.id AS line_id, w.total, w.ids,
           CASE WHEN n.currency <> w.currency THEN 'currency'
                WHEN sign(n.amount_minor) <> sign(w.total) THEN 'data'
                WHEN abs(n.amount_minor) > abs(w.total) THEN 'over'
                WHEN abs(n.amount_minor) < abs(w.total) THEN 'under'
                ELSE 'ambiguous' END AS reason
    FROM named n JOIN whole w ON w.reference = n.reference
    WHERE n.id NOT IN (SELECT line_id FROM duplicate) AND n.id NOT IN (SELECT line_id FROM by_reference)
), elsewhere AS (  -- a reference of ours, booked on another of our accounts than it should be
    SELECT l.id AS line_id, (array_agg(o.id ORDER BY o.id))[1] AS expectation_id FROM line l
    JOIN reconciliation_expectation o ON o.end_to_end = l.end_to_end AND o.state = 'open'
        AND o.bank_account_id <> %(account)s
    WHERE l.end_to_end <> '' GROUP BY l.id
), paired AS (
    SELECT *, count(*) OVER (PARTITION BY line_id) AS per_line,
           count(*) OVER (PARTITION BY expectation_id) AS per_expectation,
           bool_or(agrees) OVER (PARTITION BY line_id) AS some_agree
    FROM alike_pair
    WHERE line_id NOT IN (SELECT line_id FROM duplicate)
        AND line_id NOT IN (SELECT line_id FROM by_reference)
        AND line_id NOT IN (SELECT line_id FROM by_group)
        AND line_id NOT IN (SELECT line_id FROM elsewhere)
), by_payer AS (
    SELECT line_id,
           CASE WHEN per_line = 1 AND per_expectation = 1 THEN expectation_id END AS expectation_id,
           CASE WHEN some_agree THEN 'ambiguous' WHEN per_line = 1 AND per_expectation = 1 THEN 'data'
                ELSE 'ambiguous' END AS reason,
           expectation_id AS candidate
    FROM paired
), crowded AS (  -- too many alike to look at each
    SELECT l.id AS line_id FROM alike_line l
    WHERE l.alike > {ALIKE_MAX} AND EXISTS (
        SELECT FROM expected e WHERE e.counterparty = l.counterparty
            AND e.amount_minor = l.amount_minor AND e.currency = l.currency)
), told AS (
    SELECT line_id, expectation_id, 'duplicate' AS reason, NULL::uuid AS candidate, NULL::bigint AS total,
           1 AS rank FROM duplicate
    UNION ALL SELECT line_id, expectation_id, reason, candidate, NULL, 2 FROM by_reference
    UNION ALL SELECT g.line_id, CASE WHEN cardinality(g.ids) = 1 THEN g.ids[1] END, g.reason, m.id, g.total, 3
        FROM by_group g CROSS JOIN LATERAL unnest(g.ids) AS m(id)
    UNION ALL SELECT line_id, expectation_id, 'data', expectation_id, NULL, 4 FROM elsewhere
    UNION ALL SELECT line_id, expectation_id, reason, candidate, NULL, 5 FROM by_payer
    UNION ALL SELECT line_id, NULL, 'ambiguous', NULL, NULL, 6 FROM crowded
    UNION ALL SELECT id, NULL, 'unexplained', NULL, NULL, 7 FROM line
), best AS (
    SELECT line_id, (array_agg(total ORDER BY rank, reason))[1] AS total, (array_agg(reason ORDER BY rank, reason))[1] AS reason, min(rank) AS rank,
           (array_agg(expectation_id ORDER BY rank, expectation_id))[1] AS expectation_id,
           array_remove(array_agg(DISTINCT candidate), NULL) AS candidates
    FROM told GROUP BY line_id
), spoken_of AS (
    SELECT expectation_id AS id FROM best WHERE expectation_id IS NOT NULL
    UNION SELECT unnest(candidates) FROM best
)
SELECT b.line_id, b.expectation_id, e.organisation_id, b.reason, l.booking_date,
       CASE WHEN b.total IS NOT NULL AND b.reason <> 'currency' THEN l.amount_minor - b.total
            WHEN e.id IS NULL THEN l.amount_minor
            WHEN e.currency = l.currency THEN l.amount_minor - e.amount_minor
            ELSE l.amount_minor END,
       l.currency, coalesce(b.candidates[1:10], '{{}}')
FROM best b JOIN line l ON l.id = b.line_id
LEFT JOIN reconciliation_expectation e ON e.id = b.expectation_id
UNION ALL
SELECT NULL, e.id, e.organisation_id, 'missing', e.window_to, -e.amount_minor, e.currency, '{{}}'
FROM expected e WHERE e.window_to < %(as_of)s AND e.id NOT IN (SELECT id FROM spoken_of)
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """A line or an expectation, or both, with the reason why they are a break."""

    line_id: UUID | None
    expectation_id: UUID | None
    owner_id: UUID | None  # the expectation's organisation
    reason: str
    day: date
    difference_minor: int
    currency: str
    candidates: tuple[UUID, ...]


def find(parameters: dict[str, Any]) -> list[Finding]:
    """Name what is left open on an account as of a day. `parameters`: account, as_of."""
    with connection.cursor() as cursor:
        cursor.execute(_SQL, {"account": parameters["account"], "as_of": parameters["as_of"]})
        rows = [_finding(row) for row in cursor.fetchall()]
    return _one_break_each(rows)


def _finding(row: tuple[Any, ...]) -> Finding:
    line_id, expectation_id, owner_id, reason, day, difference_minor, currency, candidates = row
    return Finding(
        line_id, expectation_id, owner_id, reason, day, difference_minor, currency, tuple(candidates)
    )


def _one_break_each(rows: list[Finding]) -> list[Finding]:
    """Keep an expectation in one break only: the first line's, by key; the others stand alone."""
    taken: set[UUID] = set()
    kept = []
    for row in sorted(rows, key=lambda row: (row.line_id is None, str(row.line_id), str(row.expectation_id))):
        if row.expectation_id is None:
            kept.append(row)
            continue
        if row.expectation_id not in taken:
            taken.add(row.expectation_id)
            kept.append(row)
        elif row.line_id is not None:
            kept.append(
                Finding(
                    row.line_id,
                    None,
                    None,
                    row.reason,
                    row.day,
                    row.difference_minor,
                    row.currency,
                    (row.expectation_id,),
                )
            )
    return kept


def count_expected(parameters: dict[str, Any]) -> int:
    """Count open expectations whose time is not over: they are no breaks."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM reconciliation_expectation WHERE bank_account_id = %(account)s "
            "AND state = 'open' AND window_to >= %(as_of)s",
            {"account": parameters["account"], "as_of": parameters["as_of"]},
        )
        return int(cursor.fetchone()[0])
