"""Outbound: workers killed between the POST and its record, bad endpoints, order, rollbacks, forbidden addresses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from aiohttp import web

from tests.chaos.platform import Platform, platform
from tests.chaos.traffic import Counts, percentile
from tests.integration.webhooks.sink import Sink

WHOLE = pytest.mark.chaos
# One at a time: each starts a whole platform. And none is to be cut short on a busy machine.
pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("chaos")]
IN_FLIGHT = 50

_SETUP = """
import json
from apps.core import clock, ids, tenancy
from apps.core.actors import system_actor
from apps.core.commands import execute
from apps.accounts.models import Organisation
from apps.webhooks.commands.endpoints import CreateEndpoint
at = clock.database_now()
key = ids.uuid7(at)
with tenancy.scope(key): Organisation.objects.create(id=key, name='Chaos', kind='merchant', country='NL', created_at=at)
made = [execute(CreateEndpoint(key, url, **options), actor=system_actor('tests'), key=None, at=at).answer['id'] for url, options in {endpoints!r}]
print(json.dumps([str(key), made]))
"""


def set_up(running: Platform, endpoints: list[tuple[str, dict]]) -> tuple[str, list[str]]:
    """Make an organisation with endpoints; return its key and their ids."""
    organisation, made = json.loads(running.manage(_SETUP.format(endpoints=endpoints)))
    return organisation, made


def publish(
    running: Platform,
    organisation: str,
    count: int,
    *,
    keys: int = 1,
    first: int = 0,
    pause_s: float = 0,
    per_s: float = 0,
    name: str = "payments.payment_settled",
) -> None:
    """Commit events, each in a transaction of its own, as commands would; `per_s` of them a second, or as fast as can be."""
    running.manage(
        "import json, time\nfrom apps.core import clock, ids, tenancy\nfrom django.db import connection\n"
        "from uuid import UUID\n"
        f"org = UUID({organisation!r})\n"
        "began = time.monotonic()\n"
        f"for n in range({first}, {first + count}):\n"
        f"    time.sleep(max({pause_s}, (began + (n - {first}) / {per_s} - time.monotonic()) if {per_s} else 0))\n"
        "    at = clock.database_now()\n"
        "    with tenancy.scope(org), connection.cursor() as cursor:\n"
        "        cursor.execute('INSERT INTO core_outboxevent (id, organisation_id, name, version, object_type, object_id,'\n"
        "            ' payload, correlation_id, occurred_at) VALUES (%s, %s, %s, 1, %s, %s, %s, %s, %s)',\n"
        f"            [ids.uuid7(at), org, {name!r}, 'payment', f'pay_{{n % {keys}}}', json.dumps({{'n': n}}), 'chaos-correlation', at])\n"
        "print('done')"
    )


def settled(running: Platform) -> bool:
    """Tell whether every event was fanned out and no delivery is queued."""
    ((left, behind),) = running.sql(
        "SELECT (SELECT count(*) FROM webhooks_queue),"
        " (SELECT count(*) FROM core_outboxevent e WHERE NOT EXISTS"
        "   (SELECT FROM webhooks_delivery d WHERE d.event_id = e.id) AND e.name LIKE 'payments.%%')"
    )
    return left == 0 and behind == 0


def check_deliveries(running: Platform, name: str, sink: Sink, *, kills: int, failures: int = 0) -> Counts:
    """Count events without a delivery at the sink, ids the platform never made, rows that are stuck."""
    wanted = {
        row[0]
        for row in running.sql("SELECT payload->>'n' FROM core_outboxevent WHERE name LIKE 'payments.%%'")
    }
    got = Counter(str(json.loads(one.body)["data"]["n"]) for one in sink.received)
    ids_of: dict[str, set[str]] = {}
    for one in sink.received:
        ids_of.setdefault(str(json.loads(one.body)["data"]["n"]), set()).add(one.event_id)
    repeats = sum(count - 1 for count in got.values()) - failures
    ((stuck,),) = running.sql("SELECT count(*) FROM webhooks_queue")
    return Counts(
        name,
        lost=len(wanted - set(got)),
        # A delivery may be repeated when its worker died in between, but never under another id, and
        # never more often than there were deliveries in flight at the kills.
        double=sum(len(ids) > 1 for ids in ids_of.values()) + max(0, repeats - kills * IN_FLIGHT),
        ghost=len(set(got) - wanted),
        stuck=stuck,
        facts={"delivered": len(got), "repeats": repeats, "kills": kills},
    )


def between_post_and_record(folder, name, *, count, verdicts):
    async def slow(_):
        await asyncio.sleep(0.2)
        return web.Response(status=200)

    sink = Sink(answer=slow)
    try:
        with platform(folder) as running:
            organisation, _ = set_up(running, [(sink.url, {"max_in_flight": IN_FLIGHT})])
            running.start("worker", "beat", "relay")
            running.every(1.0, lambda: running.kill_child("worker"))
            publish(running, organisation, count)
            time.sleep(5)
            running.calm()
            running.wait_until(lambda: settled(running), within_s=120)
            verdicts.append(counts := check_deliveries(running, name, sink, kills=running.kills))
    finally:
        sink.stop()
    return counts


class TestC6KilledBetweenPostAndRecord:
    def test_each_event_arrives_and_repeats_keep_their_id(self, tmp_path, verdicts):
        counts = between_post_and_record(
            tmp_path, "C6 killed after POST (tenth)", count=200, verdicts=verdicts
        )

        assert counts.clean and counts.facts["delivered"] == 200 and counts.facts["kills"] >= 1

    @WHOLE
    def test_at_full_size(self, tmp_path, verdicts):
        counts = between_post_and_record(tmp_path, "C6 killed after POST", count=2_000, verdicts=verdicts)

        assert counts.clean


def rollbacks(count: int, verdicts: list[Counts], name: str) -> Counts:
    """C10: commands of which some fail; the outbox holds exactly the events of those that did not."""
    from apps.core import clock, tenancy
    from apps.core.actors import system_actor
    from apps.core.commands import COMMANDS, Command, execute, handles
    from apps.core.errors import Conflict
    from apps.core.events import EVENTS, Event, event
    from apps.core.models import OutboxEvent

    if ("chaos.try", 1) not in COMMANDS:

        @event("chaos.tried", version=1)
        @dataclass(frozen=True)
        class Tried(Event):
            """A try of the chaos tests."""

            OBJECT: ClassVar[tuple[str, str]] = ("try", "n")
            n: str

        @dataclass(frozen=True)
        class Try(Command):
            n: str
            fails: bool

        @handles(Try, name="chaos.try", version=1, permission="chaos")
        def attempt(command: Try, context: Any) -> dict[str, Any]:
            context.emit(Tried(n=command.n))
            if command.fails:
                raise Conflict(n=command.n)
            return {}

    spec = COMMANDS["chaos.try", 1]
    mark = random.randrange(10**9)
    fails = [number % 10 < 3 for number in range(count)]
    committed = set()
    try:
        for number, bad in enumerate(fails):
            try:
                execute(
                    spec.cls(None, f"{mark}-{number}", bad),
                    actor=system_actor("chaos"),
                    key=None,
                    at=clock.database_now(),
                )
                committed.add(f"{mark}-{number}")
            except Conflict:
                pass
    finally:
        del COMMANDS["chaos.try", 1], EVENTS["chaos.tried", 1]
    with tenancy.scope(tenancy.PLATFORM):
        told = Counter(
            OutboxEvent.objects.filter(object_id__startswith=f"{mark}-").values_list("object_id", flat=True)
        )
    counts = Counts(
        name,
        lost=len(committed - set(told)),
        double=sum(n > 1 for n in told.values()),
        ghost=len(set(told) - committed),
        facts={"commits": len(committed), "rollbacks": count - len(committed)},
    )
    verdicts.append(counts)
    return counts


class TestC10Rollbacks:
    def test_what_is_rolled_back_is_never_told(self, db, verdicts):
        counts = rollbacks(100, verdicts, "C10 rollbacks (tenth)")

        assert counts.clean and counts.facts == {"commits": 70, "rollbacks": 30}

    @WHOLE
    def test_at_full_size(self, db, verdicts):
        assert rollbacks(1_000, verdicts, "C10 rollbacks").clean


_DIE_AFTER_COMMIT = """
import json, os, signal
from uuid import UUID
import django
django.setup()
from django.db import connection, transaction
from apps.core import clock, ids, tenancy
killed = 0
for n in range({first}, {last}):
    child = os.fork()
    if not child:
        at, org = clock.database_now(), UUID({organisation!r})
        with tenancy.scope(org), connection.cursor() as cursor:
            cursor.execute('INSERT INTO core_outboxevent (id, organisation_id, name, version, object_type, object_id,'
                ' payload, correlation_id, occurred_at) VALUES (%s, %s, %s, 1, %s, %s, %s, %s, %s)',
                [ids.uuid7(at), org, 'payments.payment_settled', 'payment', 'pay_0', json.dumps({{'n': n}}), 'c', at])
            transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
        os._exit(1)
    killed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
