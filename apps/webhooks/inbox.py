"""Working the inbox: claim what is due under a lease, apply it event by event, note what failed."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.db import DatabaseError, connection

from apps.core import clock, db, logs, tenancy
from apps.core.actors import system_actor
from apps.core.commands import execute
from apps.core.relay import fingerprint
from apps.webhooks import metrics
from apps.webhooks.commands.inbox import ApplyInboxEvent, BuryInboxEvent, LeaseLost
from apps.webhooks.domain.schedule import INBOX_ATTEMPTS_MAX, inbox_pause_s

BATCH = 20
LEASE_S = 60
PAUSE_MIN_S, PAUSE_MAX_S = 0.01, 0.25
_ACTOR = system_actor("webhooks.inbox")
_log = structlog.get_logger("bezant.webhooks.inbox")


@dataclass(frozen=True, slots=True)
class Claimed:
    """An event that is ours until its lease ends."""

    id: UUID
    organisation_id: UUID
    lease_token: UUID
    attempts: int
    provider: str
    received_at: datetime
    correlation_id: str


def claim(*, limit: int = BATCH, lease_s: float = LEASE_S) -> list[Claimed]:
    """Take a lease on events that are due, and commit it at once."""
    with tenancy.scope(tenancy.PLATFORM), connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, organisation_id, lease_token, attempts, provider, received_at, correlation_id"
            " FROM webhooks_claim_inbox(%s, make_interval(secs => %s)) ORDER BY id",
            [limit, float(lease_s)],
        )
        return [Claimed(*row) for row in cursor.fetchall()]


def work(
    *,
    work_s: float,
    linger_s: float,
    lease_s: float = LEASE_S,
    now: Callable[[], datetime] = clock.database_now,
) -> int:
    """Apply what is due for up to `work_s` seconds; return how many events were tried.

    After the latest event it looks again for `linger_s` seconds, so that under traffic an event waits
    for the next look and not for the next wake-up. Ends at once when there was nothing at all.
    """
    ends, quiet_until, done, pause_s = time.monotonic() + work_s, 0.0, 0, PAUSE_MIN_S
    while time.monotonic() < ends:
        batch = claim(lease_s=lease_s)
        for claimed in batch:
            apply(claimed, now=now)
        done += len(batch)
        if batch:
            quiet_until, pause_s = time.monotonic() + linger_s, PAUSE_MIN_S
            continue
        if time.monotonic() >= quiet_until:
            break
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, PAUSE_MAX_S)
    return done


def apply(claimed: Claimed, *, now: Callable[[], datetime] = clock.database_now) -> None:
    """Try one claimed event. Never raises but for a database that is away."""
    logs.set_correlation_id(claimed.correlation_id)
    if claimed.attempts > INBOX_ATTEMPTS_MAX:
        # It was claimed that often without anybody living to tell: it kills whoever works on it.
        _bury(claimed, "every worker that tried it ended", "crash", now())
        return
    try:
        outcome = execute(
            ApplyInboxEvent(claimed.organisation_id, claimed.id, claimed.lease_token),
            actor=_ACTOR,
            key=None,
            at=now(),
        )
    except LeaseLost:
        metrics.INBOX_EVENTS.labels(claimed.provider, "lease_lost").inc()
    except db.Busy:
        # Colliding with others is nobody's fault and uses up no try.
        _retry(claimed, 1.0, "busy", "busy", counts=False)
    except Exception as error:  # an event may fail in any way; it must not be lost for it
        _failed(claimed, error, now)
    else:
        status = str(outcome.answer["status"])
        metrics.INBOX_EVENTS.labels(claimed.provider, status).inc()
        metrics.INBOX_LAG.observe(max(0.0, (now() - claimed.received_at).total_seconds()))


def _failed(claimed: Claimed, error: Exception, now: Callable[[], datetime]) -> None:
    if isinstance(error, DatabaseError) and not connection.is_usable():
        raise error
    reason = fingerprint(error)
    mark = hashlib.sha256(reason.encode()).hexdigest()[:16]
    pause_s = inbox_pause_s(attempts=claimed.attempts, chance=random.random())
    _log.warning(
        "inbox event failed",
        inbox_event=str(claimed.id),
        attempt=claimed.attempts,
        error=reason,
        fingerprint=mark,
    )
    metrics.INBOX_EVENTS.labels(claimed.provider, "failed" if pause_s is not None else "dead").inc()
    if pause_s is None:
        _bury(claimed, reason, mark, now())
    else:
        _retry(claimed, pause_s, reason, mark, counts=True)


def _retry(claimed: Claimed, pause_s: float, reason: str, mark: str, *, counts: bool) -> None:
    with tenancy.scope(claimed.organisation_id), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE webhooks_inboxevent SET status = 'retry', lease_token = NULL, reason = %s,"
            " fingerprint = %s, attempts = attempts - %s, next_at = clock_timestamp() + make_interval(secs => %s)"
            " WHERE id = %s AND lease_token = %s",
            [
                reason[:300],
                mark,
                0 if counts else 1,
                float(pause_s),
                claimed.id,
                claimed.lease_token,
            ],
        )


def _bury(claimed: Claimed, reason: str, mark: str, at: datetime) -> None:
    command = BuryInboxEvent(claimed.organisation_id, claimed.id, claimed.lease_token, reason[:300], mark)
    try:
        execute(command, actor=_ACTOR, key=None, at=at)
    except LeaseLost:
        metrics.INBOX_EVENTS.labels(claimed.provider, "lease_lost").inc()
