"""Working replay jobs: a tick at a time, until none is running or the time is up."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from apps.core import clock, tenancy
from apps.core.actors import system_actor
from apps.core.commands import execute
from apps.webhooks import wake
from apps.webhooks.commands.dead_letters import AdvanceReplay
from apps.webhooks.letters import TICK_MS
from apps.webhooks.models import ReplayJob

_ACTOR = system_actor("webhooks.replays")


def work(*, work_s: float, now: Callable[[], datetime] = clock.database_now) -> int:
    """Advance running jobs for up to `work_s` seconds; return how many letters were replayed."""
    ends, total = time.monotonic() + work_s, 0
    while time.monotonic() < ends:
        running = _running()
        if not running:
            return total
        for organisation_id, job_id in running:
            outcome = execute(AdvanceReplay(organisation_id, job_id), actor=_ACTOR, key=None, at=now())
            total += int(outcome.answer["replayed"])
        wake.deliveries()
        wake.inbox()
        time.sleep(TICK_MS / 1000)
    return total


def _running() -> list[tuple[UUID, UUID]]:
    with tenancy.scope(tenancy.PLATFORM):
        rows = ReplayJob.objects.filter(state=ReplayJob.State.RUNNING).order_by("next_at")
        return list(rows.values_list("organisation_id", "id")[:100])
