"""Settings that would lose or double work are refused before anything starts, with a sentence that says why."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from config import env
from tests.database import ROOT


def start(**variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import config.settings"],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"WEBHOOK_LEASE_S": "15"}, "WEBHOOK_LEASE_S (15) is longer than WEBHOOK_TIMEOUT_S (15)"),
        (
            {"WEBHOOK_TIMEOUT_S": "30", "WEBHOOK_LEASE_S": "20"},
            "WEBHOOK_LEASE_S (20) is longer than WEBHOOK_TIMEOUT_S (30)",
        ),
        ({"WEBHOOK_TIMEOUT_S": "31"}, "WEBHOOK_TIMEOUT_S is at most 30, not 31"),
        ({"WEBHOOK_TIMEOUT_S": "0"}, "WEBHOOK_TIMEOUT_S is at least 1, not 0"),
        ({"WEBHOOK_WORKERS": "0"}, "WEBHOOK_WORKERS is at least 1, not 0"),
        ({"WEBHOOK_BODIES_DAYS": "-1"}, "WEBHOOK_BODIES_DAYS is at least 1, not -1"),
    ],
)
def test_an_unsafe_setting_stops_the_start(variables, sentence):
    ended = start(**variables)

    assert ended.returncode != 0
    assert sentence in ended.stderr.strip().splitlines()[-1]


def test_a_lease_just_longer_than_an_attempt_is_accepted():
    assert start(WEBHOOK_TIMEOUT_S="2", WEBHOOK_LEASE_S="3").returncode == 0


def test_a_number_within_its_limits_is_read(monkeypatch):
    monkeypatch.setenv("SOME_NUMBER", "7")

    assert env.number("SOME_NUMBER", 1, at_least=7, at_most=7) == 7


def test_a_sending_task_has_time_for_its_slowest_attempt():
    """The bound on WEBHOOK_TIMEOUT_S is what a task has left between its time and its soft limit."""
    from apps.webhooks import tasks

    assert tasks.PUMP_S + 30 < tasks.PUMP_LIMIT_S - 20
