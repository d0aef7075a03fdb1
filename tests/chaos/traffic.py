"""The two ends of the traffic: providers that send to us and keep count, and the checker of what became of it."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp

from apps.webhooks.signatures import standard
from tests.chaos.platform import Platform

SECRET = "whsec_" + base64.b64encode(b"chaos chaos chaos chaos chaos 12").decode()


@dataclass
class Counts:
    """The verdict of a scenario. All five must be 0; `extra` counts the scenario's own limits that were passed."""

    name: str
    lost: int = 0
    double: int = 0
    ghost: int = 0
    stuck: int = 0
    extra: int = 0
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        return (self.lost, self.double, self.ghost, self.stuck, self.extra) == (0, 0, 0, 0, 0)

    def limit(self, name: str, value: float, most: float) -> None:
        """Hold a figure against the scenario's own limit, and show both."""
        self.facts[name] = f"{round(value, 2):g}<={round(most, 2):g}"
        self.extra += value > most


def add_source(platform: Platform) -> str:
    """Open a source of Standard Webhooks; return its path."""
    return platform.manage(
        "from apps.core import clock, ids, tenancy\n"
        "from apps.core.actors import system_actor\n"
        "from apps.core.commands import execute\n"
        "from apps.accounts.models import Organisation\n"
        "from apps.webhooks.commands.sources import AddSource\n"
        "at = clock.database_now()\n"
        "key = ids.uuid7(at)\n"
        "with tenancy.scope(key): Organisation.objects.create(id=key, name='Chaos', kind='merchant', country='NL', created_at=at)\n"
        f"command = AddSource(key, 'standardwebhooks', 'chaos', {SECRET!r})\n"
        "print(execute(command, actor=system_actor('tests'), key=None, at=at).answer['path'])\n"
    )


@dataclass
class Provider:
    """Sends each event several times, shuffled, until each copy was accepted; what got a 2xx is a promise to us."""

    platform: Platform
    path: str
    copies: int = 3
    senders: int = 8
    per_s: float = 0  # how many a second at most; 0 for as fast as they are accepted
    promised: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    times_ms: list[float] = field(default_factory=list)

    def send(self, events: dict[str, dict[str, Any]]) -> None:
        """Send all events; returns when every copy has been accepted."""
        copies = [(event_id, data) for event_id, data in events.items() for _ in range(self.copies)]
        random.Random(7).shuffle(copies)
        asyncio.run(self._send_all(copies))

    async def _send_all(self, copies: list[tuple[str, dict[str, Any]]]) -> None:
        waiting = list(copies)
        began, sent = time.monotonic(), 0
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:

            async def sender() -> None:
                nonlocal sent
                while waiting:
                    event_id, data = waiting.pop()
                    if self.per_s:
                        sent += 1
                        await asyncio.sleep(max(0, began + sent / self.per_s - time.monotonic()))
                    if not await self._once(session, event_id, data):
                        waiting.insert(0, (event_id, data))
                        await asyncio.sleep(0.05)

            await asyncio.gather(*(sender() for _ in range(self.senders)))

    async def _once(self, session: aiohttp.ClientSession, event_id: str, data: dict[str, Any]) -> bool:
        body = json.dumps(
            {"type": "chaos.happened", "timestamp": "2026-01-01T00:00:00Z", "data": data}
        ).encode()
        at = datetime.now(UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": standard.sign(secrets=[SECRET], message_id=event_id, at=at, body=body),
        }
        began = time.perf_counter()
        try:
            async with session.post(
                f"http://127.0.0.1:{self.platform.port}{self.path}", data=body, headers=headers
            ) as answer:
                self.statuses[answer.status] += 1
                self.times_ms.append((time.perf_counter() - began) * 1000)
                if 200 <= answer.status < 300:
                    self.promised.add(event_id)
                    return True
                assert answer.status == 503, (answer.status, await answer.text())
                return False
        except (aiohttp.ClientError, TimeoutError, OSError):
            self.statuses[0] += 1
            return False


def drained(platform: Platform) -> bool:
    """Tell whether nothing in the inbox is unfinished."""
    ((left,),) = platform.sql(
        "SELECT count(*) FROM webhooks_inboxevent WHERE status IN ('received', 'processing', 'waiting', 'retry')"
    )
    return left == 0


def check_inbox(
    platform: Platform, name: str, promised: set[str], genuine: set[str], dead: set[str] = frozenset()
) -> Counts:
    """Count what became of promised events, from the tables alone."""
    effects = Counter(
        row[0]
        for row in platform.sql(
            "SELECT object_id FROM compliance_auditentry WHERE object_type = 'chaos_effect'"
        )
    )
    stored = {row[0] for row in platform.sql("SELECT event_id FROM webhooks_inboxevent")}
    ((stuck,),) = platform.sql(
        "SELECT count(*) FROM webhooks_inboxevent WHERE status IN ('received', 'processing', 'waiting', 'retry')"
    )
    return Counts(
        name,
        lost=len(promised - set(effects) - dead),
        double=sum(count > 1 for count in effects.values()),
        ghost=len(set(effects) - genuine) + len(stored - genuine),
        stuck=stuck,
        facts={"effects": len(effects), "kills": platform.kills},
    )


def percentile(values: list[float], share: float) -> float:
    """Return the value below which the share of all values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
