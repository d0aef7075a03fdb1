"""The third-party files under tests/data, with the facts their manifests state."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parents[2] / "data"


def expectations(area: str) -> dict[str, Any]:
    return json.loads((DATA / area / "expectations.json").read_text("utf-8"))


def cases(area: str) -> list[Any]:
    """One parameter set per file: its path and what is expected of it."""
    return [
        pytest.param(DATA / area / name, facts, id=name) for name, facts in sorted(expectations(area).items())
    ]


def sha16(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
