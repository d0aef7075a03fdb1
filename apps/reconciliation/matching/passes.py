"""The matching passes, each one SQL statement over everything open on one bank account.

A pass proposes: rows of (key, line_id, expectation_id), a key being one match. The frame around it
keeps a key only if none of its lines and expectations stands under another key too: a match is unique
on both sides or is not made. Keys come from content alone, so the order of arrival changes nothing.

Amounts are compared to the cent. A reference that contradicts (both sides have one, and they differ)
keeps the weaker passes from joining two rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection

from apps.reconciliation.domain.words import Method

CANDIDATES_MAX = 12
"""How many expectations (or lines) are tried together for an exact sum."""

ALIKE_MAX = 50
"""More open rows than this with the same counterparty and amount are ambiguous without looking."""

_OPEN_LINES = """
line AS NOT MATERIALIZED (
    SELECT id, amount_minor, currency, end_to_end, uetr, message_id, batch_id, creditor_reference,
           counterparty, booking_date, coalesce(value_date, booking_date) AS at_date
    FROM reconciliation_statementline
    WHERE bank_account_id = %(account)s AND state = 'open' AND booking_date <= %(as_of)s
)"""

_OPEN_EXPECTATIONS = """
expected AS NOT MATERIALIZED (
    SELECT id, organisation_id, amount_minor, currency, end_to_end, uetr, message_id, batch_id,
           creditor_reference, group_reference, counterparty, window_from, window_to
    FROM reconciliation_expectation
    WHERE bank_account_id = %(account)s AND state = 'open'
)"""

# Returns look for what was matched before, and come with the opposite sign.
_RETURNABLE_EXPECTATIONS = """
expected AS NOT MATERIALIZED (
    SELECT id, organisation_id, -amount_minor AS amount_minor, currency, end_to_end, uetr
    FROM reconciliation_expectation
    WHERE bank_account_id = %(account)s AND state = 'matched' AND returned_match_id IS NULL
)"""

NO_CONTRADICTION = """
    (e.end_to_end = '' OR l.end_to_end = '' OR e.end_to_end = l.end_to_end)
    AND (e.creditor_reference = '' OR l.creditor_reference = '' OR e.creditor_reference = l.creditor_reference)
    AND (e.uetr = '' OR l.uetr = '' OR e.uetr = l.uetr)"""

_BY_REFERENCE = """
proposed AS (
    SELECT l.id::text || e.id::text AS key, l.id AS line_id, e.id AS expectation_id
    FROM line l JOIN expected e ON e.end_to_end = l.end_to_end
        AND e.amount_minor = l.amount_minor AND e.currency = l.currency
    WHERE l.end_to_end <> ''
    UNION
    SELECT l.id::text || e.id::text, l.id, e.id
    FROM line l JOIN expected e ON e.uetr = l.uetr
        AND e.amount_minor = l.amount_minor AND e.currency = l.currency
    WHERE l.uetr <> ''
)"""

# Lines name a batch by several of their references; groups are told apart by their members.
_BY_GROUP = """
named AS (
    SELECT id, currency, amount_minor, batch_id AS reference FROM line WHERE batch_id <> ''
    UNION SELECT id, currency, amount_minor, message_id FROM line WHERE message_id <> ''
    UNION SELECT id, currency, amount_minor, end_to_end FROM line WHERE end_to_end <> ''
    UNION SELECT id, currency, amount_minor, creditor_reference FROM line WHERE creditor_reference <> ''
), member AS (
    {members}
), whole AS (
    SELECT reference, currency, sum(amount_minor)::bigint AS total, array_agg(id ORDER BY id) AS ids
    FROM member GROUP BY reference, currency
), proposed AS (
    SELECT DISTINCT n.id::text || md5(w.ids::text) AS key, n.id AS line_id, m.id AS expectation_id
    FROM named n
    JOIN whole w ON w.reference = n.reference AND w.currency = n.currency AND w.total = n.amount_minor
    CROSS JOIN LATERAL unnest(w.ids) AS m(id)
)"""

_BATCHES = """
    SELECT id, currency, amount_minor, batch_id AS reference FROM expected WHERE batch_id <> ''
    UNION SELECT id, currency, amount_minor, message_id FROM expected WHERE message_id <> ''"""

_SETTLEMENTS = """
    SELECT id, currency, amount_minor, group_reference AS reference FROM expected
    WHERE group_reference <> ''"""

_BY_CREDITOR_REFERENCE = f"""
proposed AS (
    SELECT l.id::text || e.id::text AS key, l.id AS line_id, e.id AS expectation_id
    FROM line l JOIN expected e ON e.creditor_reference = l.creditor_reference
        AND e.amount_minor = l.amount_minor AND e.currency = l.currency
    WHERE l.creditor_reference <> '' AND {NO_CONTRADICTION}
)"""

# Groups are counted before they are joined: a payer of ten thousand equal amounts must not cost
# a hundred million pairs.
ALIKE_PAIRS = f"""
alike_line AS (
    SELECT *, count(*) OVER (PARTITION BY counterparty, amount_minor, currency) AS alike
    FROM line WHERE counterparty IS NOT NULL
), alike_expected AS (
    SELECT *, count(*) OVER (PARTITION BY counterparty, amount_minor, currency) AS alike
    FROM expected WHERE counterparty IS NOT NULL AND group_reference = ''
), alike_pair AS (
    SELECT l.id AS line_id, e.id AS expectation_id, ({NO_CONTRADICTION}) AS agrees
    FROM alike_line l JOIN alike_expected e ON e.counterparty = l.counterparty
        AND e.amount_minor = l.amount_minor AND e.currency = l.currency
    WHERE l.alike <= {ALIKE_MAX} AND e.alike <= {ALIKE_MAX}
        AND l.at_date BETWEEN e.window_from AND e.window_to
)"""

_BY_COUNTERPARTY = f"""{ALIKE_PAIRS},
proposed AS (
    SELECT line_id::text || expectation_id::text AS key, line_id, expectation_id
    FROM alike_pair WHERE agrees
)"""

# An exact sum: sets grow one member at a time and stop where they pass the target. A target with more
# than one solution is dropped, and so is a member that two targets want (by the frame).
_BY_SUM = """
block_line AS (
    SELECT *, count(*) OVER (PARTITION BY {block}, currency, sign(amount_minor)) AS alike
    FROM line l WHERE {line_blocked}
), block_expected AS (
    SELECT *, count(*) OVER (PARTITION BY {block}, currency, sign(amount_minor)) AS alike
    FROM expected e WHERE {expected_blocked} AND group_reference = ''
), near AS (
    SELECT {one}.id AS target_id, {one}.amount_minor AS target, {many}.id AS member_id,
           {many}.amount_minor AS amount, count(*) OVER (PARTITION BY {one}.id) AS members,
           row_number() OVER (PARTITION BY {one}.id ORDER BY {many}.id) AS place
    FROM block_line l JOIN block_expected e ON e.{block} = l.{block} AND e.currency = l.currency
        AND sign(e.amount_minor) = sign(l.amount_minor)
    WHERE {many}.alike <= {most} AND {one}.alike <= 200
        AND abs({many}.amount_minor) < abs({one}.amount_minor)
        AND l.at_date BETWEEN e.window_from AND e.window_to AND {no_contradiction}
), sums AS (
    SELECT target_id, target, place, amount AS total, ARRAY[member_id] AS ids
    FROM near WHERE members BETWEEN 2 AND {most}
    UNION ALL
    SELECT s.target_id, s.target, n.place, s.total + n.amount, s.ids || n.member_id
    FROM sums s JOIN near n ON n.target_id = s.target_id AND n.place > s.place
    WHERE abs(s.total + n.amount) <= abs(s.target)
), solved AS (
    SELECT target_id, ids, count(*) OVER (PARTITION BY target_id) AS solutions
    FROM sums WHERE total = target AND cardinality(ids) > 1
), proposed AS (
    SELECT target_id::text AS key, {pair}
    FROM solved CROSS JOIN LATERAL unnest(ids) AS m(id) WHERE solutions = 1
)"""


def _by_sum(*, block: str, one: str) -> str:
    # Parts of a whole carry references of their own, so only the blocking field has to agree.
    pair = {
        "l": "target_id AS line_id, m.id AS expectation_id",
        "e": "m.id AS line_id, target_id AS expectation_id",
    }[one]
    present = {
        "counterparty": "{0}.counterparty IS NOT NULL",
        "creditor_reference": "{0}.creditor_reference <> ''",
    }
    return _BY_SUM.format(
        block=block,
        one=one,
        many="e" if one == "l" else "l",
        most=CANDIDATES_MAX,
        pair=pair,
        line_blocked=present[block].format("l"),
        expected_blocked=present[block].format("e"),
        no_contradiction=NO_CONTRADICTION,
    )


_FRAME = """
WITH RECURSIVE {lines}, {expectations}, {proposals},
seen AS MATERIALIZED (
    SELECT key COLLATE "C" AS key, line_id, expectation_id,  -- bytes compare faster than words
           min(key COLLATE "C") OVER line <> max(key COLLATE "C") OVER line
           OR min(key COLLATE "C") OVER ours <> max(key COLLATE "C") OVER ours AS clashes
    FROM proposed WINDOW line AS (PARTITION BY line_id), ours AS (PARTITION BY expectation_id)
), pair AS MATERIALIZED (
    SELECT key, line_id, expectation_id FROM seen
    WHERE key NOT IN (SELECT key FROM seen WHERE clashes)
), item AS MATERIALIZED (
    SELECT p.key, l.id AS line_id, NULL::uuid AS expectation_id, NULL::uuid AS owner_id,
           l.amount_minor, l.currency, l.booking_date
    FROM (SELECT DISTINCT key, line_id FROM pair) p JOIN line l ON l.id = p.line_id
    UNION ALL
    SELECT p.key, NULL, e.id, e.organisation_id, e.amount_minor, e.currency, NULL
    FROM (SELECT DISTINCT key, expectation_id FROM pair) p JOIN expected e ON e.id = p.expectation_id
), found AS (
    SELECT key, min(currency) AS currency, max(booking_date) AS day,
           sha256(convert_to(%(method)s || string_agg(
               coalesce(line_id, expectation_id)::text, ',' ORDER BY coalesce(line_id, expectation_id)
           ), 'UTF8')) AS content_hash,
           coalesce(sum(amount_minor) FILTER (WHERE line_id IS NOT NULL), 0)::bigint AS bank_minor,
           coalesce(sum(amount_minor) FILTER (WHERE expectation_id IS NOT NULL), 0)::bigint AS expected_minor
    FROM item GROUP BY key
), numbered AS MATERIALIZED (
    SELECT f.*, 1 + (
        SELECT count(*) FROM reconciliation_match m WHERE m.content_hash = f.content_hash
    )::int AS version
    FROM found f
), named_match AS MATERIALIZED (
    SELECT *, reconciliation_id(day, encode(content_hash, 'hex') || version::text) AS id FROM numbered
), made AS (
    INSERT INTO reconciliation_match (
        id, organisation_id, bank_account_id, method, state, content_hash, version, currency, bank_minor,
        expected_minor, day, journals, made_by, made_at, undone_by, reason
    )
    SELECT id, %(organisation)s, %(account)s, %(method)s, 'made', content_hash, version, currency,
           bank_minor, expected_minor, day, '[]', %(actor)s, %(at)s, '', ''
    FROM named_match
), held AS (
    INSERT INTO reconciliation_matchitem (
        organisation_id, match_id, line_id, expectation_id, expectation_organisation_id, amount_minor
    )
    SELECT %(organisation)s, n.id, i.line_id, i.expectation_id, i.owner_id, i.amount_minor
    FROM item i JOIN named_match n ON n.key = i.key
), bank AS (
    UPDATE reconciliation_statementline s SET state = 'matched', match_id = n.id
    FROM item i JOIN named_match n ON n.key = i.key WHERE s.id = i.line_id
), ours AS (
    UPDATE reconciliation_expectation s SET {change}
    FROM item i JOIN named_match n ON n.key = i.key WHERE s.id = i.expectation_id
)
SELECT count(*) FROM named_match
"""

_SETTLES = "state = 'matched', match_id = n.id"
_COMES_BACK = "returned_match_id = n.id"


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass: how it joins, and the statement that does it."""

    method: Method
    sql: str


