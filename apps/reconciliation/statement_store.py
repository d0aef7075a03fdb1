"""The files that banks sent, kept by their digest: a command names a digest, never a path.

The same bytes have one place, so a file that comes twice is kept once; nothing is ever overwritten.
The files hold personal data: only the platform's own account can read the folder.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from apps.reconciliation.errors import FileChanged, FileTooLarge

FILE_BYTES_MAX = 160 * 1024 * 1024
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file in the store."""

    sha256: str
    size_bytes: int
    path: Path
    is_new: bool = False

    def forget(self) -> None:
        """Remove a file that was not imported after all, unless it had been here before."""
        if self.is_new:
            self.path.unlink(missing_ok=True)


def keep_file(path: Path) -> KeptFile:
    """Copy a file into the store. Raises FileTooLarge, OSError for a file that cannot be read."""
    folder = _folder()
    partial = folder / f".{secrets.token_hex(8)}"
    try:
        digest, size = _copy(path, partial)
        kept = folder / digest
        was_here = kept.exists()
        if was_here:
            partial.unlink()
        else:
            partial.rename(kept)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return KeptFile(digest, size, kept, is_new=not was_here)


def kept_file(sha256: str) -> KeptFile:
    """Find a kept file and check that its bytes are still those. Raises FileChanged."""
    path = _folder() / sha256
    if not (len(sha256) == 64 and sha256.isalnum() and path.is_file()):
        raise FileChanged(sha256=sha256[:64])
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256:
        raise FileChanged(sha256=sha256)
    return KeptFile(sha256, path.stat().st_size, path)


def _folder() -> Path:
    folder = Path(settings.VAR_DIR) / "bank" / "statements"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _copy(source: Path, target: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with source.open("rb") as reading, os.fdopen(descriptor, "wb") as writing:
        while chunk := reading.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > FILE_BYTES_MAX:
                raise FileTooLarge(bytes_max=FILE_BYTES_MAX)
            digest.update(chunk)
            writing.write(chunk)
        writing.flush()
        os.fsync(writing.fileno())
    return digest.hexdigest(), size
