"""The local key file on disk: made once, changed whole, and refused unless only its owner can read it."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apps.core.crypto.envelope import KEY_ID_SIZE
from apps.core.crypto.errors import KeysUnavailable
from apps.core.crypto.primitives import KEY_SIZE

_FORMAT = 1
_SIZE_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class KekVersion:
    """One version of the key encryption key."""

    version: int
    key_id: bytes
    made_at: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The content of the file; the last version is the one in use."""

    mac_key: bytes = field(repr=False)
    versions: tuple[KekVersion, ...]


def create(path: Path, content: KeyFile) -> None:
    """Write the file if there is none. Of several processes at once exactly one writes it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = _draft(path, content)
    try:
        # A link, unlike a rename, fails if the name is taken: the first one wins, whole.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    _sync_folder(path.parent)


def rewrite(path: Path, change: Callable[[KeyFile], KeyFile]) -> KeyFile:
    """Replace the file by what `change` makes of it, one process at a time. Raises KeysUnavailable."""
    with _locked(path):
        content = change(read(path))
        _draft(path, content).replace(path)
        _sync_folder(path.parent)
    return content


def stamp(path: Path) -> tuple[int, int, int]:
    """Tell which file this is now; another content, or mode, gives another stamp. Raises KeysUnavailable."""
    try:
        found = path.stat()
    except OSError as problem:
        raise KeysUnavailable(f"the key file {path} cannot be read: {problem.strerror}") from None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def read(path: Path) -> KeyFile:
    """Read the file. Raises KeysUnavailable if it is missing, damaged or open to others."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as problem:
        raise KeysUnavailable(f"the key file {path} cannot be read: {problem.strerror}") from None
    with os.fdopen(handle, "rb") as file:
        _refuse_if_open_to_others(path, os.fstat(file.fileno()))
        data = file.read(_SIZE_MAX)
    try:
        return _parse(json.loads(data))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise KeysUnavailable(f"the key file {path} is damaged; restore it from its backup") from None


def _refuse_if_open_to_others(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise KeysUnavailable(f"the key file {path} is not a plain file")
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise KeysUnavailable(
            f"the key file {path} has mode {mode:04o}: others can read it; "
            f"run chmod 0600 on it, and rotate the keys if somebody may have"
        )
    if os.geteuid() not in (0, found.st_uid):
        raise KeysUnavailable(f"the key file {path} belongs to another user")


def _parse(content: Any) -> KeyFile:
    if content["format"] != _FORMAT:
        raise ValueError("unknown format")
    versions = tuple(_parse_version(item) for item in content["versions"])
    numbers = [kek.version for kek in versions]
    if numbers != sorted(set(numbers)) or numbers[0] < 1:
        raise ValueError("versions out of order")
    return KeyFile(mac_key=_bytes(content["mac_key"], KEY_SIZE), versions=versions)


def _parse_version(item: Any) -> KekVersion:
    if type(item["version"]) is not int or type(item["made_at"]) is not str:
        raise ValueError("wrong type")
    return KekVersion(
        version=item["version"],
        key_id=_bytes(item["key_id"], KEY_ID_SIZE),
        made_at=item["made_at"],
        key=_bytes(item["key"], KEY_SIZE),
    )


def _bytes(text: Any, size: int) -> bytes:
    data = base64.b64decode(text, validate=True)
    if len(data) != size or not any(data):
        raise ValueError("wrong size")
    return data


def _draft(path: Path, content: KeyFile) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(_as_json(content), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _as_json(content: KeyFile) -> dict[str, object]:
    versions = [
        {
            "version": kek.version,
            "key_id": _text(kek.key_id),
            "made_at": kek.made_at,
            "key": _text(kek.key),
        }
        for kek in content.versions
    ]
    return {"format": _FORMAT, "mac_key": _text(content.mac_key), "versions": versions}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    # A file of its own: the key file itself is replaced while the lock is held.
    handle = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