print(killed)
"""


def killed_after_commit(folder, name, *, count, verdicts):
    """C11: a process commits an event and dies in its `on_commit` hook, so that nobody is ever woken for it."""
    sink = Sink()
    try:
        with platform(folder) as running:
            organisation, _ = set_up(running, [(sink.url, {"max_in_flight": IN_FLIGHT})])
            running.start("worker", "beat", "relay")
            publish(running, organisation, 1)
            running.wait_until(lambda: settled(running), within_s=60)
            code = _DIE_AFTER_COMMIT.format(first=1, last=count + 1, organisation=organisation)
            killed = int(running.manage(code))
            running.wait_until(lambda: settled(running), within_s=60)
            ((worst_s,),) = running.sql(
                "SELECT max(extract(epoch FROM a.started_at - e.recorded_at))::float8 FROM webhooks_attempt a"
                " JOIN webhooks_delivery d ON d.id = a.delivery_id JOIN core_outboxevent e ON e.id = d.event_id"
                " WHERE a.number = 1 AND (e.payload->>'n')::int > 0"
            )
            counts = check_deliveries(running, name, sink, kills=0)
            counts.facts["kills"] = killed
            counts.limit("not_killed", count - killed, 0)
            counts.limit("worst_s", worst_s, 2)
            verdicts.append(counts)
    finally:
        sink.stop()
    return counts


@WHOLE
def test_c11_killed_between_commit_and_wake_up(tmp_path, verdicts):
    assert killed_after_commit(tmp_path, "C11 killed after commit", count=500, verdicts=verdicts).clean


async def endless(request):
    """Answer with a gigabyte, as far as anybody takes it."""
    response = web.StreamResponse(status=500)
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        for _ in range(16_384):
            await response.write(b"x" * 65_536)
    return response


async def dripping(request):
    """Answer with a byte a second."""
    response = web.StreamResponse(status=200)
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        for _ in range(60):
            await response.write(b"x")
            await asyncio.sleep(1)
    return response


@WHOLE
def test_c12_bad_endpoints_leave_the_others_alone(tmp_path, verdicts):
    """Of 100 endpoints 10 time out, 10 fail, 5 ask for patience, one is gone, one never ends, one drips."""
    arrived: dict[str, list[float]] = {}

    async def answer(received):
        kind = received.path.strip("/").split("-")[0]
        if kind == "well":
            arrived.setdefault(received.path, []).append(time.time())
            return web.Response(status=200)
        if kind == "timeout":
            await asyncio.sleep(60)
        if kind == "fail":
            return web.Response(status=500)
        if kind == "patience":
            return web.Response(status=429, headers={"Retry-After": "30"})
        if kind == "gone":
            return web.Response(status=410)
        if kind == "huge":
            return endless
        return dripping

    sink = Sink(answer=answer)
    kinds = ["timeout"] * 10 + ["fail"] * 10 + ["patience"] * 5 + ["gone", "huge", "drip"] + ["well"] * 72
    try:
        # A lease must outlast the slowest answer, or what hangs is claimed again and fills the pump.
        with platform(tmp_path, variables={"WEBHOOK_LEASE_S": "20", "WEBHOOK_TIMEOUT_S": "15"}) as running:
            endpoints = [(f"{sink.url}/{kind}-{number}", {}) for number, kind in enumerate(kinds)]
            organisation, made = set_up(running, endpoints)
            running.start("worker", "beat", "relay")
            running.wait_until(
                lambda: running.sql("SELECT 1 FROM core_heartbeat WHERE kind = 'worker'"), within_s=60
            )
            publish(running, organisation, 2)
            running.wait_until(lambda: sum(map(len, arrived.values())) >= 72 * 2, within_s=60)
            before_mb = running.memory_mb("worker")
            publish(running, organisation, 28, first=2, pause_s=0.3)
            wanted = 72 * 30
            running.wait_until(lambda: sum(map(len, arrived.values())) >= wanted, within_s=60)
            lags = running.sql(
                "SELECT extract(epoch FROM min(a.started_at) - d.created_at)::float8 FROM webhooks_delivery d"
                " JOIN webhooks_attempt a ON a.delivery_id = d.id JOIN webhooks_endpoint e ON e.id = d.endpoint_id"
                # The first two events wait for the processes to start, which is not what is measured.
                " JOIN core_outboxevent o ON o.id = d.event_id"
                " WHERE e.url LIKE '%%well%%' AND (o.payload->>'n')::int >= 2 GROUP BY d.id, d.created_at"
            )
            ((gone,),) = running.sql("SELECT state FROM webhooks_endpoint WHERE url LIKE '%%gone%%'")
            ((early,),) = running.sql(
                "SELECT count(*) FROM (SELECT started_at - lag(started_at) OVER (PARTITION BY delivery_id ORDER BY number) AS pause"
                " FROM webhooks_attempt a JOIN webhooks_endpoint e ON e.id = a.endpoint_id WHERE e.url LIKE '%%patience%%') p"
                " WHERE pause < interval '30 seconds'"
            )
            p99_s = percentile([lag for (lag,) in lags], 0.99)
            got = sum(map(len, arrived.values()))
            counts = Counts("C12 bad endpoints", lost=wanted - got, facts={"gone": gone})
            counts.limit("healthy_p99_s", p99_s, 2)
            counts.limit("before_retry_after", early, 0)
            counts.limit("grown_mb", running.memory_mb("worker") - before_mb, 50)
            verdicts.append(counts)
    finally:
        sink.stop()
    assert counts.clean and gone == "gone"


@WHOLE
def test_c13_secrets_are_rolled_under_load(tmp_path, verdicts):
    """The receiver takes over each new secret at a moment of its own; every delivery verifies."""
    from standardwebhooks.webhooks import Webhook, WebhookVerificationError

    holder = {"secret": ""}
    wrong = []

    def answer(received):
        try:
            Webhook(holder["secret"]).verify(received.body.decode(), received.headers)
        except WebhookVerificationError:
            wrong.append(received.event_id)
        return 200

    sink = Sink(answer=answer)
    reveal = (
        "from apps.core import tenancy, clock\nfrom apps.webhooks.models import EndpointSecret\n"
        "with tenancy.scope(tenancy.PLATFORM): print(EndpointSecret.objects.order_by('-valid_from', '-pk').first().value.reveal())"
    )
    try:
        with platform(tmp_path) as running:
            organisation, (endpoint,) = set_up(running, [(sink.url, {"max_in_flight": IN_FLIGHT})])
            holder["secret"] = running.manage(reveal)
            running.start("worker", "beat", "relay")
            for turn in range(10):
                threading.Thread(
                    target=publish,
                    args=[running, organisation, 500],
                    kwargs={"first": turn * 500},
                    daemon=True,
                ).start()
                running.manage(
                    "from uuid import UUID\nfrom apps.core import clock, ids\nfrom apps.core.actors import system_actor\n"
                    "from apps.core.commands import execute\nfrom apps.webhooks.commands.endpoints import RotateEndpointSecret\n"
                    f"execute(RotateEndpointSecret(UUID({organisation!r}), ids.parse_public_id('we', {endpoint!r}), overlap_s=30),"
                    " actor=system_actor('t'), key=None, at=clock.database_now())\nprint('rolled')"
                )
                time.sleep(random.uniform(0.5, 2))
                holder["secret"] = running.manage(reveal)
            time.sleep(3)
            running.wait_until(lambda: len(sink.received) >= 5_000 and settled(running), within_s=120)
            counts = check_deliveries(running, "C13 rotation under load", sink, kills=0)
            counts.limit("not_verified", len(wrong), 0)
            verdicts.append(counts)
    finally:
        sink.stop()
    assert counts.clean and len(sink.received) == 5_000


@WHOLE
def test_c14_order_holds_while_workers_die(tmp_path, verdicts):
    """50 objects of 100 events each, a fifth of first tries failing: each object's events arrive in order."""
    tried: set[str] = set()
    failed: list[str] = []

    def answer(received):
        first = received.event_id not in tried
        tried.add(received.event_id)
        if first and random.random() < 0.2:
            failed.append(received.event_id)
            return 500
        return 200

    sink = Sink(answer=answer)
    try:
        with platform(tmp_path) as running:
            organisation, _ = set_up(running, [(sink.url, {"max_in_flight": IN_FLIGHT, "ordered": True})])
            running.start("worker", "beat", "relay")
            running.every(2, lambda: running.kill_child("worker"))
            publish(running, organisation, 5_000, keys=50)
            time.sleep(5)
            running.calm()
            running.wait_until(lambda: settled(running), within_s=300)
            counts = check_deliveries(running, "C14 order", sink, kills=running.kills, failures=len(failed))
            counts.limit("out_of_order", out_of_order(sink), 0)
            verdicts.append(counts)
    finally:
        sink.stop()
    assert counts.clean


