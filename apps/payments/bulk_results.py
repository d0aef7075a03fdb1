"""What verifications of the payees of a bulk order have found, and whether that can be confirmed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.core.ids import public_id
from apps.payments.domain.lifecycle import State
from apps.payments.domain.payee import Result
from apps.payments.models import Payment
from apps.payments.models_instant import BulkVerification
from apps.payments.models_orders import BulkOrder

VALID_FOR = timedelta(hours=24)
"""How long a verification can be confirmed: the holder of an account may change."""

DROPPED = (State.CANCELLED.value, State.DECLINED.value)
"""Payments that nobody needs to confirm: leaving out a doubtful payee is an answer, too."""


@dataclass(frozen=True, slots=True)
class Results:
    """The newest finding on each payee that is still to be paid, counted; `digest` stands for all of them."""

    payees: int
    counts: dict[str, int]
    digest: str
    oldest_at: datetime | None

    @property
    def not_checked(self) -> int:
        """Return how many payees nobody has been asked about."""
        return self.payees - sum(self.counts.values())

    def why_not(self, accepted: str, *, at: datetime) -> str:
        """Say why these results cannot be what was accepted; nothing if they are."""
        if self.not_checked:
            return "unanswered"
        if self.oldest_at is not None and self.oldest_at < at - VALID_FOR:
            return "too_old"
        if not accepted:
            return "not_accepted"
        return "" if accepted == self.digest else "changed"

    def as_data(self) -> dict[str, Any]:
        """Return the JSON of the results."""
        return {
            "payees": self.payees,
            **{result.value: self.counts.get(result, 0) for result in Result},
            "not_checked": self.not_checked,
            "digest": self.digest,
            "oldest_at": self.oldest_at.isoformat().replace("+00:00", "Z") if self.oldest_at else None,
        }


def results_of(order: BulkOrder) -> Results:
    """Count what was found, with two queries."""
    payees = payees_of(order)
    newest = latest(order).values_list("counterparty_id", "result", "answered_at")
    found = [row for row in newest if row[0] in payees]
    counts: dict[str, int] = {}
    for _, result, _ in found:
        counts[result] = counts.get(result, 0) + 1
    text = "\n".join(f"{payee} {result} {at.isoformat()}" for payee, result, at in found)
    return Results(
        len(payees),
        counts,
        hashlib.sha256(text.encode()).hexdigest() if len(found) == len(payees) else "",
        min((at for _, _, at in found), default=None),
    )


def payees_of(order: BulkOrder) -> set[UUID]:
    """Return the counterparties of the order's payments that were not taken back."""
    rows = Payment.objects.filter(bulk_order_id=order.pk).exclude(state__in=DROPPED)
    return {key for key in rows.values_list("counterparty_id", flat=True).distinct() if key is not None}


def latest(order: BulkOrder) -> QuerySet[BulkVerification]:
    """Return the newest finding on each payee, in the order of their keys."""
    rows = BulkVerification.objects.filter(bulk_order_id=order.pk)
    return rows.order_by("counterparty_id", "-answered_at", "-id").distinct("counterparty_id")


def results_data(row: BulkVerification) -> dict[str, Any]:
    """Return the JSON of a finding. The holder's name is told for a close match alone."""
    close = row.result == Result.CLOSE_MATCH and row.matched_name is not None
    return {
        "counterparty_id": public_id("cpt", row.counterparty_id),
        "result": row.result,
        "matched_name": row.matched_name.shown() if close else None,
        "provider": row.provider,
        "answered_at": row.answered_at.isoformat().replace("+00:00", "Z"),
    }
