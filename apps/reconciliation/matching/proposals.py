"""What lines in breaks might be: candidates with a score and its reasons, for a person to decide on.

Nothing here matches or posts. Candidates have the amount, the payer or a reference in common with the line;
or a similar name, with the same or a close amount, in their time. Names are sealed: those of the candidates
that amount and time leave are opened while a run proposes, and kept nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import connection

from apps.core.commands import Context
from apps.core.crypto.errors import KeyDestroyed
from apps.payments import public as payments
from apps.reconciliation.domain.names import are_alike, comparable
from apps.reconciliation.domain.proposals import CLOSE_MINOR, CLOSE_PERCENT, POINTS, is_close, score_of
from apps.reconciliation.lines import content_id
from apps.reconciliation.matching.bookings import told
from apps.reconciliation.matching.passes import ALIKE_MAX
from apps.reconciliation.models import BankAccount, Expectation, Proposal, StatementLine

LINES_MAX = 2_000
"""The oldest open breaks of an account that a run looks for candidates of."""

PER_LINE_MAX = 10
NAMES_MAX = 50
"""How many names nearest to a line's amount and day are compared with its own."""

_CHUNK = 1_000

_LINES = f"""
line AS MATERIALIZED (
    SELECT l.id, l.amount_minor, l.currency, l.end_to_end, l.creditor_reference, l.counterparty,
           l.booking_date, l.text IS NOT NULL AS has_words, b.expectation_id, b.detail
    FROM reconciliation_break b JOIN reconciliation_statementline l ON l.id = b.line_id
    WHERE b.bank_account_id = %(account)s AND b.state = 'open' AND l.state = 'open'
    ORDER BY b.day, b.id LIMIT {LINES_MAX}
)"""

# The sides are counted before they are joined, so that ten thousand equal amounts cost no pairs at all.
_CANDIDATES = f"""
WITH {_LINES}, expected AS NOT MATERIALIZED (
    SELECT id, amount_minor, currency, end_to_end, creditor_reference, counterparty, due_date
    FROM reconciliation_expectation WHERE bank_account_id = %(account)s AND state = 'open'
), amount AS (
    SELECT amount_minor, currency FROM expected GROUP BY 1, 2 HAVING count(*) <= {ALIKE_MAX}
), payer AS (
    SELECT counterparty FROM expected WHERE counterparty IS NOT NULL
    GROUP BY 1 HAVING count(*) <= {ALIKE_MAX}
), pair AS (
    SELECT l.id AS line_id, l.expectation_id FROM line l WHERE l.expectation_id IS NOT NULL
    UNION SELECT l.id, c.id::uuid FROM line l
        CROSS JOIN LATERAL jsonb_array_elements_text(l.detail -> 'candidates') AS c(id)
    UNION SELECT l.id, e.id FROM line l JOIN amount USING (amount_minor, currency)
        JOIN expected e USING (amount_minor, currency)
    UNION SELECT l.id, e.id FROM line l JOIN payer USING (counterparty)
        JOIN expected e USING (counterparty) WHERE e.currency = l.currency
    UNION SELECT l.id, e.id FROM line l JOIN expected e USING (end_to_end) WHERE l.end_to_end <> ''
    UNION SELECT l.id, e.id FROM line l JOIN expected e USING (creditor_reference)
        WHERE l.creditor_reference <> ''
), ranked AS (
    SELECT p.line_id, e.id, row_number() OVER (
        PARTITION BY p.line_id
        ORDER BY e.amount_minor <> l.amount_minor, abs(e.due_date - l.booking_date), e.id
    ) AS place
    FROM pair p JOIN line l ON l.id = p.line_id JOIN reconciliation_expectation e ON e.id = p.expectation_id
    WHERE e.state = 'open'
)
SELECT line_id, id FROM ranked WHERE place <= {PER_LINE_MAX} ORDER BY line_id, id
"""

