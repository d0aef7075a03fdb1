"""The table of verdicts that a run ends with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tests.chaos.traffic import Counts

SCENARIOS = {
    1: "flood while workers die",
    2: "Redis dies",
    3: "Redis never there",
    4: "database crash",
    5: "web workers die",
    6: "killed between POST and record",
    7: "out of order",
    8: "deadlocks",
    9: "poison",
    10: "rollbacks",
    11: "killed between commit and wake-up",
    12: "bad endpoints",
    13: "rotation under load",
    14: "order while workers die",
    15: "idempotency",
    16: "rate limit",
    17: "forbidden addresses",
    18: "clocks jump",
    19: "RabbitMQ restarts",
    20: "soak",
    21: "bulk replay",
    22: "header abuse",
}
NUMBERS = ("lost", "double", "ghost", "stuck", "extra")


class _Verdicts(list[Counts]):
    """Keeps each verdict in a file too, so that parallel test processes share one table."""

    def append(self, counts: Counts) -> None:
        super().append(counts)
        path = Path(settings.RUN_DIR) / "chaos.jsonl"
        with path.open("a") as file:
            file.write(json.dumps(vars(counts), default=str) + "\n")


@pytest.fixture
def verdicts() -> list[Counts]:
    """Collect a scenario's verdict for the table at the end."""
    return _Verdicts()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print lost, double, ghost, stuck and passed limits for each scenario that ran, and name those that did not."""
    path = Path(settings.RUN_DIR) / "chaos.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    whole = "chaos" in config.option.markexpr and "not chaos" not in config.option.markexpr
    if not rows and not whole:
        return
    terminalreporter.section("chaos")
    terminalreporter.write_line(f"{'scenario':<38}" + "".join(f"{name:>8}" for name in NUMBERS) + "  facts")
    for row in sorted(rows, key=_place):
        facts = " ".join(f"{name}={value}" for name, value in row["facts"].items())
        numbers = "".join(f"{row[name]:>8}" for name in NUMBERS)
        terminalreporter.write_line(f"{row['name']:<38}{numbers}  {facts}")
    if whole:
        for number in sorted(set(SCENARIOS) - {_place(row)[0] for row in rows}):
            terminalreporter.write_line(f"{f'C{number} {SCENARIOS[number]}':<38}{'NOT RUN':>8}")
        total = sum(row[name] for row in rows for name in NUMBERS)
        terminalreporter.write_line(f"{len(rows)} verdicts; the sum of all columns is {total}")


def _place(row: dict[str, Any]) -> tuple[int, str]:
    number = str(row["name"]).split(" ")[0].removeprefix("C")
    return (int(number) if number.isdigit() else 99, row["name"])
