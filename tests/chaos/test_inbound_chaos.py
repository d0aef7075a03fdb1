"""Inbound: floods, dying workers, a dying database, poison, and proof that the tests can fail."""

from __future__ import annotations

import random
import time

import pytest

from tests.chaos.platform import platform
from tests.chaos.traffic import Provider, add_source, check_inbox, drained, percentile

WHOLE = pytest.mark.chaos
# One at a time: each starts a whole platform. And none is to be cut short on a busy machine.
pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("chaos")]


def flood(
    folder,
    name,
    *,
    events,
    verdicts,
    variables=None,
    web_app="",
    trouble=None,
    data=None,
    copies=3,
    kill_s=2.0,
    within_s=120,
    quiet=0,
    afterwards=None,
    late=0.0,
):
    """C1 and its relatives: a flood of events, each several times, while something keeps breaking."""
    with platform(folder, variables=variables or {}, web_app=web_app) as running:
        path = add_source(running)
        running.start("web", "worker", "beat")
        provider = Provider(running, path, copies=copies)
        quiet_ms = _quiet_p99_ms(running, path, quiet) if quiet else 0.0
        running.every(kill_s, lambda: running.kill_child("worker"))
        if trouble:
            trouble(running)
        told = {f"chaos-{number}": (data(number) if data else {"n": number}) for number in range(events)}
        tardy = set(random.Random(8).sample(sorted(told), int(len(told) * late)))
        provider.send({key: one for key, one in told.items() if key not in tardy})
        if tardy:
            time.sleep(30)
            provider.send({key: told[key] for key in tardy})
        running.kill("worker")
        running.calm()
        took_s = float(within_s)
        try:
            took_s = running.wait_until(lambda: drained(running), within_s=within_s)
        finally:
            quiet_ids = {f"quiet-{number}" for number in range(quiet)}
            counts = check_inbox(running, name, provider.promised | quiet_ids, set(told) | quiet_ids)
            counts.facts["statuses"] = dict(provider.statuses)
            accept_ms = percentile(provider.times_ms, 0.99)
            if quiet:
                # The second figure is what inbound requests must reach at all: below it nobody is slowed down.
                counts.limit("accept_p99_ms", accept_ms, max(2 * quiet_ms, 50))
            else:
                counts.facts["accept_p99_ms"] = round(accept_ms, 1)
            counts.limit("drained_s", took_s, within_s)
            if afterwards:
                afterwards(running, counts, path)
            verdicts.append(counts)
    return counts


def _quiet_p99_ms(running, path, events):
    """Measure how long accepting takes while nothing is broken."""
    calm = Provider(running, path)
    calm.send({f"quiet-{number}": {"n": number} for number in range(events)})
    running.wait_until(lambda: drained(running), within_s=120)
    return percentile(calm.times_ms, 0.99)


def wake_up_lag(running, counts, path):
    """C3: how long single events wait, one at a time, so that nothing but the wake-up is measured."""
    provider = Provider(running, path, copies=1, senders=1)
    for number in range(40):
        provider.send({f"single-{number}": {"n": number}})
        time.sleep(random.uniform(0.5, 1.5))
    running.wait_until(lambda: drained(running), within_s=30)
    lags = running.sql(
        "SELECT extract(epoch FROM finished_at - received_at)::float8 FROM webhooks_inboxevent"
        " WHERE event_id LIKE 'single-%%'"
    )
    counts.limit("wake_up_p99_s", percentile([lag for (lag,) in lags], 0.99), 1.5)


