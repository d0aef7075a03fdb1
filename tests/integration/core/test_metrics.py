"""/metrics: who may see it, and what it tells."""

from __future__ import annotations

import pytest
from django.test import Client


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
