"""Key encryption keys in one JSON file, for development, tests and small trials.

Who can read the file can read everything: no hardware stands in between. A system check therefore
refuses it outside of development unless a setting says that this is meant.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from apps.core.crypto.envelope import KEY_ID_SIZE, DataKey, key_id_of
from apps.core.crypto.errors import KeysUnavailable, Unreadable
from apps.core.crypto.key_file import KekVersion, KeyFile, create, read, rewrite, stamp
from apps.core.crypto.primitives import KEY_SIZE, hmac_sha256
from apps.core.crypto.providers import ProviderStatus, Wrapped


@dataclass(slots=True)
class _Loaded:
    stamp: tuple[int, int, int]
    current: int
    mac_key: bytes = field(repr=False)
    keys: dict[bytes, DataKey] = field(repr=False)
    versions: dict[int, bytes] = field(repr=False)


class LocalFileProvider:
    """Keep the KEK versions in a file that only its owner can read (mode 0600)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._loaded: _Loaded | None = None

    @classmethod
    def create(cls, path: Path, *, at: datetime) -> LocalFileProvider:
        """Make the key file unless there is one; of several makers at once, one wins and all use its file."""
        create(path, KeyFile(mac_key=secrets.token_bytes(KEY_SIZE), versions=(_new_kek(1, at),)))
        return cls(path)

    def wrap(self, key: bytes, *, context: bytes) -> Wrapped:
        """Wrap a key under the newest version (AES-256-GCM, the context as associated data)."""
        loaded = self._load()
        kek = loaded.keys[loaded.versions[loaded.current]]
        return Wrapped(kek.seal(key, associated=context), loaded.current)

    def unwrap(self, wrapped: Wrapped, *, context: bytes) -> bytes:
        """Give back the key. Raises Unreadable, also for a key wrapped under another key file."""
        kek = self._load().keys.get(key_id_of(wrapped.blob))
        if kek is None:
            raise Unreadable("the key was wrapped under a key that is not in the key file")
        return kek.open(wrapped.blob, associated=context)

    def mac(self, message: bytes) -> bytes:
        """Authenticate a message under the file's own MAC key."""
        return hmac_sha256(self._load().mac_key, message)

    def current_version(self) -> int:
        """Tell the newest version."""
        return self._load().current

    def rotate(self, *, at: datetime | None = None) -> int:
        """Add a version to the file, safely against another process doing the same."""
        moment = at or datetime.now(UTC)
        return rewrite(self.path, lambda old: _with_new_version(old, moment)).versions[-1].version

    def status(self) -> ProviderStatus:
        """Tell whether the file can be read and is safe to use."""
        try:
            loaded = self._load()
        except KeysUnavailable as problem:
            return ProviderStatus(ok=False, detail=str(problem))
        return ProviderStatus(ok=True, detail=f"local key file, version {loaded.current}")

    def describe(self) -> Mapping[str, object]:
        """Tell the versions with the dates they were made."""
        versions = [
            {"version": kek.version, "key_id": kek.key_id.hex(), "made_at": kek.made_at}
            for kek in read(self.path).versions
        ]
        return {"kind": "local_file", "path": str(self.path), "versions": versions}

    def _load(self) -> _Loaded:
        # The file is looked at, not read, each time: another process may have added a version.
        # Two threads may read it at once; each leaves a whole, right copy behind.
        found, loaded = stamp(self.path), self._loaded
        if loaded is None or loaded.stamp != found:
            loaded = self._loaded = _loaded(read(self.path), found)
        return loaded


def _loaded(content: KeyFile, found: tuple[int, int, int]) -> _Loaded:
    return _Loaded(
        stamp=found,
        current=content.versions[-1].version,
        mac_key=content.mac_key,
        keys={kek.key_id: DataKey(kek.key_id, kek.key) for kek in content.versions},
        versions={kek.version: kek.key_id for kek in content.versions},
    )


def _new_kek(version: int, at: datetime) -> KekVersion:
    return KekVersion(
        version=version,
        key_id=secrets.token_bytes(KEY_ID_SIZE),
        key=secrets.token_bytes(KEY_SIZE),
        made_at=at.isoformat(),
    )


def _with_new_version(old: KeyFile, at: datetime) -> KeyFile:
    newest = _new_kek(old.versions[-1].version + 1, at)
    return KeyFile(mac_key=old.mac_key, versions=(*old.versions, newest))
