"""Celery's part: each task claims a batch from a table, works it and ends. Losing one costs latency only."""

from __future__ import annotations

from typing import Any

from celery import shared_task

WORK_S = 5.0
LINGER_S = 1.0
# A pump that has deliveries in the air goes on as long as there is work, since it must wait for the
# slowest of them when it ends; then it leaves its place to the next one first.
PUMP_S, PUMP_LIMIT_S = 300.0, 360


@shared_task(name="webhooks.work_inbox")
def work_inbox(**_: Any) -> None:
    """Apply provider events that are due."""
    from django.conf import settings

    from apps.webhooks import inbox
    from apps.webhooks.slots import slot

    with slot("inbox") as place:
        if place:
            inbox.work(work_s=WORK_S, linger_s=LINGER_S, lease_s=settings.WEBHOOK_LEASE_S)


@shared_task(
    name="webhooks.send_deliveries",
    time_limit=PUMP_LIMIT_S,
    soft_time_limit=PUMP_LIMIT_S - 20,
)
def send_deliveries(**_: Any) -> None:
    """Send deliveries that are due."""
    from apps.webhooks.sending.pump import pump_from_settings
    from apps.webhooks.slots import slot

    with slot("deliveries") as place:
        if place:
            pump_from_settings(work_s=PUMP_S, linger_s=LINGER_S, on_winding_down=place.leave).run()


@shared_task(name="webhooks.advance_replays")
def advance_replays(**_: Any) -> None:
    """Replay the next dead letters of each running job."""
    from apps.webhooks import replays
    from apps.webhooks.slots import slot

    with slot("replays") as place:
        if place:
            replays.work(work_s=WORK_S)


@shared_task(name="webhooks.keep_house")
def keep_house(**_: Any) -> None:
    """Prepare partitions for days to come, remove what is past its time, release what waits for nobody."""
    from apps.webhooks import housekeeping

    housekeeping.keep()


@shared_task(name="webhooks.reconcile_sources")
def reconcile_sources(**_: Any) -> None:
    """Ask the providers what they sent, and take in what we do not have."""
    from apps.webhooks import reconcilers
    from apps.webhooks.slots import slot

    with slot("reconcilers") as place:
        if place:
            reconcilers.reconcile_all()