# From the line's amount upwards and downwards, each by the index of amounts and only so far: what a line
# costs does not grow with what is expected.
_NAMED_ALIKE = f"""
WITH {_LINES}, reach AS (
    SELECT id, amount_minor, currency, booking_date,
           greatest(abs(amount_minor) * {CLOSE_PERCENT} / 100, {CLOSE_MINOR}) AS reach
    FROM line WHERE has_words
), near AS (
    SELECT r.id AS line_id, r.amount_minor AS theirs, r.booking_date, n.id, n.amount_minor, n.due_date
    FROM reach r CROSS JOIN LATERAL (
        (SELECT e.id, e.amount_minor, e.due_date FROM reconciliation_expectation e
         WHERE e.bank_account_id = %(account)s AND e.state = 'open' AND e.payment_id IS NOT NULL
            AND e.currency = r.currency AND e.amount_minor BETWEEN r.amount_minor AND r.amount_minor + r.reach
            AND r.booking_date BETWEEN e.window_from AND e.window_to
         ORDER BY e.amount_minor, e.id LIMIT {NAMES_MAX})
        UNION ALL
        (SELECT e.id, e.amount_minor, e.due_date FROM reconciliation_expectation e
         WHERE e.bank_account_id = %(account)s AND e.state = 'open' AND e.payment_id IS NOT NULL
            AND e.currency = r.currency AND e.amount_minor >= r.amount_minor - r.reach
            AND e.amount_minor < r.amount_minor AND r.booking_date BETWEEN e.window_from AND e.window_to
         ORDER BY e.amount_minor DESC, e.id LIMIT {NAMES_MAX})
    ) n WHERE sign(n.amount_minor) = sign(r.amount_minor)
), ranked AS (
    SELECT line_id, id, row_number() OVER (
        PARTITION BY line_id ORDER BY abs(amount_minor - theirs), abs(due_date - booking_date), id
    ) AS place
    FROM near
)
SELECT line_id, id FROM ranked WHERE place <= {NAMES_MAX} ORDER BY line_id, place
"""

Pair = tuple[UUID, UUID]


def propose(account: BankAccount, context: Context) -> int:
    """Replace the proposals of an account; return how many there are. Needs the platform's scope."""
    Proposal.objects.filter(bank_account_id=account.id).delete()
    alike, named = _pairs(_CANDIDATES, account), _pairs(_NAMED_ALIKE, account)
    lines = StatementLine.objects.in_bulk({line_id for line_id, _ in alike + named})
    expected = Expectation.objects.in_bulk({expectation_id for _, expectation_id in alike + named})
    names = _Names(lines.values(), expected.values())
    known, of_line = set(alike), dict.fromkeys(lines, 0)
    rows = []
    for pair in alike + [pair for pair in named if pair not in known]:
        line, ours = lines[pair[0]], expected[pair[1]]
        reasons = _reasons(line, ours, names)
        by_name_alone = pair not in known
        if by_name_alone and ("similar_name" not in reasons or of_line[line.id] >= PER_LINE_MAX):
            continue
        if reasons:
            of_line[line.id] += 1
            rows.append(_proposal(account, line, ours, reasons, context))
    Proposal.objects.bulk_create(rows, batch_size=_CHUNK)
    return len(rows)


def _pairs(sql: str, account: BankAccount) -> list[Pair]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"account": account.id})
        return [(line_id, expectation_id) for line_id, expectation_id in cursor.fetchall()]


def _reasons(line: StatementLine, ours: Expectation, names: _Names) -> list[str]:
    """Say what speaks for a line being an expectation, in the order of POINTS."""
    same_currency = line.currency == ours.currency
    told_of = {
        "same_amount": same_currency and line.amount_minor == ours.amount_minor,
        "same_reference": bool(line.end_to_end and line.end_to_end == ours.end_to_end)
        or bool(line.creditor_reference and line.creditor_reference == ours.creditor_reference),
        "same_payer": ours.counterparty is not None and ours.counterparty == line.counterparty,
        "close_amount": same_currency and is_close(line.amount_minor, ours.amount_minor),
        "similar_name": names.are_alike(line, ours),
        "in_its_time": ours.window_from <= line.booking_date <= ours.window_to,
    }
    return [name for name in POINTS if told_of[name]]


def _proposal(
    account: BankAccount, line: StatementLine, ours: Expectation, reasons: list[str], context: Context
) -> Proposal:
    return Proposal(
        id=content_id(line.booking_date, "proposal", str(line.id), str(ours.id)),
        organisation_id=account.organisation_id,
        bank_account_id=account.id,
        line_id=line.id,
        expectation_id=ours.id,
        expectation_organisation_id=ours.organisation_id,
        score=score_of(reasons),
        reasons=reasons,
        made_at=context.at,
    )


class _Names:
    """Names of both sides, opened once each while a run proposes and kept nowhere."""

    def __init__(self, lines: Iterable[StatementLine], expected: Iterable[Expectation]) -> None:
        self._of_line = {line.id: _line_name(line) for line in lines}
        paid = {one.payment_id for one in expected if one.payment_id is not None}
        self._of_payment = {key: comparable(name) for key, name in payments.counterparty_names(paid).items()}

    def are_alike(self, line: StatementLine, ours: Expectation) -> bool:
        """Compare the name on the statement with the payment's other side."""
        mine = self._of_payment.get(ours.payment_id, "") if ours.payment_id else ""
        return are_alike(self._of_line[line.id], mine)


def _line_name(line: StatementLine) -> str:
    try:
        return comparable(told(line).get("name", ""))
    except KeyDestroyed:
        return ""  # it was erased