class TestC1Flood:
    def test_nothing_is_lost_or_done_twice_while_workers_die(self, tmp_path, verdicts):
        counts = flood(tmp_path, "C1 flood (tenth)", events=1_000, verdicts=verdicts)

        assert counts.clean and counts.facts["effects"] == 1_000 and counts.facts["kills"] >= 1

    @WHOLE
    def test_at_full_size(self, tmp_path, verdicts):
        counts = flood(tmp_path, "C1 flood", events=10_000, verdicts=verdicts)

        assert counts.clean and counts.facts["effects"] == 10_000

    @pytest.mark.slow
    @pytest.mark.scenario
    def test_it_fails_for_a_server_that_answers_first(self, tmp_path, verdicts):
        def kill_web(running):
            running.every(0.5, lambda: running.kill_child("web"))

        counts = flood(
            tmp_path,
            "C1 against answer-first",
            events=400,
            copies=1,
            verdicts=[],
            trouble=kill_web,
            web_app="tests.chaos.answers_first:application",
        )

        assert counts.lost > 0

    @pytest.mark.slow
    @pytest.mark.scenario
    def test_it_fails_for_a_worker_that_does_not_check_its_token(self, tmp_path):
        """Two workers must meet over an expired lease for it to show; they get three chances to."""
        for attempt in range(3):
            counts = flood(
                tmp_path / str(attempt),
                "C1 against no token check",
                events=60,
                copies=1,
                verdicts=[],
                kill_s=60,
                variables={
                    "CHAOS_VARIANT": "no_token",
                    "WEBHOOK_LEASE_S": "2",
                    "WEBHOOK_TIMEOUT_S": "1",
                    "WEBHOOK_WORKERS": "2",
                },
                data=lambda number: {"n": number, "slow_s": "0.25"},
            )
            if counts.double:
                return
        pytest.fail(
            "no event was applied twice: the flood cannot tell a worker that checks from one that does not"
        )

    @pytest.mark.slow
    def test_with_the_token_check_the_same_slow_workers_do_nothing_twice(self, tmp_path, verdicts):
        counts = flood(
            tmp_path,
            "C1 slow workers",
            events=60,
            copies=1,
            verdicts=verdicts,
            kill_s=60,
            variables={"WEBHOOK_LEASE_S": "2", "WEBHOOK_TIMEOUT_S": "1", "WEBHOOK_WORKERS": "2"},
            data=lambda number: {"n": number, "slow_s": "0.12"},
        )

        assert counts.clean


class TestC4DatabaseCrash:
    def crashes(self, *moments):
        def trouble(running):
            import threading

            for moment_s in moments:
                timer = threading.Timer(moment_s, running.crash_database)
                timer.daemon = True
                timer.start()

        return trouble

    def test_no_2xx_without_a_row(self, tmp_path, verdicts):
        counts = flood(
            tmp_path, "C4 database crash (tenth)", events=1_000, verdicts=verdicts, trouble=self.crashes(1, 3)
        )

        assert counts.clean and counts.facts["effects"] == 1_000
        assert set(counts.facts["statuses"]) <= {0, 200, 503}

    @WHOLE
    def test_at_full_size(self, tmp_path, verdicts):
        counts = flood(
            tmp_path, "C4 database crash", events=10_000, verdicts=verdicts, trouble=self.crashes(5, 12)
        )

        assert counts.clean and counts.facts["effects"] == 10_000


@WHOLE
def test_c5_web_workers_die_every_second(tmp_path, verdicts):
    counts = flood(
        tmp_path,
        "C5 web workers die",
        events=5_000,
        verdicts=verdicts,
        trouble=lambda running: running.every(1, lambda: running.kill_child("web")),
    )

    assert counts.clean and counts.facts["effects"] == 5_000


@WHOLE
def test_c7_events_come_out_of_order(tmp_path, verdicts):
    """2,000 payments of five events each, shuffled, a tenth of them half a minute late.

    Each waits for the one before, so the last state is as if they had come in order.
    """

    def data(number):
        payment, step = divmod(number, 5)
        return {"n": number, **({"after": f"chaos-{payment * 5 + step - 1}"} if step else {})}

    counts = flood(
        tmp_path,
        "C7 out of order",
        events=10_000,
        copies=1,
        verdicts=verdicts,
        data=data,
        late=0.1,
        within_s=600,
    )

    assert counts.clean and counts.facts["effects"] == 10_000


def deadlocks(folder, name, *, events, verdicts):
    """C8: half of the events change two of ten rows, in whichever order; collisions cost no event its life."""
    dice = random.Random(8)

    def data(number):
        return {"n": number, "locks": [f"chaos-{row}" for row in dice.sample(range(10), 1 + number % 2)]}

    with platform(folder, variables={"WEBHOOK_WORKERS": "8"}, concurrency=8) as running:
        path = add_source(running)
        for row in range(10):
            running.sql(
                "INSERT INTO core_setting (name, value, changed_at) VALUES (%s, '0', now())", f"chaos-{row}"
            )
        running.start("web", "worker", "beat")
        provider = Provider(running, path, copies=1)
        told = {f"chaos-{number}": data(number) for number in range(events)}
        provider.send(told)
        running.wait_until(lambda: drained(running), within_s=500)
        counts = check_inbox(running, name, provider.promised, set(told))
        ((met,),) = running.sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        ((changes,),) = running.sql(
            "SELECT sum((value #>> '{}')::int) FROM core_setting WHERE name LIKE 'chaos-%%'"
        )
        counts.facts |= {
            "deadlocks": met,
            "changes": changes,
            "wanted": sum(len(one["locks"]) for one in told.values()),
        }
        verdicts.append(counts)
    return counts


