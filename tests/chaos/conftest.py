"""The table of verdicts that a run ends with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tests.chaos.traffic import Counts


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


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print lost, double, ghost and stuck for each scenario that ran."""
    path = Path(settings.RUN_DIR) / "chaos.jsonl"
    if not path.exists():
        return
    terminalreporter.section("chaos")
    terminalreporter.write_line(f"{'scenario':<34}{'lost':>6}{'double':>8}{'ghost':>7}{'stuck':>7}  facts")
    for line in path.read_text().splitlines():
        row = json.loads(line)
        facts = " ".join(f"{name}={value}" for name, value in row["facts"].items())
        terminalreporter.write_line(
            f"{row['name']:<34}{row['lost']:>6}{row['double']:>8}{row['ghost']:>7}{row['stuck']:>7}  {facts}"
        )
