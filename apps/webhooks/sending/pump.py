"""The pump: an event loop that keeps as much in flight as it may, and a thread that talks to the database.

A claim never waits for the slowest endpoint of the one before: results are recorded as they come, and
new deliveries are claimed as room appears.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.db import connections

from apps.webhooks import metrics
from apps.webhooks.domain.outcome import Outcome, judge
from apps.webhooks.domain.schedule import DELIVERY_ATTEMPTS_MAX
from apps.webhooks.sending.claiming import Addressee, Claimed, Claimer
from apps.webhooks.sending.http import Sender
from apps.webhooks.sending.recording import Result, record
from apps.webhooks.signatures import standard
from apps.webhooks.signatures.base import Rejected

IN_FLIGHT_MAX = 200
BATCH = 100
FLUSH_S = 0.02
PAUSE_MIN_S, PAUSE_MAX_S = 0.01, 0.25

T = TypeVar("T")


@dataclass
class Pump:
    """Sends what is due for up to `work_s` seconds, and looks again for `linger_s` after the latest."""

    sender: Sender
    work_s: float
    linger_s: float
    claimer: Claimer = field(default_factory=Claimer)
    in_flight_max: int = IN_FLIGHT_MAX
    on_winding_down: Callable[[], None] = lambda: None
    done: int = 0
    _results: list[Result] = field(default_factory=list)
    _sending: set[asyncio.Task[None]] = field(default_factory=set)

    def run(self) -> int:
        """Work until there is nothing to do or the time is up; return how many attempts were made."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="deliveries") as self._database:
            try:
                asyncio.run(self._run())
            finally:
                self._database.submit(connections.close_all).result()
        return self.done

    async def _run(self) -> None:
        ends, quiet_until, pause_s = time.monotonic() + self.work_s, 0.0, PAUSE_MIN_S
        async with self.sender:
            while True:
                if time.monotonic() < ends:
                    claimed = await self._claim()
                else:
                    # Nothing more is claimed; what is in the air is waited for, and others go on meanwhile.
                    claimed = 0
                    self.on_winding_down()
                if claimed:
                    quiet_until, pause_s = time.monotonic() + self.linger_s, PAUSE_MIN_S
                elif not self._sending and time.monotonic() >= min(quiet_until, ends):
                    await self._flush()
                    return
                await self._wait(FLUSH_S if self._sending else pause_s)
                pause_s = pause_s if claimed else min(pause_s * 2, PAUSE_MAX_S)
                await self._flush()

    async def _claim(self) -> int:
        room = min(self.in_flight_max - len(self._sending), BATCH)
        # Claims of a few rows cost as much as claims of many: wait until there is some room.
        if room < min(BATCH, self.in_flight_max) // 4:
            return 0
        batch = await self._in_database(lambda: self.claimer.claim(room))
        for claimed, addressee in batch:
            task = asyncio.create_task(self._send(claimed, addressee))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return len(batch)

    async def _wait(self, timeout_s: float) -> None:
        if self._sending:
            await asyncio.wait(self._sending, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(timeout_s)

    async def _flush(self) -> None:
        if not self._results:
            return
        results, self._results = self._results, []
        self.done += len(results)
        await self._in_database(lambda: record(results))

    async def _send(self, claimed: Claimed, addressee: Addressee | None) -> None:
        at = datetime.now(UTC)
        refused = _refusal(claimed, addressee)
        if refused or addressee is None:
            self._results.append(Result(claimed, Outcome("dead", refused), None, at))
            return
        if claimed.attempts == 1:
            metrics.DELIVERY_LAG.observe(max(0.0, (at - claimed.recorded_at).total_seconds()))
        try:
            headers = signed_headers(claimed, addressee, at)
        except Rejected as rejected:
            self._results.append(Result(claimed, Outcome("dead", rejected.reason), None, at))
            return
        reply = await self.sender.post(addressee.target, headers=headers, body=claimed.body)
        metrics.DELIVERY_TIME.observe(reply.took_ms / 1000)
        outcome = judge(reply.answer, attempts=claimed.attempts, at=datetime.now(UTC), chance=random.random())
        self._results.append(Result(claimed, outcome, reply, at))

    async def _in_database(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._database, work)


def _refusal(claimed: Claimed, addressee: Addressee | None) -> str:
    """Say why nothing is sent at all, or ""."""
    if addressee is None:
        return "endpoint_missing"
    if addressee.state != "active":
        return f"endpoint_{addressee.state}"
    if claimed.attempts > DELIVERY_ATTEMPTS_MAX:
        return "attempts_used_up"  # by workers that ended in the middle of each
    return ""


def signed_headers(claimed: Claimed, addressee: Addressee, at: datetime) -> dict[str, str]:
    """Make the headers of one attempt (Standard Webhooks): the id stays, time and signatures are new.

    Raises Rejected when the endpoint has no secret that can sign.
    """
    secrets = addressee.live_secrets(at)
    if not secrets:
        raise Rejected("no_secret")
    return {
        "Content-Type": "application/json",
        "webhook-id": claimed.event_key,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": standard.sign(
            secrets=secrets, message_id=claimed.event_key, at=at, body=claimed.body
        ),
        "X-Correlation-ID": claimed.correlation_id,
    }


def pump_from_settings(*, work_s: float, linger_s: float, **options: Any) -> Pump:
    """Make a pump as the deployment's settings say."""
    from django.conf import settings

    sender = Sender(
        allow_local=settings.WEBHOOK_ALLOW_LOCAL,
        proxy=settings.WEBHOOK_PROXY,
        total_s=settings.WEBHOOK_TIMEOUT_S,
        in_flight_max=options.get("in_flight_max", IN_FLIGHT_MAX),
    )
    claimer = Claimer(lease_s=settings.WEBHOOK_LEASE_S)
    return Pump(sender=sender, work_s=work_s, linger_s=linger_s, claimer=claimer, **options)