@WHOLE
def test_c8_deadlocks_kill_no_event(tmp_path, verdicts):
    counts = deadlocks(tmp_path, "C8 deadlocks", events=5_000, verdicts=verdicts)

    assert counts.clean and counts.facts["deadlocks"] > 0
    assert counts.facts["changes"] == counts.facts["wanted"]


@WHOLE
def test_c21_ten_thousand_dead_letters_are_replayed_once_each(tmp_path, verdicts):
    with platform(tmp_path) as running:
        path = add_source(running)
        running.start("web")
        provider = Provider(running, path, copies=1)
        told = {f"chaos-{number}": {"n": number} for number in range(10_000)}
        provider.send(told)
        running.stop("web")
        running.sql("UPDATE webhooks_inboxevent SET status = 'dead', attempts = 8")
        running.start("worker", "beat")
        running.manage(
            "from apps.core import clock, tenancy\nfrom apps.core.actors import system_actor\nfrom apps.core.commands import execute\n"
            "from apps.webhooks.models import Source\nfrom apps.webhooks.commands.dead_letters import StartReplay\n"
            "with tenancy.scope(tenancy.PLATFORM): org = Source.objects.get().organisation_id\n"
            "print(execute(StartReplay(org, 'in', 'chaos', {}, 500), actor=system_actor('t'), key=None, at=clock.database_now()).answer)"
        )
        for _ in range(2):
            time.sleep(6)
            running.kill("worker")
        running.wait_until(
            lambda: running.sql("SELECT state, done FROM webhooks_replayjob") == [("done", 10_000)],
            within_s=200,
        )
        running.wait_until(lambda: drained(running), within_s=200)
        counts = check_inbox(running, "C21 bulk replay", provider.promised, set(told))
        ((audited,),) = running.sql(
            "SELECT count(*) FROM compliance_auditentry WHERE action = 'webhooks.advance_replay' AND object_type = 'inbox_event'"
        )
        counts.facts["audited"] = audited
        counts.limit("not_audited", 10_000 - audited, 0)
        verdicts.append(counts)
    assert counts.clean and counts.facts["effects"] == audited == 10_000


def poison(folder, name, *, events, raises_every, exits_every, verdicts):
    """C9: some events always fail, some kill whoever works on them; exactly those are dead, all others done."""
    bad = {n for n in range(events) if n % raises_every == 0}
    worse = {n for n in range(events) if n % exits_every == 1}

    def data(number):
        return {"n": number} | (
            {"do": "raise"} if number in bad else {"do": "exit"} if number in worse else {}
        )

    with platform(folder, variables={"WEBHOOK_LEASE_S": "2", "WEBHOOK_TIMEOUT_S": "1"}) as running:
        path = add_source(running)
        running.start("web", "worker", "beat")
        provider = Provider(running, path, copies=1)
        told = {f"chaos-{number}": data(number) for number in range(events)}
        provider.send(told)
        running.wait_until(lambda: drained(running), within_s=150)
        dead = {
            row[0] for row in running.sql("SELECT event_id FROM webhooks_inboxevent WHERE status = 'dead'")
        }
        counts = check_inbox(running, name, provider.promised, set(told), dead)
        wanted = {f"chaos-{number}" for number in bad | worse}
        counts.facts |= {
            "dead": len(dead),
            "wrongly_dead": len(dead - wanted),
            "not_dead": len(wanted - dead),
        }
        verdicts.append(counts)
    return counts


class TestC9Poison:
    @pytest.mark.slow
    def test_exactly_the_poisonous_events_are_dead(self, tmp_path, verdicts):
        counts = poison(
            tmp_path,
            "C9 poison (tenth)",
            events=1_000,
            raises_every=100,
            exits_every=1_000,
            verdicts=verdicts,
        )

        assert counts.clean
        assert (counts.facts["dead"], counts.facts["wrongly_dead"], counts.facts["not_dead"]) == (11, 0, 0)

    @WHOLE
    def test_at_full_size(self, tmp_path, verdicts):
        counts = poison(
            tmp_path, "C9 poison", events=10_000, raises_every=100, exits_every=1_000, verdicts=verdicts
        )

        assert counts.clean and counts.facts["wrongly_dead"] == counts.facts["not_dead"] == 0