def out_of_order(sink: Sink) -> int:
    """Count events that arrived before one of their object's earlier events had arrived at all."""
    highest: dict[str, int] = {}
    wrong = 0
    for one in sink.received:
        told = json.loads(one.body)
        key, number = told["object"]["id"], told["data"]["n"]
        expected = highest.get(key, int(key.removeprefix("pay_")) - 50) + 50
        if number > expected:
            wrong += 1
        highest[key] = max(highest.get(key, number), number)
    return wrong


def test_deliveries_go_on_after_the_database_crashed(tmp_path, verdicts):
    """Relay, worker and beat outlive the database, and nobody has to start them again."""
    sink = Sink()
    try:
        with platform(tmp_path) as running:
            organisation, _ = set_up(running, [(sink.url, {"max_in_flight": IN_FLIGHT})])
            running.start("worker", "beat", "relay")
            publish(running, organisation, 20)
            running.wait_until(lambda: settled(running), within_s=90)
            for turn in (1, 2):
                running.crash_database(down_s=2)
                publish(running, organisation, 20, first=turn * 20)
                running.wait_until(lambda: settled(running), within_s=90)
            ended = [name for name, program in running.programs.items() if program.process.poll() is not None]
            verdicts.append(counts := check_deliveries(running, "database crash, outbound", sink, kills=2))
    finally:
        sink.stop()
    assert counts.clean and counts.facts["delivered"] == 60 and ended == []
