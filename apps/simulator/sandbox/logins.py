"""The sandbox's logins: made at the first run, kept in the var folder, readable by their owner alone."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def new_password() -> str:
    """Make a password of four groups of five letters and digits (about 99 bits)."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, replacing an older one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)


def write_logins(folder: Path, people: list[dict[str, str]], variables: dict[str, Any]) -> None:
    """Leave `sandbox_logins.json` for people and `sandbox.env` for the shell of the tour."""
    write_private(folder / "sandbox_logins.json", json.dumps(people, indent=2) + "\n")
    lines = [f"{name}='{value}'" for name, value in variables.items()]
    write_private(folder / "sandbox.env", "\n".join(lines) + "\n")
