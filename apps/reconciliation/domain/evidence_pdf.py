"""The evidence of a closed day as a PDF: the same evidence gives the same bytes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apps.core.pdf import Column, Table, document


def report_pdf(evidence: dict[str, Any], *, sha256: str) -> bytes:
    """Set the evidence as a document. `sha256` is the digest of the evidence as canonical JSON."""
    return document(
        title=f"Day closed: {evidence['account']} {evidence['currency']}, {evidence['day']}",
        created_at=datetime.fromisoformat(evidence["closed_at"]),
        subtitle="What the bank's statements, the books, matches and breaks said when the day was closed.",
        facts=(
            ("Opening at the bank", evidence["opening"]),
            ("Closing at the bank", evidence["closing"]),
            ("Cash in the books", evidence["books"] or "not mirrored"),
            ("Drift", evidence["drift"] or "–"),
            ("Closed by", evidence["closed_by"]),
            ("Closed at", evidence["closed_at"]),
            ("SHA-256 of the evidence", sha256),
            ("SHA-256 of the matches", evidence["matches_sha256"]),
        ),
        tables=(_statements(evidence), _files(evidence), _matches(evidence), _breaks(evidence)),
        footer=f"Evidence {sha256}",
    )


def _statements(evidence: dict[str, Any]) -> Table:
    return Table(
        (
            Column("Statement", 2),
            Column("No."),
            Column("Entries", figures=True),
            Column("Credit", 1.4, figures=True),
            Column("Debit", 1.4, figures=True),
            Column("Proof"),
        ),
        [
            (
                row["bank_id"],
                row["sequence"],
                str(row["entries"]),
                row["credit"],
                row["debit"],
                row["proof"],
            )
            for row in evidence["statements"]
        ],
        heading="Statements",
    )


def _files(evidence: dict[str, Any]) -> Table:
    digests = sorted({row["file"] for row in evidence["statements"]})
    return Table((Column("SHA-256"),), [(digest,) for digest in digests], heading="Files")


def _matches(evidence: dict[str, Any]) -> Table:
    return Table(
        (Column("Method", 2), Column("Count", figures=True), Column("Sum", 1.4, figures=True)),
        [
            (name.replace("_", " "), str(row["count"]), row["sum"])
            for name, row in sorted(evidence["matches"].items())
        ],
        heading="Matches",
    )


def _breaks(evidence: dict[str, Any]) -> Table:
    return Table(
        (
            Column("Break", 2.6),
            Column("Reason"),
            Column("Since"),
            Column("Difference", 1.2, figures=True),
            Column("Looked after by", 1.6),
        ),
        [
            (row["id"], row["reason"].replace("_", " "), row["since"], row["difference"], row["owner"])
            for row in evidence["breaks"]
        ],
        heading="Breaks still open, accepted at the close",
    )
