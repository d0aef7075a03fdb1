"""The proofs of the books, as one report: what must hold, and how often it does not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from apps.core import tenancy
from apps.ledger.queries import from_json, rows


@dataclass(frozen=True, slots=True)
class Proof:
    """One property of the books: how many rows break it, and the first few of them."""

    name: str
    violations: int
    examples: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Report:
    """What a check of the books found."""

    ok: bool
    accounts: int
    journals: int
    postings: int
    proofs: list[Proof]

    def data(self) -> dict[str, Any]:
        """Return the report as JSON-able data."""
        return asdict(self)


def check() -> Report:
    """Prove the books from their own rows, in one snapshot, across all organisations.

    Reads everything: on a large book it belongs on a replica, or into the night.
    """
    with tenancy.scope(tenancy.PLATFORM):
        rows("SELECT set_config('statement_timeout', '0', true)")
        proofs = [
            Proof(name, violations, from_json(examples))
            for name, violations, examples in rows("SELECT name, violations, examples FROM ledger.proofs()")
        ]
        ((accounts, journals, postings),) = rows(
            "SELECT (SELECT count(*) FROM ledger.account), (SELECT count(*) FROM ledger.journal),"
            " (SELECT count(*) FROM ledger.posting)"
        )
    return Report(not any(proof.violations for proof in proofs), accounts, journals, postings, proofs)
