"""Text as bytes of a few sizes only, so that the length of a ciphertext does not tell a short name.

UTF-8, then 0x80, then zeros (ISO/IEC 9797-1, padding method 2) up to 16, 32, 64 or a multiple of 64.
"""

from __future__ import annotations

from apps.core.crypto.errors import Unreadable

_MARK = 0x80


def padded(text: str) -> bytes:
    """Encode a text in UTF-8 and pad it to the next size."""
    data = text.encode() + bytes([_MARK])
    return data.ljust(_size_for(len(data)), b"\0")


def unpadded(data: bytes) -> str:
    """Give back the text that `padded` encoded. Raises Unreadable if it is not such bytes."""
    stripped = data.rstrip(b"\0")
    if not stripped or stripped[-1] != _MARK:
        raise Unreadable("the sealed value is not padded text")
    try:
        return stripped[:-1].decode()
    except UnicodeDecodeError:
        raise Unreadable("the sealed value is not padded text") from None


def _size_for(length: int) -> int:
    for size in (16, 32):
        if length <= size:
            return size
    return -(-length // 64) * 64
