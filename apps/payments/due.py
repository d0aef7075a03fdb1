"""What the clock makes due for collections and mandates; each object is a command of its own."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import structlog
from django.db.models import QuerySet

from apps.core import tenancy
from apps.core.actors import Actor
from apps.core.commands import Command, execute
from apps.core.errors import Refusal
from apps.payments.commands.collections import CancelCollection, FinaliseCollection, PrenotifyCollection
from apps.payments.commands.mandates import ExpireMandate
from apps.payments.models import Payment
from apps.payments.models_debits import Collection, Mandate

ONCE_MAX = 5_000
"""The most that one look takes up; the next one takes the rest."""

_log = structlog.get_logger("bezant.payments")


def prenotify_due(*, actor: Actor, at: datetime) -> int:
    """Tell of every collection whose debtor has to know by now. Returns how many were told of."""
    with tenancy.scope(tenancy.PLATFORM):
        waiting = Payment.objects.filter(state__in=["ordered", "approved"], kind="collection")
        rows = Collection.objects.filter(
            prenotify_on__lte=at.date(), prenotified_at__isnull=True, pk__in=waiting.values("pk")
        )
        due = _keys(rows)
    return sum(_do(PrenotifyCollection(owner, key), actor, at) for owner, key in due)


def cancel_unmandated(*, actor: Actor, at: datetime) -> int:
    """Cancel every collection that waits under a mandate that has ended. Returns how many."""
    with tenancy.scope(tenancy.PLATFORM):
        ended = Mandate.objects.filter(state__in=["cancelled", "expired"])
        waiting = Payment.objects.filter(state__in=["ordered", "approved"], kind="collection")
        rows = Collection.objects.filter(
            group_reference="", mandate_id__in=ended.values("pk"), pk__in=waiting.values("pk")
        )
        due = _keys(rows)
    return sum(_do(CancelCollection(owner, key, "its mandate ended"), actor, at) for owner, key in due)


def finalise_due(*, actor: Actor, at: datetime) -> int:
    """Give free every collection whose reserve ends by now. Returns how many became final."""
    with tenancy.scope(tenancy.PLATFORM):
        due = _keys(Collection.objects.filter(reserved_until__lte=at.date()))
    return sum(_do(FinaliseCollection(owner, key), actor, at) for owner, key in due)


def expire_unused_mandates(*, actor: Actor, at: datetime) -> int:
    """Let every mandate lapse that was unused for too long. Returns how many."""
    with tenancy.scope(tenancy.PLATFORM):
        due = _keys(Mandate.objects.filter(lapses_on__lte=at.date(), state__in=["active", "suspended"]))
    return sum(_do(ExpireMandate(owner, key), actor, at) for owner, key in due)


def _keys(rows: QuerySet[Collection] | QuerySet[Mandate]) -> list[tuple[UUID, UUID]]:
    return list(rows.order_by("id").values_list("organisation_id", "pk")[:ONCE_MAX])


def _do(command: Command, actor: Actor, at: datetime) -> bool:
    """Run one; what one account refuses does not keep the others from becoming due."""
    try:
        execute(command, actor=actor, key=None, at=at)
    except Refusal as refusal:
        _log.warning("not done when due", command=type(command).__name__, reason=refusal.code)
        return False
    return True
