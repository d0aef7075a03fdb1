"""The encoding of an audit entry under its leaf hash, in Python; the database computes the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

FORMAT = 1
"""Version of the encoding. A new one gets a new number; old entries keep theirs."""


def leaf_hash(fields: Sequence[str | None]) -> bytes:
    """Hash an entry's columns, in table order: SHA-256 over 0x00, the format, and each field.

    A field is its length in bytes (four, big-endian) and its UTF-8 text; NULL is the length
    0xFFFFFFFF and nothing. The leading zero is RFC 6962's mark of a leaf.
    """
    encoded = b"".join(
        b"\xff\xff\xff\xff" if field is None
        else len(field.encode()).to_bytes(4, "big") + field.encode()
        for field in fields
    )
    return hashlib.sha256(b"\x00" + bytes([FORMAT]) + encoded).digest()
