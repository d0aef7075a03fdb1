"""Presenting ACH debits again that came back for lack of money, by the clock, where the policy wants it.

When is the return code's to say (`rails.ach_codes`), how often the organisation's policy, and what is
allowed at all `RetryCollection`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from apps.core import tenancy
from apps.core.actors import Actor
from apps.core.commands import execute
from apps.core.errors import Refusal
from apps.core.ids import public_id
from apps.payments.commands.ach_debits import RetryCollection
from apps.payments.domain.lifecycle import Kind, State
from apps.payments.models import Payment, Rail
from apps.payments.models_ach import AchCollectionPolicy
from apps.payments.rails.ach_codes import RETRY_WITHIN_DAYS, retries

ONCE_MAX = 1_000
"""The most debits that one look presents again; the next one takes the rest."""

TRIES_FOR = timedelta(days=5)
"""How long a retry that is refused (no mandate, no account) is tried; then it is a person's to decide."""


@dataclass(frozen=True, slots=True)
class DueRetry:
    """A debit that is to be presented again, and for which time."""

    organisation_id: UUID
    payment_id: UUID
    code: str
    number: int

    def as_data(self) -> dict[str, Any]:
        """Return the JSON of it."""
        return {"payment_id": public_id("pay", self.payment_id), "code": self.code, "number": self.number}


def due_retries(at: datetime) -> list[DueRetry]:
    """Return the debits to present again at a moment, the oldest return first.

    A debit that was presented again is not looked at any more, also when that was cancelled: whoever
    cancelled it wanted no retry. Its own return is the next one to look at.
    """
    with tenancy.scope(tenancy.PLATFORM):
        return [
            DueRetry(row.organisation_id, row.pk, row.failure_code, row.tries + 1)
            for row in _due(at).order_by("changed_at", "id")[:ONCE_MAX]
        ]


def _due(at: datetime) -> QuerySet[Payment, Any]:
    first = Coalesce("parent_id", "id")
    presented = Payment.objects.filter(parent_id=OuterRef("first_id"), kind=Kind.COLLECTION.value)
    done = presented.exclude(state__in=["cancelled", "declined"])
    counted = done.order_by().values("parent_id").annotate(number=Count("id")).values("number")
    policy = AchCollectionPolicy.objects.filter(organisation_id=OuterRef("organisation_id"))
    return (
        Payment.objects.filter(_is_time(at), rail=Rail.ACH, kind=Kind.COLLECTION.value, state=State.RETURNED)
        .annotate(first_id=first)
        .annotate(
            tries=Coalesce(Subquery(counted), 0),
            wanted=Coalesce(Subquery(policy.values("automatic_retries")[:1]), 0),
        )
        .filter(~Exists(presented.filter(created_at__gt=OuterRef("created_at"))), tries__lt=F("wanted"))
    )


def _is_time(at: datetime) -> Q:
    """Return the condition that the code of a return lets a payment be presented again now."""
    due = Q(pk__in=[])
    for code, wait_s in retries().items():
        latest = at - timedelta(seconds=wait_s)
        since = max(latest - TRIES_FOR, at - timedelta(days=RETRY_WITHIN_DAYS))
        due |= Q(failure_code=code, changed_at__lte=latest, changed_at__gt=since)
    return due


def retry_due(*, actor: Actor, at: datetime) -> Iterator[dict[str, Any]]:
    """Present again what is due, each by a command of its own; yield what became of each.

    What one debit is refused for keeps no other from being presented.
    """
    for one in due_retries(at):
        try:
            made = execute(
                RetryCollection(one.organisation_id, one.payment_id), actor=actor, key=None, at=at
            ).answer
        except Refusal as refusal:
            yield {**one.as_data(), "result": "refused", "reason": refusal.code}
        else:
            yield {**one.as_data(), "result": "ordered", "retry_id": made["id"], "state": made["state"]}
