"""Ed25519 signatures (RFC 8032) of the platform, with one key for each purpose.

Private halves are stored only wrapped by the key provider; public halves stay for ever, so that an
old signature can always be verified. A purpose is a short dotted word such as `ledger.checkpoint`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings
from django.db import connection, transaction

from apps.core import ids
from apps.core.crypto.cache import KeyCache
from apps.core.crypto.context import canonical
from apps.core.crypto.errors import Unreadable
from apps.core.crypto.keyring import CACHED_KEY_AGE_S_MAX
from apps.core.crypto.providers import Wrapped
from apps.core.crypto.runtime import provider

_PURPOSE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_-]+)+")
_COLUMNS = "purpose, version, public_key, wrapped, kek_version"
_signers: KeyCache[bytes, Ed25519PrivateKey] = KeyCache(count_max=1_000, age_s_max=CACHED_KEY_AGE_S_MAX)


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature of 64 bytes, and which version of the purpose's key made it."""

    version: int
    value: bytes


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of a version of a purpose's key, 32 bytes."""

    purpose: str
    version: int
    value: bytes


@dataclass(frozen=True, slots=True)
class _StoredKey:
    public: PublicKey
    wrapped: Wrapped


def sign(*, purpose: str, message: bytes) -> Signature:
    """Sign with the newest key of the purpose, which is made at first use.

    Where the first use is inside a transaction, the signature is worth nothing if that transaction is
    rolled back: its key goes with it. Raises KeysUnavailable, and Unreadable for a damaged key.
    """
    stored = _newest(purpose) or _add(purpose, version=1)
    signer = _signers.get(stored.public.value, lambda: _unwrapped(stored))
    return Signature(stored.public.version, signer.sign(message))


def verify(*, purpose: str, signature: Signature, message: bytes) -> bool:
    """Tell whether the purpose's key of that version made this signature of this message."""
    for key in public_keys(purpose):
        if key.version == signature.version:
            return is_signed(message, signature=signature.value, public_key=key.value)
    return False


def is_signed(message: bytes, *, signature: bytes, public_key: bytes) -> bool:
    """Tell whether the holder of the key signed the message; needs no database and no secret."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def public_keys(purpose: str) -> list[PublicKey]:
    """List the public keys of a purpose, oldest first: what verifiers are given."""
    return [stored.public for stored in _select("purpose = %s ORDER BY version", [purpose])]


def rotate(purpose: str) -> int:
    """Make a new key for a purpose and tell its version; the old ones go on verifying."""
    newest = _newest(purpose)
    return _add(purpose, version=newest.public.version + 1 if newest else 1).public.version


def rewrap(*, purpose: str, version: int) -> bool:
    """Wrap a private half under the newest KEK version; tell whether that changed anything."""
    (stored,) = _select("purpose = %s AND version = %s", [purpose, version])
    context = _context(stored.public)
    wrapped = provider().wrap(provider().unwrap(stored.wrapped, context=context), context=context)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE core_signingkey SET wrapped = %s, kek_version = %s"
            " WHERE purpose = %s AND version = %s AND kek_version = %s",
            [wrapped.blob, wrapped.version, purpose, version, stored.wrapped.version],
        )
        return cursor.rowcount == 1


def _newest(purpose: str) -> _StoredKey | None:
    # Asked for at each signature and never kept: a key of a transaction that is rolled back later
    # would otherwise live on in memory and sign what nobody can verify.
    found = _select("purpose = %s ORDER BY version DESC LIMIT 1", [purpose])
    return found[0] if found else None


def _add(purpose: str, *, version: int) -> _StoredKey:
    """Insert a new key, or read the one that another process inserted first."""
    if not _PURPOSE.fullmatch(purpose) or len(purpose) > 64:
        raise ValueError("a purpose is a dotted word of at most 64 letters")
    key = Ed25519PrivateKey.generate()
    public = PublicKey(purpose, version, key.public_key().public_bytes_raw())
    wrapped = provider().wrap(key.private_bytes_raw(), context=_context(public))
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO core_signingkey (id, {_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (purpose, version) DO NOTHING",
            [ids.uuid7(datetime.now(UTC)), purpose, version, public.value, wrapped.blob, wrapped.version],
        )
        (stored,) = _select("purpose = %s AND version = %s", [purpose, version])
    return stored


def _unwrapped(stored: _StoredKey) -> Ed25519PrivateKey:
    data = provider().unwrap(stored.wrapped, context=_context(stored.public))
    key = Ed25519PrivateKey.from_private_bytes(data)
    if key.public_key().public_bytes_raw() != stored.public.value:
        raise Unreadable("the signing key is not the one that was stored")
    return key


def _context(public: PublicKey) -> bytes:
    return canonical(
        "bezant.signing.v1", settings.ENVIRONMENT, public.purpose, str(public.version), public.value
    )


def _select(condition: str, parameters: list[Any]) -> list[_StoredKey]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_COLUMNS} FROM core_signingkey WHERE {condition}", parameters)
        return [
            _StoredKey(PublicKey(purpose, version, bytes(public_key)), Wrapped(bytes(wrapped), kek_version))
            for purpose, version, public_key, wrapped, kek_version in cursor.fetchall()
        ]
