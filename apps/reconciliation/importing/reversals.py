"""Banks that sign a reversal (RvslInd) like the booking it reverses, not like the booking it is.

Signs are taken as the bank gives them. Where a statement does not foot, and would with its reversals the
other way round, the account's profile is marked as suspected; a person confirms it.
"""

from __future__ import annotations

from dataclasses import replace

from django.db.models import F

from apps.reconciliation.bank_formats import Statement
from apps.reconciliation.domain.words import LineState, Proof, Reversals
from apps.reconciliation.models import BankAccount, StatementLine
from apps.reconciliation.models import Statement as StatementRow

SUSPICION = "reversal_signs_suspected"
_UNFOOTED = ["balances_do_not_foot", SUSPICION]


def as_meant(statement: Statement, account: BankAccount) -> Statement:
    """Return the statement with the signs that the account's profile gives its reversals."""
    if account.reversals != Reversals.FLIPPED:
        return statement
    entries = tuple(
        replace(entry, amount=-entry.amount) if entry.reversal else entry for entry in statement.entries
    )
    return replace(statement, entries=entries)


def suspect(account: BankAccount, row: StatementRow) -> None:
    """Mark the profile if a statement gives reason to, unless somebody has decided."""
    if SUSPICION in row.proof_reasons and account.reversals == Reversals.AS_WRITTEN:
        account.reversals = Reversals.SUSPECTED.value
        account.save(update_fields=["reversals"])


def flip_suspected(account: BankAccount) -> int:
    """Turn round the reversals of statements that did not foot for them; return how many foot now.

    A statement of which a reversal is matched already stays as it is: its match says what it is. Needs
    the lock on the account.
    """
    flipped = 0
    for row in StatementRow.objects.filter(
        bank_account_id=account.id, proof=Proof.UNPROVEN.value, proof_reasons=_UNFOOTED
    ).order_by("day", "id"):
        reversals = StatementLine.objects.filter(statement_id=row.id, reversal=True)
        if not reversals.filter(state=LineState.MATCHED.value).exists():
            _flip(row, list(reversals.values_list("amount_minor", flat=True)))
            reversals.update(amount_minor=-F("amount_minor"))
            flipped += 1
    StatementLine.objects.filter(
        bank_account_id=account.id, reversal=True, statement__kind__in=("interim", "advice")
    ).update(amount_minor=-F("amount_minor"))
    return flipped


def _flip(row: StatementRow, reversed_minor: list[int]) -> None:
    """Correct the statement's sums for its reversals and call it proven: with them it foots."""
    for minor in reversed_minor:
        row.credit_minor += -abs(minor) if minor > 0 else abs(minor)
        row.debit_minor += abs(minor) if minor > 0 else -abs(minor)
    row.booked_minor = (row.booked_minor or 0) - 2 * sum(reversed_minor)
    row.proof, row.proof_reasons = Proof.PROVEN.value, []
    row.save(update_fields=["credit_minor", "debit_minor", "booked_minor", "proof", "proof_reasons"])
