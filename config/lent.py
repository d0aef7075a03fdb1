"""The addresses of a running `make run`, lent to `manage.py` in other terminals of the same checkout."""

import contextlib
import json
import os
from pathlib import Path

NAME = "run.addresses.json"


def lend(var: Path, addresses: dict[str, str]) -> None:
    """Leave the addresses where `borrow` finds them, for this account only."""
    handle = os.open(var / NAME, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(addresses, file)


def take_back(var: Path) -> None:
    """Remove the addresses: nothing answers there any more."""
    (var / NAME).unlink(missing_ok=True)


def borrow(var: Path) -> None:
    """Use the addresses of a platform that runs here, unless the environment names others."""
    if "DATABASE_URL" in os.environ:
        return
    with contextlib.suppress(OSError, ValueError):
        os.environ |= json.loads((var / NAME).read_text(encoding="utf-8"))
