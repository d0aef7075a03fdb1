"""When to try again: the table of pauses, its jitter, and what Retry-After may change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

DELIVERY_PAUSES_S = (5, 30, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Pauses after the first, second, … failed attempt. Eleven attempts over about 75.6 hours."""

DELIVERY_ATTEMPTS_MAX = len(DELIVERY_PAUSES_S) + 1
JITTER = 0.2
RETRY_AFTER_MAX_S = 86_400

INBOX_PAUSES_S = (1, 5, 30, 120, 600, 1_800, 7_200)
INBOX_ATTEMPTS_MAX = len(INBOX_PAUSES_S) + 1

WAITING_PAUSES_S = (5, 30, 300)
WAITING_MAX_S = 86_400
"""How long an event waits for an object that nobody has told us of."""


def delivery_pause_s(*, failed_attempts: int, chance: float, retry_after_s: float | None) -> float | None:
    """Tell how long to wait after so many failed attempts, in seconds; None when there were enough.

    `chance` is a random number from 0 to 1, spread to ±20 %. A Retry-After is honoured when it is
    longer than the table's own pause, up to a day; it never brings the next attempt forward.
    """
    if failed_attempts > len(DELIVERY_PAUSES_S):
        return None
    pause_s = jittered(DELIVERY_PAUSES_S[failed_attempts - 1], chance=chance)
    if retry_after_s is None:
        return pause_s
    return max(pause_s, min(retry_after_s, RETRY_AFTER_MAX_S))


def jittered(pause_s: float, *, chance: float) -> float:
    """Spread a pause by ±20 %, so that what failed together is not tried together."""
    return pause_s * (1 - JITTER + 2 * JITTER * chance)


def inbox_pause_s(*, attempts: int, chance: float) -> float | None:
    """Tell how long to wait after a failed application, in seconds; None when there were enough."""
    if attempts > len(INBOX_PAUSES_S):
        return None
    return jittered(INBOX_PAUSES_S[max(attempts, 1) - 1], chance=chance)


def waiting_pause_s(*, attempts: int, waited_s: float, chance: float) -> float | None:
    """Tell how long to wait for a missing object, in seconds; None after a day."""
    if waited_s >= WAITING_MAX_S:
        return None
    return jittered(WAITING_PAUSES_S[min(max(attempts, 1), len(WAITING_PAUSES_S)) - 1], chance=chance)


def retry_after_s(text: str, *, at: datetime) -> float | None:
    """Read a Retry-After header (RFC 9110, 10.2.3): seconds or a date. None when it is neither."""
    value = text.strip()
    if value.isascii() and value.isdigit() and len(value) <= 9:
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    try:
        return max(0.0, (when - at) / timedelta(seconds=1))
    except OverflowError:
        return None
