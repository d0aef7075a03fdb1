"""Each broker wakes workers; none of them is the record, so losing one loses nothing."""

from __future__ import annotations

import time

import pytest

from tests.chaos.brokers import RabbitMq, broker
from tests.chaos.platform import platform
from tests.chaos.test_inbound_chaos import flood, wake_up_lag
from tests.chaos.traffic import Provider, add_source, check_inbox, drained

WHOLE = pytest.mark.chaos
# One at a time: each starts a whole platform. And none is to be cut short on a busy machine.
pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("chaos")]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["filesystem", "redis", "rabbitmq", "sqs"])
def test_a_wake_up_through_the_broker_gets_the_work_done(kind, tmp_path, verdicts):
    """There is no beat here: only the wake-up that the web server sends can start the worker's work."""

    def run(url):
        with platform(tmp_path / "platform", variables={"CELERY_BROKER_URL": url}) as running:
            path = add_source(running)
            running.start("worker", "web")
            running.wait_until(
                lambda: running.sql("SELECT 1 FROM core_heartbeat WHERE kind = 'worker'"), within_s=60
            )
            told = {f"chaos-{number}": {"n": number} for number in range(50)}
            provider = Provider(running, path, copies=2)
            provider.send(told)
            took_s = running.wait_until(lambda: drained(running), within_s=60)
            counts = check_inbox(running, f"broker {kind}", provider.promised, set(told))
            counts.facts["drained_s"] = round(took_s, 1)
            verdicts.append(counts)
            return counts

    if kind == "filesystem":
        counts = run("filesystem://")
    else:
        with broker(kind, tmp_path / "broker") as started:
            counts = run(started.url)
            if isinstance(started, RabbitMq):
                queues = started.ask("list_queues", "name", "type", "arguments")
                assert "webhooks\tquorum" in queues
                assert "x-dead-letter-exchange" in queues and "bezant.dead" in queues

    assert counts.clean and counts.facts["effects"] == 50


@pytest.mark.slow
def test_a_message_that_kills_every_worker_ends_in_the_dead_letter_queue(tmp_path):
    """RabbitMQ counts redeliveries; over the limit a message goes to `bezant.dead`, where it can be looked at."""
    import amqp
    from kombu import Connection

    with broker("rabbitmq", tmp_path / "broker") as started:
        with platform(tmp_path / "platform", variables={"CELERY_BROKER_URL": started.url}) as running:
            running.start("worker")
            running.wait_until(
                lambda: running.sql("SELECT 1 FROM core_heartbeat WHERE kind = 'worker'"), within_s=60
            )
            running.wait_until(lambda: "bezant.dead" in started.ask("list_queues", "name"), within_s=60)
            running.stop("worker")
            with Connection(started.url) as connection, connection.channel() as channel:
                channel.basic_publish(amqp.Message(b"poison"), exchange="webhooks", routing_key="webhooks")
                deliveries = 0
                for _ in range(600):
                    message = channel.basic_get("webhooks", no_ack=False)
                    if message is None:  # on its way back into the queue, or to the dead letters
                        if "bezant.dead\t1" in started.ask("list_queues", "name", "messages"):
                            break
                        continue
                    deliveries += 1
                    channel.basic_reject(message.delivery_tag, requeue=True)
                running.wait_until(
                    lambda: "bezant.dead\t1" in started.ask("list_queues", "name", "messages"), within_s=20
                )

    assert 20 <= deliveries <= 22


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
def test_beat_and_worker_find_a_broker_that_was_away(kind, tmp_path):
    with broker(kind, tmp_path / "broker") as started:
        variables = {"CELERY_BROKER_URL": started.url}
        with platform(tmp_path / "platform", variables=variables) as running:

            def was_heard_since(moment):
                return running.sql(
                    "SELECT 1 FROM core_heartbeat WHERE kind = 'worker' AND beaten_at > %s", moment
                )

            ((begin,),) = running.sql("SELECT clock_timestamp()")
            running.start("worker", "beat")
            running.wait_until(lambda: was_heard_since(begin), within_s=60)
            for _ in range(2):
                started.crash()
                time.sleep(3)
            ((back,),) = running.sql("SELECT clock_timestamp()")
            running.wait_until(lambda: was_heard_since(back), within_s=60)


@WHOLE
def test_c2_redis_dies_every_five_seconds(tmp_path, verdicts):
    with broker("redis", tmp_path / "broker") as started:
        counts = flood(
            tmp_path / "platform",
            "C2 Redis dies",
            events=10_000,
            verdicts=verdicts,
            variables={"CELERY_BROKER_URL": started.url, "REDIS_URL": started.url},
            trouble=lambda running: running.every(5, started.crash),
            quiet=500,
        )

    assert counts.clean and counts.facts["effects"] == 10_500


@WHOLE
def test_c3_redis_is_configured_and_never_there(tmp_path, verdicts):
    nowhere = "redis://127.0.0.1:1/0"
    counts = flood(
        tmp_path,
        "C3 Redis never there",
        events=10_000,
        verdicts=verdicts,
        variables={"CELERY_BROKER_URL": "filesystem://", "REDIS_URL": nowhere},
        afterwards=wake_up_lag,
    )

    assert counts.clean and counts.facts["effects"] == 10_000


@WHOLE
def test_c19_rabbitmq_restarts_twice(tmp_path, verdicts):
    with broker("rabbitmq", tmp_path / "broker") as started:
        counts = flood(
            tmp_path / "platform",
            "C19 RabbitMQ restarts",
            events=10_000,
            verdicts=verdicts,
            variables={"CELERY_BROKER_URL": started.url},
            trouble=lambda running: running.every(12, started.crash),
        )

    assert counts.clean and counts.facts["effects"] == 10_000
