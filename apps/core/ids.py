"""Identifiers: UUIDv7 keys (RFC 9562, 5.7) inside, prefixed public ids such as `pay_…` outside."""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from uuid import UUID

from apps.core.errors import Refusal

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_PUBLIC_ID = re.compile(r"(?P<prefix>[a-z]{2,8})_(?P<digits>[0-7][0-9a-hjkmnp-tv-z]{25})")


class BadId(Refusal):
    code = "bad_id"
    status = 404
    title = "This is not an identifier of that kind of object."


def uuid7(at: datetime, entropy: bytes | None = None) -> UUID:
    """Make a time-ordered UUID for the moment `at` (aware, millisecond precision).

    `entropy` is ten random bytes; left out, they come from the operating system.
    """
    random = entropy if entropy is not None else secrets.token_bytes(10)
    if len(random) != 10:
        raise ValueError("entropy is ten bytes")
    milliseconds = int(at.timestamp() * 1000)
    value = (milliseconds & (2**48 - 1)) << 80 | int.from_bytes(random, "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def public_id(prefix: str, key: UUID) -> str:
    """Write a key as outsiders see it: the prefix of its kind and 26 letters and digits."""
    value = key.int
    pairs = [_PAIRS[value >> shift & 0x3FF] for shift in range(120, -1, -10)]
    return f"{prefix}_{''.join(pairs)}"


def parse_public_id(prefix: str, text: str) -> UUID:
    """Read a public id of the given kind. Raises BadId for anything else."""
    match = _PUBLIC_ID.fullmatch(text) if isinstance(text, str) else None
    if match is None or match["prefix"] != prefix:
        raise BadId(expected=f"{prefix}_…")
    value = 0
    for digit in match["digits"]:
        value = value * 32 + _VALUES[digit]
    return UUID(int=value)
