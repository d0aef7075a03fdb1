"""Ending what has waited too long for a second person."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from apps.core import tenancy
from apps.core.actors import Actor
from apps.core.commands import execute
from apps.payments.commands.expiry import KINDS, PAYMENTS_MAX, ExpireWaiting
from apps.payments.domain.lifecycle import State
from apps.payments.models import Payment


def overdue(at: datetime) -> dict[str, Any]:
    """Tell how many payments wait longer than APPROVAL_DAYS, and their sums by currency. Writes nothing."""
    with tenancy.scope(tenancy.PLATFORM):
        waiting = Payment.objects.filter(
            state=State.ORDERED, kind__in=KINDS, hold_id__isnull=False, created_at__lt=_limit(at)
        )
        totals: dict[str, int] = {}
        rows = waiting.values_list("currency", "amount_minor")
        for currency, minor in rows:
            totals[currency] = totals.get(currency, 0) + minor
        return {"payments": len(rows), "totals_minor": totals}


def expire_waiting(*, actor: Actor, at: datetime) -> int:
    """Cancel all of them, a thousand in a transaction; return how many."""
    total = 0
    while True:
        cancelled = execute(ExpireWaiting(None, _limit(at)), actor=actor, key=None, at=at).answer["cancelled"]
        total += cancelled
        if cancelled < PAYMENTS_MAX:
            return total


def _limit(at: datetime) -> datetime:
    return at - timedelta(days=settings.APPROVAL_DAYS)
