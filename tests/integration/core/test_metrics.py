"""/metrics: who may see it, and what it tells."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.test import Client
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from apps.core.metrics import gather_dead


@pytest.fixture
def ask(db, settings):
    settings.METRICS_TOKEN = ""
    return lambda **more: Client().get("/metrics", **more)


def test_tells_gauges_from_the_tables_and_counters_of_the_processes(ask):
    text = ask().content.decode()

    for name in (
        "bezant_dead_events",
        "bezant_dead_letters",
        "bezant_deliveries_queued",
        "bezant_breakers_open",
    ):
        assert f"\n{name}" in text
    assert "# TYPE bezant_dead_letters gauge" in text


def test_counts_of_all_processes_are_added_up(ask):
    from apps.webhooks.metrics import INBOUND_REQUESTS

    INBOUND_REQUESTS.labels("tests", "stored").inc(3)

    assert 'bezant_inbound_requests_total{code="stored",provider="tests"} 3.0' in ask().content.decode()


def test_what_dead_processes_counted_is_kept_in_one_file(tmp_path):
    """Each program counts and ends; all together have counted what they counted."""
    program = (
        "from prometheus_client import Counter, Histogram\n"
        "Counter('tries', 'Tries.', ['kind']).labels('a').inc(2)\n"
        "Histogram('times', 'Times.', buckets=(1, 5)).observe(3)\n"
    )
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for _ in range(4):
        subprocess.run([sys.executable, "-c", program], env=environ, check=True)

    gathered = gather_dead(tmp_path, files_max=3)

    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(tmp_path))
    told = generate_latest(registry).decode()
    assert gathered == 8
    assert sorted(path.name for path in tmp_path.glob("*.db")) == ["counter_0.db", "histogram_0.db"]
    assert 'tries_total{kind="a"} 8.0' in told
    assert 'times_bucket{le="5.0"} 4.0' in told and "times_sum 12.0" in told
    assert gather_dead(tmp_path, files_max=3) == 0


@pytest.mark.parametrize(
    "stranger",
    [{"REMOTE_ADDR": "203.0.113.5"}, {"HTTP_X_FORWARDED_FOR": "203.0.113.5"}, {"REMOTE_ADDR": "10.0.0.9"}],
)
def test_strangers_find_nothing(ask, stranger):
    assert ask(**stranger).status_code == 404


def test_with_a_token_only_who_knows_it_may_ask(ask, settings):
    settings.METRICS_TOKEN = "s3cret"

    assert ask().status_code == 404
    assert ask(HTTP_AUTHORIZATION="Bearer wrong").status_code == 404
    assert ask(HTTP_AUTHORIZATION="Bearer s3cret", REMOTE_ADDR="203.0.113.5").status_code == 200
