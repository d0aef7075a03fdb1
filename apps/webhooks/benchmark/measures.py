"""The measurements, one function each. Every figure is taken from the tables or from the sink, not from logs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core import clock, ids, tenancy
from apps.core.actors import system_actor
from apps.core.commands import execute
from apps.webhooks import inbox, queries
from apps.webhooks.benchmark.load import Sender, percentile
from apps.webhooks.benchmark.machine import Machine, wait_until
from apps.webhooks.commands.endpoints import CreateEndpoint
from apps.webhooks.commands.sources import AddSource
from apps.webhooks.models import Source
from apps.webhooks.sending.claiming import Claimer

_ACTOR = system_actor("manage.bench_webhooks")


@dataclass
class Ground:
    """The organisation and addresses that a measurement works with."""

    machine: Machine
    organisation_id: UUID
    seconds: float
    figures: dict[str, Any] = field(default_factory=dict)

    def source(self, name: str) -> Sender:
        """Open a source and return its provider."""
        command = AddSource(self.organisation_id, "bezant_sandbox", name, "")
        path = execute(command, actor=_ACTOR, key=None, at=clock.database_now()).answer["path"]
        with tenancy.scope(self.organisation_id):
            source = Source.objects.get(path_token=path.rsplit("/", 1)[-1])
            secret = queries.source_secret(source.pk)
        return Sender(f"http://127.0.0.1:{self.machine.web_port}{path}", secret, name)

    def endpoint(self, path: str, *, in_flight: int = 50) -> UUID:
        """Register an endpoint at the sink."""
        url = f"http://127.0.0.1:{self.machine.sink_port}/{path}"
        command = CreateEndpoint(
            self.organisation_id, url, event_filters=("bench.*",), max_in_flight=in_flight
        )
        answer = execute(command, actor=_ACTOR, key=None, at=clock.database_now()).answer
        return ids.parse_public_id("we", answer["id"])

    def forget_endpoints(self) -> None:
        """Take away what the measurement before has left."""
        _sql("DELETE FROM webhooks_queue WHERE organisation_id = %s", self.organisation_id)
        _sql(
            "UPDATE webhooks_endpoint SET state = 'disabled' WHERE organisation_id = %s", self.organisation_id
        )


def inbound(ground: Ground) -> None:
    """Accept 200 a second, open loop; how long a stored event waits to be applied; then the ceiling."""
    sender = ground.source("steady")
    ground.machine.start("web", "worker", "beat")
    sender.closed_loop(callers=4, seconds=2)  # warm: plans, pools, caches
    wait_until(lambda: _unfinished() == 0, within_s=60)
    load = sender.open_loop(per_s=200, seconds=ground.seconds)
    ground.figures["inbound_200_per_s"] = {
        "sent": sum(load.statuses.values()),
        "accepted": load.accepted,
        "errors": sum(load.statuses.values()) - load.accepted,
        "p50_ms": load.percentile(0.5),
        "p99_ms": load.percentile(0.99),
    }
    wait_until(lambda: _unfinished() == 0, within_s=120)
    lags = _sql(
        "SELECT extract(epoch FROM finished_at - received_at)::float8 FROM webhooks_inboxevent"
        " WHERE organisation_id = %s AND event_id LIKE 'steady-%%' AND length(event_id) < 15",
        ground.organisation_id,
    )
    ground.figures["stored_to_applied_s"] = {
        "p50": percentile([lag for (lag,) in lags], 0.5),
        "p99": percentile([lag for (lag,) in lags], 0.99),
    }
    # The ceiling is that of receiving: what is received waits meanwhile.
    ground.machine.stop("worker")
    ceiling = ground.source("ceiling").closed_loop(callers=16, seconds=ground.seconds / 2)
    ground.figures["inbound_ceiling"] = {
        "per_s": round(ceiling.accepted / ceiling.seconds),
        "p99_ms": ceiling.percentile(0.99),
        "errors": sum(ceiling.statuses.values()) - ceiling.accepted,
    }
    for name in ("web", "beat"):
        ground.machine.stop(name)
    _sql(
        "UPDATE webhooks_inboxevent SET status = 'discarded' WHERE organisation_id = %s AND status = 'received'",
        ground.organisation_id,
    )


def first_attempt(ground: Ground) -> None:
    """From an event's commit to its first attempt, at 50 events a second."""
    ground.forget_endpoints()
    ground.endpoint("one")
    ground.machine.start("sink", "worker", "beat", "relay")
    _event(ground, 0)
    wait_until(lambda: _done(ground) > 0, within_s=60)
    began = time.perf_counter()
    for number in range(int(50 * ground.seconds)):
        time.sleep(max(0.0, began + number / 50 - time.perf_counter()))
        _event(ground, number, name="bench.paced")
    wait_until(lambda: _queued(ground) == 0, within_s=30)
    lags = _sql(
        "SELECT extract(epoch FROM a.started_at - d.created_at)::float8 FROM webhooks_attempt a"
        " JOIN webhooks_delivery d ON d.id = a.delivery_id WHERE d.organisation_id = %s AND a.number = 1"
        " AND d.event_name = 'bench.paced'",
        ground.organisation_id,
    )
    values = [lag * 1000 for (lag,) in lags]
    ground.figures["commit_to_first_attempt_ms"] = {
        "count": len(values),
        "p50": percentile(values, 0.5),
        "p99": percentile(values, 0.99),
    }
    ground.figures["worker_memory_mb"] = ground.machine.memory_mb("worker")


