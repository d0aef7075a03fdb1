"""Statements that overlap: which lines came before, and which only look like one that did.

A bank's own reference settles it. Without one, two entries that say the same are one entry if their
statements tell of the same time, and two if the statements follow one another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from apps.reconciliation.bank_formats import Statement, StatementEntry
from apps.reconciliation.domain.words import Proof
from apps.reconciliation.models import BankAccount, StatementLine
from apps.reconciliation.models import Statement as StatementRow

_CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class KnownLines:
    """Fingerprints of entries that came before: the same entries, and others that only look alike."""

    same: frozenset[str]
    only_alike: frozenset[str]


def known_lines(statement: Statement, row: StatementRow, account: BankAccount) -> KnownLines:
    """Look up which entries of a statement are known, before its lines are stored."""
    fingerprints = {entry.fingerprint(account.number): entry for entry in statement.entries}
    earlier = _earlier(account, list(fingerprints))
    others = {other.id: other for other in StatementRow.objects.filter(id__in=set(earlier.values()))}
    same: set[str] = set()
    alike: set[str] = set()
    for fingerprint, statement_id in earlier.items():
        refers = bool(fingerprints[fingerprint].refs.acct_svcr)
        told_again = refers or _tell_of_the_same_time(row, others[statement_id])
        (same if told_again else alike).add(fingerprint)
    alike |= _further_occurrences(account, [fingerprints[fingerprint] for fingerprint in alike])
    return KnownLines(frozenset(same), frozenset(alike))


def _further_occurrences(account: BankAccount, entries: list[StatementEntry]) -> set[str]:
    """Find what is stored of the later occurrences of entries, however many there are."""
    found: set[str] = set()
    while entries:
        entries = [replace(entry, occurrence=entry.occurrence + 1) for entry in entries]
        later = {entry.fingerprint(account.number): entry for entry in entries}
        stored = _earlier(account, list(later))
        found.update(stored)
        entries = [later[fingerprint] for fingerprint in stored]
    return found


def _earlier(account: BankAccount, fingerprints: list[str]) -> dict[str, UUID]:
    """Map the fingerprints that are stored to the statement that holds them."""
    found: dict[str, UUID] = {}
    for start in range(0, len(fingerprints), _CHUNK):
        rows = StatementLine.objects.filter(
            bank_account_id=account.id, fingerprint__in=fingerprints[start : start + _CHUNK]
        ).values_list("fingerprint", "statement_id")
        found.update(rows)
    return found


def _tell_of_the_same_time(one: StatementRow, other: StatementRow) -> bool:
    """Decide whether two statements overlap, rather than follow one another."""
    if one.kind != other.kind:
        return True
    if (one.opening_minor, one.closing_minor) == (other.opening_minor, other.closing_minor):
        return True
    both_proven = one.proof == other.proof == Proof.PROVEN
    if both_proven and one.sequence != other.sequence and _shared_days(one, other) <= 1:
        return False
    return not (one.bank_id == other.bank_id and one.page != other.page)


def _shared_days(one: StatementRow, other: StatementRow) -> int:
    start = max(one.from_date or one.day, other.from_date or other.day)
    end = min(_end(one), _end(other))
    return (end - start).days + 1


def _end(row: StatementRow) -> date:
    return row.to_date or row.day
