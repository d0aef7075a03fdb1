"""A provider that sends at a steady rate, whatever the answers do (open loop), or as fast as it can (closed)."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp

from apps.webhooks.signatures import standard

BODY_BYTES = 1_500


@dataclass
class Load:
    """What was sent, how it was answered, and how long each answer took from the moment it was due, in ms."""

    statuses: Counter[int] = field(default_factory=Counter)
    times_ms: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def percentile(self, share: float) -> float:
        """Return the time below which the share of all answers lies, in ms."""
        return percentile(self.times_ms, share)

    @property
    def accepted(self) -> int:
        """Return how many requests were answered with 200."""
        return self.statuses[200]


def percentile(values: list[float], share: float) -> float:
    """Return the value below which the share of all values lies; 0 of none."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2) if ordered else 0.0


@dataclass(frozen=True)
class Sender:
    """A provider's side of one source."""

    url: str
    secret: str
    name: str

    async def send(self, session: aiohttp.ClientSession, number: int, load: Load, due_s: float) -> None:
        """Send one event and note the answer."""
        event_id, at = f"{self.name}-{number}", datetime.now(UTC)
        data = {"id": event_id, "filling": "x" * (BODY_BYTES - 200)}
        body = json.dumps({"type": "payin.created", "timestamp": at.isoformat(), "data": data}).encode()
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": standard.sign(secrets=[self.secret], message_id=event_id, at=at, body=body),
        }
        try:
            async with session.post(self.url, data=body, headers=headers) as answer:
                await answer.read()
                load.statuses[answer.status] += 1
        except (aiohttp.ClientError, TimeoutError, OSError):
            load.statuses[0] += 1
        load.times_ms.append((time.perf_counter() - due_s) * 1000)

    def open_loop(self, *, per_s: int, seconds: float) -> Load:
        """Send so many a second, each at its own moment."""
        return asyncio.run(self._open_loop(per_s, seconds))

    async def _open_loop(self, per_s: int, seconds: float) -> Load:
        load, began, tasks = Load(), time.perf_counter(), []
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=200)) as session:
            for number in range(int(per_s * seconds)):
                due_s = began + number / per_s
                await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                tasks.append(asyncio.create_task(self.send(session, number, load, due_s)))
            await asyncio.gather(*tasks)
        load.seconds = time.perf_counter() - began
        return load

    def closed_loop(self, *, callers: int, seconds: float) -> Load:
        """Send as fast as so many callers get answers."""
        return asyncio.run(self._closed_loop(callers, seconds))

    async def _closed_loop(self, callers: int, seconds: float) -> Load:
        load, began = Load(), time.perf_counter()
        numbers = iter(range(10_000_000, 20_000_000))

        async def caller(session: aiohttp.ClientSession) -> None:
            while time.perf_counter() - began < seconds:
                await self.send(session, next(numbers), load, time.perf_counter())

        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(caller(session) for _ in range(callers)))
        load.seconds = time.perf_counter() - began
        return load
