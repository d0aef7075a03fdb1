"""Reading the environment: few helpers, strict spellings, secrets also from files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


class BadEnvironment(Exception):
    """A variable has a value that cannot be meant; the message says which and what would do."""


def text(name: str, default: str = "") -> str:
    """Return a variable, or the content of the file that NAME_FILE names."""
    path = os.environ.get(f"{name}_FILE")
    if path:
        return Path(path).read_text(encoding="utf-8").strip()
    return os.environ.get(name, default)


def flag(name: str, default: bool) -> bool:
    """Return a variable that says `true` or `false`, and refuse any other spelling."""
    value = os.environ.get(name)
    if value is None:
        return default
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise BadEnvironment(f"{name} is true or false, not {value!r}")


def number(name: str, default: int, *, at_least: int | None = None, at_most: int | None = None) -> int:
    """Return a variable that is a whole number, within limits where it has some."""
    value = os.environ.get(name, str(default))
    try:
        found = int(value)
    except ValueError:
        raise BadEnvironment(f"{name} is a whole number, not {value!r}") from None
    if at_least is not None and found < at_least:
        raise BadEnvironment(f"{name} is at least {at_least}, not {found}")
    if at_most is not None and found > at_most:
        raise BadEnvironment(f"{name} is at most {at_most}, not {found}")
    return found


def words(name: str, default: str = "") -> list[str]:
    """Return a variable's comma-separated words."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def database(url: str) -> dict[str, Any]:
    """Turn a postgresql:// URL into Django's settings; `?host=/path` names a socket's folder."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise BadEnvironment("PostgreSQL is the only database: the URL begins with postgresql://")
    query = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "bezant",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", parts.hostname or ""),
        "PORT": query.pop("port", str(parts.port or "")),
        "OPTIONS": query,
    }
