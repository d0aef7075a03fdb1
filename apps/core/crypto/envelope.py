"""The sealed value as bytes, version 1.

    0x01 | algorithm (1) | key id (8) | nonce (12) | ciphertext | tag (16)

The header of ten bytes is authenticated with the context, so that neither the algorithm nor the key
id can be changed. Anything that is not exactly this does not open; there is no second try.
"""

from __future__ import annotations

import os

from apps.core.crypto.errors import Unreadable
from apps.core.crypto.primitives import NONCE_SIZE, TAG_SIZE, cipher, decrypt, encrypt

FORMAT = 1
AES_256_GCM = 1
KEY_ID_SIZE = 8
HEADER_SIZE = 2 + KEY_ID_SIZE
OVERHEAD_SIZE = HEADER_SIZE + NONCE_SIZE + TAG_SIZE
PLAINTEXT_SIZE_MAX = 64 * 1024


class DataKey:
    """An AES-256 key with its id, ready to seal and open. The key itself cannot be read back."""

    __slots__ = ("_aead", "key_id")

    def __init__(self, key_id: bytes, key: bytes) -> None:
        if len(key_id) != KEY_ID_SIZE:
            raise ValueError(f"a key id is {KEY_ID_SIZE} bytes")
        self.key_id = key_id
        self._aead = cipher(key)

    def __repr__(self) -> str:
        return f"<DataKey {self.key_id.hex()}>"

    def __reduce__(self) -> str:
        raise TypeError("a data key is never written down")

    def seal(self, plaintext: bytes, *, associated: bytes, nonce: bytes | None = None) -> bytes:
        """Seal up to 64 KiB. The nonce is random when left out, as it must be outside tests.

        Random nonces are safe for 2**32 values per key (NIST SP 800-38D, 8.3); a key of one person
        stays far below. Raises ValueError for a plaintext over the limit.
        """
        if len(plaintext) > PLAINTEXT_SIZE_MAX:
            raise ValueError(f"a sealed value holds at most {PLAINTEXT_SIZE_MAX} bytes")
        nonce = os.urandom(NONCE_SIZE) if nonce is None else nonce
        header = bytes([FORMAT, AES_256_GCM]) + self.key_id
        body = encrypt(self._aead, nonce=nonce, plaintext=plaintext, associated=header + associated)
        return header + nonce + body

    def open(self, sealed: bytes, *, associated: bytes) -> bytes:
        """Open what `seal` gave for the same associated data. Raises Unreadable for anything else."""
        if key_id_of(sealed) != self.key_id:
            raise Unreadable("the sealed value does not open")
        body = HEADER_SIZE + NONCE_SIZE
        return decrypt(
            self._aead,
            nonce=sealed[HEADER_SIZE:body],
            ciphertext=sealed[body:],
            associated=sealed[:HEADER_SIZE] + associated,
        )


def key_id_of(sealed: bytes) -> bytes:
    """Read which key sealed a value, without opening it. Raises Unreadable if it is not a sealed value."""
    if not OVERHEAD_SIZE <= len(sealed) <= OVERHEAD_SIZE + PLAINTEXT_SIZE_MAX:
        raise Unreadable("the sealed value has an impossible length")
    if sealed[0] != FORMAT or sealed[1] != AES_256_GCM:
        raise Unreadable("the sealed value is of an unknown format")
    return sealed[2:HEADER_SIZE]
