"""What is done for the record in the background: sealing, and letting requests expire."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from apps.compliance import sealing
from apps.compliance.commands import ExpireRequests
from apps.core import clock
from apps.core.actors import system_actor
from apps.core.commands import execute
from apps.core.sealer import connect_sealer


@shared_task(name="compliance.seal_audit")
def seal_audit(**_: Any) -> None:
    """Seal the entries that have settled; another sealer at work is no error."""
    with connect_sealer() as sealer:
        sealing.seal_all(sealer)


@shared_task(name="compliance.expire_requests")
def expire_requests(**_: Any) -> None:
    """Let the requests expire that nobody decided about in time."""
    execute(ExpireRequests(None), actor=system_actor("compliance"), key=None, at=clock.database_now())
