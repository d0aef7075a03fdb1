"""The Grafana dashboard asks only for metrics that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path

from django.test import Client
from prometheus_client.metrics import MetricWrapperBase

from apps.core import counters
from apps.webhooks import metrics

DASHBOARD = Path(__file__).parents[3] / "deploy" / "grafana" / "webhooks.json"


def test_every_metric_of_the_dashboard_exists(db, settings):
    settings.METRICS_TOKEN = ""
    told = Client().get("/metrics").content.decode()
    counted = {
        name
        for module in (counters, metrics)
        for one in vars(module).values()
        if isinstance(one, MetricWrapperBase)
        for family in one.describe()
        for name in (f"{family.name}_total", f"{family.name}_bucket")
    }
    asked = {
        name
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel["targets"]
        for name in re.findall(r"bezant_[a-z_]+", target["expr"])
    }

    # Gauges by state or status show only what there is, so these may be absent from an empty platform.
    may_be_absent = {
        "bezant_inbox_events",
        "bezant_inbox_oldest_seconds",
        "bezant_webhook_endpoints",
        "bezant_heartbeat_age_seconds",
        "bezant_outbox_lag_seconds",
    }
    assert len(asked) > 15
    assert {name for name in asked if name not in counted and f"\n{name}" not in told} <= may_be_absent


def test_every_metric_that_is_counted_is_on_the_dashboard():
    counted = {
        family.name
        for module in (counters, metrics)
        for one in vars(module).values()
        if isinstance(one, MetricWrapperBase)
        for family in one.describe()
    }
    board = DASHBOARD.read_text()

    assert sorted(name for name in counted if name not in board) == []
