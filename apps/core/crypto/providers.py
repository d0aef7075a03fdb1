"""The seam to whatever keeps the key encryption keys: a local file, an HSM, a cloud KMS.

A provider wraps data keys and never hands out its own. Every provider must pass the same contract
tests (`tests/unit/core_crypto/test_provider_contract.py`), whatever stands behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A data key under a key encryption key: bytes only the provider reads, and the KEK's version."""

    blob: bytes = field(repr=False)
    version: int


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """Whether a provider works now, in one sentence that holds no secret."""

    ok: bool
    detail: str


class Provider(Protocol):
    """What a keeper of key encryption keys (KEKs) can do.

    `context` binds a wrapped key to what it is for: under another context it does not unwrap. It is
    told to the keeper in clear, so it holds identifiers only. A provider is safe to use from several
    threads and after a fork. Every method raises KeysUnavailable when the keeper cannot be reached.
    """

    def wrap(self, key: bytes, *, context: bytes) -> Wrapped:
        """Wrap a key under the newest KEK version."""
        ...

    def unwrap(self, wrapped: Wrapped, *, context: bytes) -> bytes:
        """Give back the key. Raises Unreadable if altered, of another context or another keeper."""
        ...

    def mac(self, message: bytes) -> bytes:
        """Authenticate a message under a key used for nothing else; 32 bytes, the same for ever.

        Rotation does not change it, since the indexes made with it could no longer be searched.
        """
        ...

    def current_version(self) -> int:
        """Tell the KEK version that `wrap` uses now."""
        ...

    def rotate(self) -> int:
        """Make a new KEK version and tell its number; older versions go on unwrapping."""
        ...

    def status(self) -> ProviderStatus:
        """Tell whether the keeper answers now; never raises."""
        ...

    def describe(self) -> Mapping[str, object]:
        """Tell kind, place and versions for the key inventory; JSON-able, no secret."""
        ...
