"""One client process of the benchmark: runs a case for a while and prints what it did as JSON.

    python -m apps.ledger.bench.worker CASE START SECONDS SEED

Every process begins at the moment START (seconds since the epoch), so that all are under way at once.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import django
from django.db import connection, transaction

ORGANISATION = uuid.UUID(int=1)
ACCOUNTS = 10_000
DAY = date(2026, 11, 2)
BATCH = 100
CALLERS = 64


def main(arguments: Sequence[str]) -> None:
    """Run a case."""
    case, start, seconds, seed = arguments[0], float(arguments[1]), float(arguments[2]), int(arguments[3])
    django.setup()
    rng = random.Random(seed)
    if case.startswith("callers_64"):
        done, latencies = _callers(rng, hot=case.endswith("hot"), start=start, seconds=seconds)
    else:
        step, count = _step(case, rng)
        _scope()
        for _ in range(8):
            step()
        done, latencies = _loop(step, start, seconds)
        done *= count
    latencies.sort()
    print(
        json.dumps(
            {"done": done, "seconds": seconds, "p50_ms": _at(latencies, 0.5), "p99_ms": _at(latencies, 0.99)}
        )
    )


def _scope() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('bezant.organisation', %s, false)", [str(ORGANISATION)])


def _loop(step: Callable[[], Any], start: float, seconds: float) -> tuple[int, list[float]]:
    time.sleep(max(0.0, start - time.time()))
    clock, latencies = time.perf_counter, []
    end = clock() + seconds
    while (began := clock()) < end:
        step()
        latencies.append((clock() - began) * 1000)
    return len(latencies), latencies


def _draft(rng: random.Random, *, hot: bool = False) -> Any:
    from apps.core.money import Money
    from apps.ledger.domain import JournalDraft, Posting

    debit = rng.randrange(2, ACCOUNTS + 1)
    credit = 1 if hot else debit % ACCOUNTS + 1
    return JournalDraft(
        key=uuid.uuid4(), organisation_id=ORGANISATION, kind="bench.transfer", effective_date=DAY, actor="system:bench",
        postings=(Posting(debit, credit, Money(rng.randint(1, 100), "EUR")),),
    )  # fmt: skip


def _step(case: str, rng: random.Random) -> tuple[Callable[[], Any], int]:
    from apps.ledger import public as ledger

    def single() -> Any:
        return ledger.post(_draft(rng))

    def atomic() -> Any:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE bench_payment SET state = 'settled' WHERE id = %s", [rng.randint(1, ACCOUNTS)]
                )
            return ledger.post(_draft(rng))

    def many(*, hot: bool) -> Any:
        results = ledger.post_many([_draft(rng, hot=hot) for _ in range(BATCH)])
        assert all(result.ok for result in results)

    return {
        "django_single": (single, 1),
        "django_atomic": (atomic, 1),
        "post_many_100": (lambda: many(hot=False), BATCH),
        "post_many_100_hot": (lambda: many(hot=True), BATCH),
        "balance": (lambda: ledger.balance(rng.randint(1, 50)), 1),
        "balance_at_recorded": (lambda: ledger.balance_at(rng.randint(1, 50), recorded_at=_middle()), 1),
        "balance_at_effective": (lambda: ledger.balance_at(rng.randint(1, 50), effective_date=DAY), 1),
    }[case]


_moment: list[Any] = []


def _middle() -> Any:
    """Return a moment in the middle of the log."""
    if not _moment:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT recorded_at FROM ledger.posting WHERE seq >= (SELECT max(seq) / 2 FROM ledger.posting) ORDER BY seq LIMIT 1"
            )
            _moment.append(cursor.fetchone()[0])
    return _moment[0]


def _callers(rng: random.Random, *, hot: bool, start: float, seconds: float) -> tuple[int, list[float]]:
    from apps.ledger.group_commit import GROUP

    sys.setswitchinterval(0.001)
    latencies: list[float] = []
    results: list[list[float]] = [[] for _ in range(CALLERS)]

    def caller(place: int) -> None:
        own = random.Random(rng.random() + place)
        _, results[place] = _loop(
            lambda: GROUP.post(_draft(own, hot=hot), organisation_id=ORGANISATION), start, seconds
        )

    threads = [threading.Thread(target=caller, args=(place,)) for place in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for part in results:
        latencies += part
    return len(latencies), latencies


def _at(values: list[float], share: float) -> float | None:
    return round(values[min(int(len(values) * share), len(values) - 1)], 3) if values else None


if __name__ == "__main__":
    main(sys.argv[1:])
