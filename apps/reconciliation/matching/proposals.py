"""What lines in breaks might be: candidates with a score and its reasons, for a person to decide on.

Nothing here matches or posts. Candidates have the amount, the payer or a reference in common with the line;
names, which are sealed and so cannot be searched, only add to the score.
"""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

from django.db import connection
from rapidfuzz import fuzz

from apps.core.commands import Context
from apps.core.crypto.errors import KeyDestroyed
from apps.payments import public as payments
from apps.reconciliation.domain.proposals import POINTS, score_of
from apps.reconciliation.lines import content_id
from apps.reconciliation.matching.bookings import told
from apps.reconciliation.matching.passes import ALIKE_MAX
from apps.reconciliation.models import BankAccount, Expectation, Proposal, StatementLine

LINES_MAX = 2_000
"""The oldest open breaks of an account that a run looks for candidates of."""

PER_LINE_MAX = 10
NAME_RATIO_MIN = 90
_CHUNK = 1_000

# The sides are counted before they are joined, so that ten thousand equal amounts cost no pairs at all.
_CANDIDATES = f"""
WITH line AS MATERIALIZED (
    SELECT l.id, l.amount_minor, l.currency, l.end_to_end, l.creditor_reference, l.counterparty,
           l.booking_date, b.expectation_id, b.detail
    FROM reconciliation_break b JOIN reconciliation_statementline l ON l.id = b.line_id
    WHERE b.bank_account_id = %(account)s AND b.state = 'open' AND l.state = 'open'
    ORDER BY b.day, b.id LIMIT {LINES_MAX}
), expected AS NOT MATERIALIZED (
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


def propose(account: BankAccount, context: Context) -> int:
    """Replace the proposals of an account; return how many there are. Needs the platform's scope."""
    Proposal.objects.filter(bank_account_id=account.id).delete()
    with connection.cursor() as cursor:
        cursor.execute(_CANDIDATES, {"account": account.id})
        pairs: list[tuple[UUID, UUID]] = cursor.fetchall()
    lines = StatementLine.objects.in_bulk({line_id for line_id, _ in pairs})
    expected = Expectation.objects.in_bulk({expectation_id for _, expectation_id in pairs})
    names = _Names()
    rows = []
    for line_id, expectation_id in pairs:
        line, ours = lines[line_id], expected[expectation_id]
        reasons = _reasons(line, ours, names)
        if reasons:
            rows.append(_proposal(account, line, ours, reasons, context))
    Proposal.objects.bulk_create(rows, batch_size=_CHUNK)
    return len(rows)


def _reasons(line: StatementLine, ours: Expectation, names: _Names) -> list[str]:
    """Say what speaks for a line being an expectation, in the order of POINTS."""
    told_of = {
        "same_amount": (line.amount_minor, line.currency) == (ours.amount_minor, ours.currency),
        "same_reference": bool(line.end_to_end and line.end_to_end == ours.end_to_end)
        or bool(line.creditor_reference and line.creditor_reference == ours.creditor_reference),
        "same_payer": ours.counterparty is not None and ours.counterparty == line.counterparty,
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

    def __init__(self) -> None:
        self._of_line: dict[UUID, str] = {}
        self._of_payment: dict[UUID, str] = defaultdict(str)

    def are_alike(self, line: StatementLine, ours: Expectation) -> bool:
        """Compare the name on the statement with the payment's other side, whatever the order of words."""
        if ours.payment_id is None or line.text is None:
            return False
        if line.id not in self._of_line:
            self._of_line[line.id] = _line_name(line)
        if ours.payment_id not in self._of_payment:
            self._of_payment[ours.payment_id] = _payment_name(ours.payment_id)
        theirs, mine = self._of_line[line.id], self._of_payment[ours.payment_id]
        return bool(theirs and mine) and fuzz.token_sort_ratio(theirs, mine) >= NAME_RATIO_MIN


def _line_name(line: StatementLine) -> str:
    try:
        return told(line).get("name", "").casefold()
    except KeyDestroyed:
        return ""  # it was erased


def _payment_name(payment_id: UUID) -> str:
    other = payments.counterparty_of(payments.payment(payment_id))
    try:
        return other.name.reveal().casefold() if other else ""
    except KeyDestroyed:
        return ""
