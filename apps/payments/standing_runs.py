"""Making the payments of standing orders that are due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Q

from apps.core import tenancy
from apps.core.actors import Actor
from apps.core.commands import execute
from apps.core.errors import Refusal
from apps.core.ids import public_id
from apps.payments.commands.standing import RunStandingOrder, bank_today
from apps.payments.domain.orders import OrderState
from apps.payments.models_orders import StandingOrder

RUNS_MAX = 1_000
"""The most runs of one look; the next look goes on."""


def due_runs(at: datetime) -> list[RunStandingOrder]:
    """Return the runs that are due at a moment, the longest waiting first."""
    with tenancy.scope(tenancy.PLATFORM):
        rows = (
            StandingOrder.objects.filter(state=OrderState.ACTIVE, execute_on__lte=bank_today(at))
            .filter(Q(retry_at__isnull=True) | Q(retry_at__lte=at))
            .order_by("execute_on", "id")[:RUNS_MAX]
        )
        return [
            RunStandingOrder(row.organisation_id, row.pk, row.due_on, row.attempt)
            for row in rows
            if row.due_on is not None
        ]


def run_due(*, actor: Actor, at: datetime) -> Iterator[dict[str, Any]]:
    """Make what is due, each in a transaction of its own; yield what became of each.

    The key is the order, its day and the try, so that two workers make one payment.
    """
    for command in due_runs(at):
        order_id = public_id("sto", command.standing_order_id)
        key = f"{order_id}:{command.due_on}:{command.attempt}"
        try:
            answer = execute(command, actor=actor, key=key, at=at).answer
        except Refusal as refusal:
            yield {"id": order_id, "due_on": str(command.due_on), "result": "refused", "reason": refusal.code}
            continue
        names = ("result", "payment_id", "reason")
        told = {name: answer[name] for name in names if name in answer}
        yield {"id": order_id, "due_on": str(command.due_on), **told}
