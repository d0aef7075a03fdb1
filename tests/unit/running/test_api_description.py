"""The OpenAPI description is made without a warning: no two components of one name, no name by accident."""

from __future__ import annotations

import subprocess
import sys

from tests.database import ROOT


def test_the_description_is_valid_and_made_without_warnings(tmp_path):
    made = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "manage.py", "spectacular"),
            *("--validate", "--fail-on-warn", "--file", str(tmp_path / "openapi.yml")),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert made.returncode == 0, made.stderr[-3000:]
    assert "DeliveryAttempt:" in (tmp_path / "openapi.yml").read_text()