def _pass(
    method: Method, proposals: str, *, expectations: str = _OPEN_EXPECTATIONS, change: str = _SETTLES
) -> Pass:
    sql = _FRAME.format(lines=_OPEN_LINES, expectations=expectations, proposals=proposals, change=change)
    return Pass(method, sql)


PASSES: tuple[Pass, ...] = (
    _pass(Method.REFERENCE, _BY_REFERENCE),
    _pass(Method.BATCH, _BY_GROUP.format(members=_BATCHES)),
    _pass(Method.CREDITOR_REFERENCE, _BY_CREDITOR_REFERENCE),
    _pass(Method.SETTLEMENT, _BY_GROUP.format(members=_SETTLEMENTS)),
    _pass(Method.COUNTERPARTY, _BY_COUNTERPARTY),
    _pass(Method.ONE_TO_MANY, _by_sum(block="creditor_reference", one="l")),
    _pass(Method.MANY_TO_ONE, _by_sum(block="creditor_reference", one="e")),
    _pass(Method.ONE_TO_MANY, _by_sum(block="counterparty", one="l")),
    _pass(Method.MANY_TO_ONE, _by_sum(block="counterparty", one="e")),
    _pass(Method.RETURN, _BY_REFERENCE, expectations=_RETURNABLE_EXPECTATIONS, change=_COMES_BACK),
)
"""In the order of their strength: what a stronger pass joined, a weaker one does not see."""


def run_passes(parameters: dict[str, Any]) -> Iterator[tuple[Method, int]]:
    """Run the passes in order and yield how many matches each made.

    `parameters`: account, organisation (the account's), as_of, actor, at. Needs the platform's scope
    and the lock on the bank account, so that two runs do not match the same line.
    """
    with connection.cursor() as cursor:
        for one in PASSES:
            cursor.execute(one.sql, {**parameters, "method": one.method.value})
            yield one.method, int(cursor.fetchone()[0])
