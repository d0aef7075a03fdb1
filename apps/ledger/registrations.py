"""What the ledger registers under the platform's roof."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from apps.core.metrics import READINGS, Gauge
from apps.core.registries import EVIDENCE, HEALTH
from apps.ledger.proofs import check
from apps.ledger.proving import verify_log
from apps.ledger.queries import follower_lags

LAG_MAX_S = 60.0


def books_evidence(at: datetime) -> dict[str, Any]:
    """Prove the books from their rows, for the compliance record of a moment."""
    return {"at": at.isoformat(), **check().data()}


def log_evidence(at: datetime) -> dict[str, Any]:
    """Verify the sealed log, for the compliance record of a moment."""
    return {"at": at.isoformat(), **asdict(verify_log())}


def health() -> dict[str, Any]:
    """Tell how far the read models and the seals are behind the log, for /readyz."""
    lags = follower_lags()
    return {"ok": max(lags.values(), default=0.0) <= LAG_MAX_S, **{f"{k}_lag_s": v for k, v in lags.items()}}


def read_ledger() -> Iterator[Gauge]:
    """Read the same for Prometheus."""
    for follower, lag_s in follower_lags().items():
        yield Gauge(
            "bezant_ledger_lag_seconds",
            "Age of the oldest row of the log that a follower has not read.",
            lag_s,
            {"follower": follower},
        )


HEALTH.register("ledger", health)
READINGS.register("ledger", read_ledger)
EVIDENCE.register("ledger.books", books_evidence)
EVIDENCE.register("ledger.log", log_evidence)
