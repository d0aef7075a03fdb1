"""The circuit breaker of an endpoint, and when it is given up for good. Pure: state in, state out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=5)
ATTEMPTS_MIN = 10
FAILURES_SHARE = 0.7
PAUSE_FIRST_S, PAUSE_MAX_S = 30, 1_800
NOTICES_AFTER = (timedelta(hours=24), timedelta(hours=72))
DISABLE_AFTER = timedelta(hours=120)


@dataclass(frozen=True, slots=True)
class Health:
    """What the breaker remembers. `pause_s` 0 means closed; else it is open until `open_until`,
    after which single probes go out.
    """

    window_started_at: datetime | None = None
    window_attempts: int = 0
    window_failures: int = 0
    open_until: datetime | None = None
    pause_s: int = 0
    failing_since: datetime | None = None
    notices: int = 0
    latest_success_at: datetime | None = None
    latest_attempt_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """The new health, whether to disable the endpoint, and the hours of failing to tell its owner of."""

    health: Health
    disable: bool = False
    notice_h: int | None = None


def after(health: Health, *, successes: int, failures: int, at: datetime) -> Judgement:
    """Judge an endpoint by the attempts that have just ended."""
    counted = replace(_counted(health, successes, failures, at), latest_attempt_at=at)
    if successes:
        return Judgement(_well(counted, failures, at))
    failing_since = counted.failing_since or at
    failing = _opened(replace(counted, failing_since=failing_since), at)
    lasted = at - failing_since
    if lasted >= DISABLE_AFTER:
        return Judgement(failing, disable=True)
    due = sum(lasted >= limit for limit in NOTICES_AFTER)
    if due > failing.notices:
        return Judgement(replace(failing, notices=due), notice_h=int(lasted.total_seconds() // 3600))
    return Judgement(failing)


def _counted(health: Health, successes: int, failures: int, at: datetime) -> Health:
    started = health.window_started_at
    if started is None or at - started >= WINDOW:
        return replace(
            health, window_started_at=at, window_attempts=successes + failures, window_failures=failures
        )
    return replace(
        health,
        window_attempts=health.window_attempts + successes + failures,
        window_failures=health.window_failures + failures,
    )


def _well(health: Health, failures: int, at: datetime) -> Health:
    """One success closes the breaker and ends the run of failures; the window decides from there."""
    if health.pause_s:
        health = replace(health, window_started_at=at, window_attempts=1, window_failures=0)
    elif _too_many(health) and failures:
        return _opened(replace(health, failing_since=None, notices=0, latest_success_at=at), at)
    return replace(health, open_until=None, pause_s=0, failing_since=None, notices=0, latest_success_at=at)


def _too_many(health: Health) -> bool:
    enough = health.window_attempts >= ATTEMPTS_MIN
    return enough and health.window_failures >= FAILURES_SHARE * health.window_attempts


def _opened(health: Health, at: datetime) -> Health:
    if health.pause_s:
        # A probe failed. What was in flight when the breaker opened is not a probe.
        if health.open_until is not None and at < health.open_until:
            return health
        pause_s = min(health.pause_s * 2, PAUSE_MAX_S)
    elif _too_many(health):
        pause_s = PAUSE_FIRST_S
    else:
        return health
    return replace(health, pause_s=pause_s, open_until=at + timedelta(seconds=pause_s))
