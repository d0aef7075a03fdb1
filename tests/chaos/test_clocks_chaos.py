"""C16, C18 and C20: a limit that many share, clocks that jump, and half an hour under a held snapshot."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import zlib
from pathlib import Path

import psycopg
import pytest

from apps.core.ratelimit import Limit, Limiter
from tests.chaos.brokers import broker
from tests.chaos.platform import DATABASE, platform
from tests.chaos.test_outbound_chaos import IN_FLIGHT, check_deliveries, publish, set_up, settled
from tests.chaos.traffic import Counts, Provider, add_source, check_inbox, drained, percentile
from tests.integration.webhooks.sink import Sink

WHOLE = pytest.mark.chaos
# One at a time: each starts a whole platform. And none is to be cut short on a busy machine.
pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("chaos")]
SOAK_MINUTES = float(os.environ.get("BEZANT_SOAK_MINUTES", "3"))
PER_S, BURST = 100, 20


def _spend(url, threads, seconds, answers):
    """In a process of its own: ask as often as so many threads can, and count what was allowed."""
    limiter, limit = Limiter(redis_url=url), Limit("shared", PER_S, 1, BURST)
    allowed, asked, lock = 0, 0, threading.Lock()
    began = time.monotonic()
    ends = began + seconds

    def work():
        nonlocal allowed, asked
        while time.monotonic() < ends:
            passed = limiter.check([("the same client", limit)])[0].allowed
            with lock:
                asked += 1
                allowed += passed

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    answers.put((allowed, asked, began, time.monotonic()))


def shared_limit(folder, name, *, threads, processes, seconds, verdicts):
    """C16: of what so many threads of several processes ask for at once, the limit passes and no more."""
    with broker("redis", folder) as started:
        context = multiprocessing.get_context("spawn")
        answers = context.Queue()
        callers = [
            context.Process(target=_spend, args=[started.url, threads, seconds, answers])
            for _ in range(processes)
        ]
        for caller in callers:
            caller.start()
        told = [answers.get(timeout=seconds + 120) for _ in callers]
        for caller in callers:
            caller.join()
    # The monotonic clock is one for all processes of a machine.
    lasted_s = max(ended for *_, ended in told) - min(began for _, _, began, _ in told)
    counts = Counts(name, facts={"asked": sum(one[1] for one in told), "lasted_s": round(lasted_s, 1)})
    counts.limit("allowed", sum(one[0] for one in told), PER_S * lasted_s * 1.01 + BURST)
    verdicts.append(counts)
    return counts


class TestC16RateLimit:
    @pytest.mark.slow
    def test_parallel_callers_get_what_the_limit_says(self, tmp_path, verdicts):
        counts = shared_limit(
            tmp_path, "C16 rate limit (tenth)", threads=16, processes=2, seconds=2, verdicts=verdicts
        )

        assert counts.clean and counts.facts["asked"] > 0

    @WHOLE
    def test_at_full_size(self, tmp_path, verdicts):
        counts = shared_limit(
            tmp_path, "C16 rate limit", threads=64, processes=4, seconds=10, verdicts=verdicts
        )

        assert counts.clean


class JumpingClock:
    """The wall clock that every process of a platform sees, moved by writing a file (see jumping/sitecustomize.py).

    PostgreSQL keeps the right time: it is the platform's clock, and the machines' are what is wrong.
    """

    OFFSETS_S = (600, -600, 0)

    def __init__(self, folder: Path) -> None:
        self.file, self.jumps = folder / "clock", 0
        self.set(0)
        self.variables = {
            "PYTHONPATH": str(Path(__file__).parent / "jumping"),
            "BEZANT_TEST_CLOCK": str(self.file),
        }

    def set(self, offset_s: int) -> None:
        fresh = self.file.with_suffix(f".{threading.get_ident()}")
        fresh.write_text(str(offset_s))
        fresh.rename(self.file)

    def jump(self) -> None:
        """Go on with the next of: ten minutes ahead, ten behind, right."""
        self.set(self.OFFSETS_S[self.jumps % 3])
        self.jumps += 1


def clocks_jump(folder, name, *, events, jump_s, verdicts):
    """C18: C1, and deliveries of which a fifth fail at first, while all clocks but the database's jump."""
    folder.mkdir(parents=True, exist_ok=True)
    clock = JumpingClock(folder)
    failed: set[str] = set()

    def answer(received):
        first = received.event_id not in failed and zlib.crc32(received.event_id.encode()) % 5 == 0
        if first:
            failed.add(received.event_id)
        return 500 if first else 200

    sink = Sink(answer=answer)
    try:
        with platform(folder / "platform", variables=clock.variables) as running:
            path = add_source(running)
            organisation, _ = set_up(running, [(sink.url, {"max_in_flight": IN_FLIGHT})])
            running.start("web", "worker", "beat", "relay")
            running.every(jump_s, clock.jump)
            running.every(2, lambda: running.kill_child("worker"))
            publishing = threading.Thread(target=publish, args=[running, organisation, events // 5])
            publishing.start()
            provider = Provider(running, path)
            told = {f"chaos-{number}": {"n": number} for number in range(events)}
            provider.send(told)
            publishing.join()
            running.wait_until(lambda: clock.jumps >= 4, within_s=jump_s * 6)
            running.calm()
            clock.set(600)
            ahead_s = float(running.manage("import time; print(time.time())")) - time.time()
            clock.set(-600)
            running.wait_until(lambda: drained(running) and settled(running), within_s=180)
            inbound = check_inbox(running, name, provider.promised, set(told))
            outbound = check_deliveries(running, name, sink, kills=running.kills, failures=len(failed))
            ((attempts,),) = running.sql("SELECT count(*) FROM webhooks_attempt")
    finally:
        sink.stop()
    assert 500 < ahead_s < 700, "the processes do not see the clock that the test sets"
    counts = Counts(
        name,
        lost=inbound.lost + outbound.lost,
        double=inbound.double + outbound.double,
        ghost=inbound.ghost + outbound.ghost,
        stuck=inbound.stuck + outbound.stuck,
        facts={"jumps": clock.jumps, "kills": running.kills, "effects": inbound.facts["effects"]},
    )
    # The plan: one attempt for each event and one more for each that failed.
    counts.limit("attempts", attempts, 2 * (events // 5 + len(failed)))
    verdicts.append(counts)
    return counts


@WHOLE
def test_c18_clocks_jump_by_ten_minutes(tmp_path, verdicts):
    counts = clocks_jump(tmp_path, "C18 clocks jump", events=10_000, jump_s=5, verdicts=verdicts)

    assert counts.clean and counts.facts["effects"] == 10_000 and counts.facts["jumps"] >= 4


class Claims:
    """Times a worker's claim twice a second, and takes it back at once; watches the hot table's size."""

    SQL = "SELECT count(*) FROM webhooks_claim_deliveries(20, '00000000-0000-0000-0000-000000000000', interval '60 s', 300)"

    def __init__(self, url: str) -> None:
        self.url, self.times, self.table_mb, self._stop = url, [], 0.0, threading.Event()
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.began = time.monotonic()
        self.thread.start()

    def _work(self) -> None:
        with psycopg.connect(self.url) as connection:
            while not self._stop.wait(0.5):
                began = time.monotonic()
                connection.execute(self.SQL)
                self.times.append((began - self.began, (time.monotonic() - began) * 1000))
                connection.rollback()
                ((size,),) = connection.execute("SELECT pg_total_relation_size('webhooks_queue')").fetchall()
                connection.rollback()
                self.table_mb = max(self.table_mb, size / 2**20)

    def stop(self) -> None:
        self._stop.set()
        self.thread.join(30)

    def p99_ms(self, first_s: float, last_s: float) -> float:
        return percentile([ms for at_s, ms in self.times if first_s <= at_s < last_s], 0.99)


def soak(folder, name, *, minutes, verdicts):
    """C20: 100 events a second in and 100 out, while another session holds a snapshot for a third of the time."""
    lasts_s, sink = minutes * 60, Sink()
    count = int(lasts_s * 100)
    try:
        with platform(folder) as running:
            path = add_source(running)
            organisation, _ = set_up(running, [(sink.url, {"max_in_flight": IN_FLIGHT})])
            running.start("web", "worker", "beat", "relay")
            url = running.cluster.url(role="postgres", database=DATABASE)
            publishing = threading.Thread(
                target=publish, args=[running, organisation, count], kwargs={"per_s": 100}
            )
            provider = Provider(running, path, copies=1, senders=4, per_s=100)
            told = {f"chaos-{number}": {"n": number} for number in range(count)}
            sending = threading.Thread(target=provider.send, args=[told])
            publishing.start()
            sending.start()
            claims = Claims(url)
            time.sleep(lasts_s / 6)
            with psycopg.connect(url) as holder:
                holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                holder.execute("SELECT count(*) FROM webhooks_queue")
                time.sleep(lasts_s / 3)
            publishing.join()
            sending.join()
            claims.stop()
            running.wait_until(lambda: drained(running) and settled(running), within_s=120)
            inbound = check_inbox(running, name, provider.promised, set(told))
            outbound = check_deliveries(running, name, sink, kills=0)
            memory_mb = max(0.0, running.memory_mb("worker"))
    finally:
        sink.stop()
    fresh_ms, later_ms = claims.p99_ms(0, lasts_s / 6), claims.p99_ms(lasts_s / 6, lasts_s * 2)
    counts = Counts(
        name,
        lost=inbound.lost + outbound.lost,
        double=inbound.double + outbound.double,
        ghost=inbound.ghost + outbound.ghost,
        stuck=inbound.stuck + outbound.stuck,
        facts={
            "minutes": minutes,
            "claims": len(claims.times),
            "fresh_p99_ms": round(fresh_ms, 1),
            "worker_mb": round(memory_mb),
        },
    )
    # Below what a claim may take at all, three times a very small figure says nothing.
    counts.limit("claim_p99_ms", later_ms, max(3 * fresh_ms, 20))
    counts.limit("hot_table_mb", claims.table_mb, 50)
    verdicts.append(counts)
    return counts


@WHOLE
@pytest.mark.timeout(int(SOAK_MINUTES * 60) + 900)
def test_c20_soak_under_a_held_snapshot(tmp_path, verdicts):
    assert soak(tmp_path, "C20 soak", minutes=SOAK_MINUTES, verdicts=verdicts).clean