def deliveries(ground: Ground, *, count: int) -> None:
    """Durable deliveries a second: claimed, signed, posted, recorded with an attempt's row each."""
    ground.forget_endpoints()
    for number in range(20):
        ground.endpoint(f"fast-{number}")
    with _stopped(ground, "worker", "relay"):
        _queue_events(ground, count // 20)
    queued = _queued(ground)
    took_s = _drain(ground, queued)
    ground.figures["deliveries_per_s"] = round(queued / took_s)


def one_dead_of_a_hundred(ground: Ground, *, count: int) -> None:
    """The rate of 99 endpoints with nothing else, and with a hundredth that never answers."""
    rates = {}
    for kind in ("clean", "dead"):
        ground.forget_endpoints()
        for number in range(99):
            ground.endpoint(f"{kind}-{number}" if kind == "clean" else f"well-{number}")
        if kind == "dead":
            ground.endpoint("dead")
        with _stopped(ground, "worker", "relay"):
            _queue_events(ground, count // 99)
        before = _done(ground)
        wanted = (count // 99) * 99
        began = time.perf_counter()
        _wait_for_done(ground, before + wanted)
        rates[kind] = wanted / (time.perf_counter() - began)
    ground.figures["one_dead_of_a_hundred"] = {
        "clean_per_s": round(rates["clean"]),
        "with_dead_per_s": round(rates["dead"]),
        "share": round(rates["dead"] / rates["clean"], 3),
    }


def _wait_for_done(ground: Ground, count: int) -> None:
    wait_until(lambda: _done(ground) >= count, within_s=120)


def resume_after_kill(ground: Ground) -> None:
    """How long claimed rows wait after kill -9 of their worker (the lease is 5 s)."""
    ground.forget_endpoints()
    ground.machine.stop("sink")
    ground.machine.start("sink", pause_ms=2_000)
    ground.endpoint("slow")
    with _stopped(ground, "worker"):
        for number in range(20):
            _event(ground, number)
        wait_until(lambda: _queued(ground) >= 20, within_s=30)
    wait_until(lambda: _claimed(ground) > 0, within_s=30)
    ground.machine.stop("worker")
    killed = time.perf_counter()
    ground.machine.start("worker")
    tokens = {
        token for (token,) in _sql("SELECT lease_token FROM webhooks_queue WHERE lease_token IS NOT NULL")
    }
    wait_until(
        lambda: bool(
            {t for (t,) in _sql("SELECT lease_token FROM webhooks_queue WHERE lease_token IS NOT NULL")}
            - tokens
        ),
        within_s=60,
        pause_s=0.02,
    )
    ground.figures["resume_after_kill_s"] = {
        "lease_s": 5,
        "resumed_after_s": round(time.perf_counter() - killed, 2),
    }


def backlog(ground: Ground, *, rows: int) -> None:
    """How long a claim takes with so many rows waiting."""
    for name in ("worker", "relay", "beat"):
        ground.machine.stop(name)
    ground.forget_endpoints()
    endpoints = [ground.endpoint(f"backlog-{number}") for number in range(50)]
    event_id = _event(ground, 0, name="bench.backlog")
    _sql(
        "INSERT INTO webhooks_queue (id, organisation_id, endpoint_id, event_id, created_at, queue_no, ordering_key,"
        " attempts, next_at) SELECT gen_random_uuid(), %s, (%s::uuid[])[1 + n %% 50], %s, now(), n, '', 0,"
        " now() - make_interval(secs => n / 1000.0) FROM generate_series(1, %s) AS n",
        ground.organisation_id,
        endpoints,
        event_id,
        rows,
        timeout_s=600,
    )
    _sql("ANALYZE webhooks_queue")
    claimer = Claimer()
    ground.figures["claim_with_backlog_ms"] = _claims(rows, lambda: claimer.claim(20))
    ground.forget_endpoints()


def inbox_backlog(ground: Ground, *, rows: int) -> None:
    """The same for provider events; a few of them lie in the hands of workers, as they always do."""
    for name in ("web", "worker", "beat"):
        ground.machine.stop(name)
    ground.source("backlog")
    _sql(
        "WITH request AS (INSERT INTO webhooks_inboundrequest (id, organisation_id, source_id, received_at, headers, body,"
        "   body_sha256, key_id, correlation_id)"
        "  SELECT gen_random_uuid(), s.organisation_id, s.id, now(), '{}', '', sha256(''), '', '' FROM webhooks_source s"
        "  WHERE s.organisation_id = %s AND s.title = 'backlog' RETURNING id, organisation_id, source_id)"
        " INSERT INTO webhooks_inboxevent (id, organisation_id, source_id, request_id, provider, event_id, event_type,"
        "  object_key, received_at, payload, payload_sha256, correlation_id, status, attempts, next_at, reason, fingerprint)"
        " SELECT gen_random_uuid(), r.organisation_id, r.source_id, r.id, 'bezant_sandbox', 'backlog-' || n, 'bench', '',"
        "  now(), '{}', sha256(''), '', CASE WHEN n %% 10000 = 0 THEN 'processing' ELSE 'received' END, 0,"
        "  now() + make_interval(secs => CASE WHEN n %% 10000 = 0 THEN 600 ELSE -n / 1000.0 END), '', ''"
        " FROM request r, generate_series(1, %s) AS n",
        ground.organisation_id,
        rows,
        timeout_s=600,
    )
    _sql("ANALYZE webhooks_inboxevent")
    ground.figures["inbox_claim_with_backlog_ms"] = _claims(rows, lambda: inbox.claim(limit=20))
    _sql(
        "DELETE FROM webhooks_inboxevent WHERE organisation_id = %s AND event_id LIKE 'backlog-%%'",
        ground.organisation_id,
        timeout_s=600,
    )


def _claims(rows: int, claim: Callable[[], object]) -> dict[str, Any]:
    times_ms = []
    for _ in range(100):  # 50 endpoints have 50 in flight each: enough for 125 claims of 20
        began = time.perf_counter()
        claim()
        times_ms.append((time.perf_counter() - began) * 1000)
    return {"rows": rows, "p50": percentile(times_ms, 0.5), "p99": percentile(times_ms, 0.99)}


@contextmanager
def _stopped(ground: Ground, *names: str) -> Iterator[None]:
    for name in names:
        ground.machine.stop(name)
    yield
    ground.machine.start(*names)


def _drain(ground: Ground, queued: int) -> float:
    """Wait until all are sent; return the time from the first one on, in seconds."""
    start = ground.machine.received()
    wait_until(lambda: ground.machine.received() > start, within_s=60, pause_s=0.005)
    began = time.perf_counter()
    wait_until(lambda: _queued(ground) == 0, within_s=300)
    return time.perf_counter() - began


def _event(ground: Ground, number: int, *, name: str = "bench.happened") -> UUID:
    at = clock.database_now()
    event_id = ids.uuid7(at)
    with tenancy.scope(ground.organisation_id), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_outboxevent (id, organisation_id, name, version, object_type, object_id, payload,"
            " correlation_id, occurred_at) VALUES (%s, %s, %s, 1, 'bench', %s, %s, 'bench-correlation', %s)",
            [event_id, ground.organisation_id, name, f"obj_{number}", '{"filling": "' + "x" * 800 + '"}', at],
        )
    return event_id


def _queue_events(ground: Ground, count: int) -> None:
    """Write events and fan them out at once, so that sending alone is measured."""
    for number in range(count):
        event_id = _event(ground, number)
        _sql(
            "SELECT webhooks_fan_out(organisation_id, id, name, object_id, correlation_id, recorded_at)"
            " FROM core_outboxevent WHERE id = %s",
            event_id,
        )


def _queued(ground: Ground) -> int:
    return int(
        _sql("SELECT count(*) FROM webhooks_queue WHERE organisation_id = %s", ground.organisation_id)[0][0]
    )


def _claimed(ground: Ground) -> int:
    return int(
        _sql(
            "SELECT count(*) FROM webhooks_queue WHERE organisation_id = %s AND lease_token IS NOT NULL",
            ground.organisation_id,
        )[0][0]
    )


def _done(ground: Ground) -> int:
    return int(
        _sql(
            "SELECT count(*) FROM webhooks_delivery WHERE organisation_id = %s AND status = 'delivered'",
            ground.organisation_id,
        )[0][0]
    )


def _unfinished() -> int:
    return int(
        _sql(
            "SELECT count(*) FROM webhooks_inboxevent WHERE status IN ('received', 'processing', 'waiting', 'retry')"
        )[0][0]
    )


def _sql(statement: str, *values: Any, timeout_s: int = 60) -> list[tuple[Any, ...]]:
    with tenancy.scope(tenancy.PLATFORM), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{timeout_s}s'")
        cursor.execute(statement, list(values))
        return list(cursor.fetchall()) if cursor.description else []
