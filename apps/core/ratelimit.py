"""Rate limits: a token bucket (GCRA) for each client and place, in Redis, or in this process without it.

The generic cell rate algorithm keeps one number for each bucket: the moment up to which its tokens are
spent. One script reads the server's own clock and tests and moves all buckets of a request in one round
trip, so that parallel requests cannot pass together and clocks of web servers do not matter.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from apps.core.errors import Refusal

REDIS_TIMEOUT_S = 0.2
REDIS_PAUSE_S = 5.0
"""After a failure Redis is left alone for this long, so that it being away costs no request more."""

BUCKETS_MAX = 50_000
KEY_PREFIX = "bezant:limit:"

_log = structlog.get_logger("bezant.ratelimit")

# KEYS: buckets. ARGV: for each bucket its interval and its tolerance in microseconds. Answers, for each,
# {allowed, remaining, microseconds until it is full again, microseconds until one token is there}.
# Nothing is spent unless every bucket allows it.
SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local answers, spent, all = {}, {}, true
for n, key in ipairs(KEYS) do
    local interval, tolerance = tonumber(ARGV[2 * n - 1]), tonumber(ARGV[2 * n])
    local former = math.max(tonumber(redis.call('GET', key) or now), now)
    local moved = former + interval
    local allowed = moved - tolerance <= now
    if not allowed then all = false end
    spent[n] = moved
    answers[n] = {allowed and 1 or 0, math.max(0, math.floor((now + tolerance - (allowed and moved or former)) / interval)),
                  (allowed and moved or former) - now, math.max(0, moved - tolerance - now)}
end
if all then
    for n, key in ipairs(KEYS) do
        redis.call('SET', key, string.format('%.0f', spent[n]), 'PX', math.ceil((spent[n] - now) / 1000) + 1000)
    end
end
return answers
"""


class RateLimited(Refusal):
    code = "rate_limited"
    status = 429
    title = "There were too many requests; try again after the time in Retry-After."


class LimitsUnavailable(Refusal):
    code = "limits_unavailable"
    status = 503
    title = "The limits of this endpoint cannot be checked at the moment; try again shortly."


@dataclass(frozen=True, slots=True)
class Limit:
    """`count` requests in `per_s` seconds, of which `burst` may come at once.

    `strict`: without Redis (where it is configured) requests are refused, not counted per process.
    """

    name: str
    count: int
    per_s: int
    burst: int
    strict: bool = False

    @property
    def interval_us(self) -> float:
        """Return the time in which one token comes back, in microseconds."""
        return self.per_s * 1_000_000 / self.count


@dataclass(frozen=True, slots=True)
class Decision:
    """What a bucket said: whether the request may pass, and how the bucket stands. Times in seconds."""

    limit: Limit
    allowed: bool
    remaining: int
    reset_s: float
    retry_after_s: float

    def headers(self) -> dict[str, str]:
        """Write the headers of draft-ietf-httpapi-ratelimit-headers-10, and Retry-After when refused."""
        name = self.limit.name
        told = {
            "RateLimit-Policy": f'"{name}";q={self.limit.burst};w={math.ceil(self.limit.burst * self.limit.interval_us / 1e6)}',
            "RateLimit": f'"{name}";r={self.remaining};t={math.ceil(self.reset_s)}',
        }
        if not self.allowed:
            told["Retry-After"] = str(max(1, math.ceil(self.retry_after_s)))
        return told


class LocalBuckets:
    """Buckets in this process: for where there is no Redis, or when it is away.

    They go by the monotonic clock: when a machine's time is set back, nobody is shut out until it has caught up.
    """

    def __init__(self, now_us: Callable[[], int] = lambda: time.monotonic_ns() // 1000) -> None:
        self._now_us = now_us
        self._spent_until: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, buckets: Sequence[tuple[str, Limit]], *, processes: int = 1) -> list[Decision]:
        """Test all buckets and spend a token of each, or of none. Each process takes its share of a limit."""
        with self._lock:
            now = self._now_us()
            moved, decisions = {}, []
            for key, limit in buckets:
                interval = limit.interval_us * processes
                tolerance = interval * max(1, limit.burst // processes)
                former = max(self._spent_until.get(key, now), now)
                allowed = former + interval - tolerance <= now
                moved[key] = former + interval
                stands = moved[key] if allowed else former
                decisions.append(
                    Decision(
                        limit,
                        allowed,
                        max(0, int((now + tolerance - stands) // interval)),
                        (stands - now) / 1e6,
                        max(0.0, (moved[key] - tolerance - now) / 1e6),
                    )
                )
            if all(decision.allowed for decision in decisions):
                for key, until in moved.items():
                    self._spent_until[key] = until
                    self._spent_until.move_to_end(key)
                while len(self._spent_until) > BUCKETS_MAX:
                    self._spent_until.popitem(last=False)
            return decisions


class Limiter:
    """Checks limits in Redis, and in this process while Redis is away or not configured."""

    def __init__(self, *, redis_url: str = "", processes: int = 1, client: Any = None) -> None:
        self._configured = bool(redis_url or client)
        self._url, self._client, self._processes = redis_url, client, max(1, processes)
        self._script: Any = None
        self._away_until = 0.0
        self._local = LocalBuckets()

    def check(self, buckets: Sequence[tuple[str, Limit]]) -> list[Decision]:
        """Test all buckets of a request; spend a token of each if all allow it, else none.

        Keys are hashed, so that no token or address lies in Redis. Raises LimitsUnavailable where a
        strict limit cannot be checked.
        """
        named = [
            (f"{limit.name}:{hashlib.sha256(key.encode()).hexdigest()[:32]}", limit) for key, limit in buckets
        ]
        if not self._configured:
            return self._local.check(named, processes=self._processes)
        if time.monotonic() >= self._away_until:
            try:
                return self._in_redis(named)
            except Exception as error:  # redis-py raises many kinds; all of them mean "not now"
                self._away_until = time.monotonic() + REDIS_PAUSE_S
                _log.warning(
                    "redis does not answer: limits are counted per process", error=type(error).__name__
                )
        # Imported here: the settings make limits before they have said where counters are kept.
        from apps.core.counters import RATE_LIMIT_FALLBACKS

        RATE_LIMIT_FALLBACKS.inc()
        if any(limit.strict for _, limit in named):
            raise LimitsUnavailable
        return self._local.check(named, processes=self._processes)

    def _in_redis(self, named: Sequence[tuple[str, Limit]]) -> list[Decision]:
        if self._script is None:
            self._script = self._connect().register_script(SCRIPT)
        arguments = [
            value for _, limit in named for value in (limit.interval_us, limit.interval_us * limit.burst)
        ]
        answers = self._script(keys=[KEY_PREFIX + key for key, _ in named], args=arguments)
        return [
            Decision(limit, bool(allowed), int(remaining), reset_us / 1e6, retry_us / 1e6)
            for (_, limit), (allowed, remaining, reset_us, retry_us) in zip(named, answers, strict=True)
        ]

    def _connect(self) -> Any:
        if self._client is None:
            import redis

            self._client = redis.Redis.from_url(
                self._url, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S
            )
        return self._client
