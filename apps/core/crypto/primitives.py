"""The few cryptographic operations everything here is made of, with their sizes fixed.

AES-256-GCM with 96-bit nonces and 128-bit tags (NIST SP 800-38D), HKDF-SHA256 (RFC 5869) and
HMAC-SHA256 (RFC 2104). No other size or algorithm is accepted.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from apps.core.crypto.errors import KeysUnavailable, Unreadable

KEY_SIZE = 32
NONCE_SIZE = 12
TAG_SIZE = 16
MAC_SIZE = 32


def cipher(key: bytes) -> AESGCM:
    """Make a cipher of a 32-byte key; reusing it is twice as fast as making it for each value."""
    if len(key) != KEY_SIZE:
        raise ValueError(f"a key is {KEY_SIZE} bytes")
    if not any(key):
        raise ValueError("a key of zeros is no key")
    return AESGCM(key)


def encrypt(aead: AESGCM, *, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Encrypt and authenticate; the tag is the last 16 bytes. A nonce serves once per key."""
    if len(nonce) != NONCE_SIZE:
        raise ValueError(f"a nonce is {NONCE_SIZE} bytes")
    return aead.encrypt(nonce, plaintext, associated)


def decrypt(aead: AESGCM, *, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
    """Decrypt what `encrypt` gave. Raises Unreadable if anything differs from what was encrypted."""
    if len(nonce) != NONCE_SIZE or len(ciphertext) < TAG_SIZE:
        raise Unreadable("the sealed value does not open")
    try:
        return aead.decrypt(nonce, ciphertext, associated)
    except InvalidTag:
        raise Unreadable("the sealed value does not open") from None


def hkdf_sha256(secret: bytes, *, salt: bytes, info: bytes, size: int) -> bytes:
    """Derive `size` bytes from a secret, for the use named by `info`."""
    return HKDF(algorithm=SHA256(), length=size, salt=salt, info=info).derive(secret)


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Authenticate a message under a key; 32 bytes."""
    return hmac.digest(key, message, hashlib.sha256)


def same(left: bytes, right: bytes) -> bool:
    """Compare without telling by the time taken where they differ."""
    return hmac.compare_digest(left, right)


def self_test() -> None:
    """Check the library against one published case of each kind (NIST CAVP, RFC 5869, RFC 4231).

    Raises KeysUnavailable if it gives another answer: then nothing must be encrypted with it.
    """
    sealed = encrypt(
        cipher(bytes.fromhex("b52c505a37d78eda5dd34f20c22540ea1b58963cf8e5bf8ffa85f9f2492505b4")),
        nonce=bytes.fromhex("516c33929df5a3284ff463d7"),
        plaintext=b"",
        associated=b"",
    )
    derived = hkdf_sha256(b"\x0b" * 22, salt=bytes(range(13)), info=bytes(range(0xF0, 0xFA)), size=42)
    mac = hmac_sha256(b"Jefe", b"what do ya want for nothing?")
    right = (
        sealed.hex() == "bdc1ac884d332457a1d2664f168c76f0"
        and derived.hex().startswith("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf")
        and mac.hex() == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )
    if not right:
        raise KeysUnavailable("the cryptographic library fails its known-answer test")
