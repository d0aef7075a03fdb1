"""What the ledger registers under the platform's roof."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from apps.core.registries import EVIDENCE
from apps.ledger.proofs import check
from apps.ledger.proving import verify_log


def books_evidence(at: datetime) -> dict[str, Any]:
    """Prove the books from their rows, for the compliance record of a moment."""
    return {"at": at.isoformat(), **check().data()}


def log_evidence(at: datetime) -> dict[str, Any]:
    """Verify the sealed log, for the compliance record of a moment."""
    return {"at": at.isoformat(), **asdict(verify_log())}


EVIDENCE.register("ledger.books", books_evidence)
EVIDENCE.register("ledger.log", log_evidence)
