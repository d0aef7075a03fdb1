"""Folders where a bank drops files: what is there, what was taken in, what was refused."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILES_MAX = 100
"""The most files one look takes up; the rest waits for the next."""

FILE_BYTES_MAX = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Incoming:
    """A folder with `done` and `refused` beside what waits in it."""

    folder: Path

    def files(self, pattern: str) -> Iterator[Path]:
        """Return whole files that wait, in the order of their names; hidden ones are still being written."""
        if not self.folder.is_dir():
            return
        waiting = sorted(path for path in self.folder.glob(pattern) if path.is_file() and path.name[0] != ".")
        for path in waiting[:FILES_MAX]:
            if path.stat().st_size > FILE_BYTES_MAX:
                self.refuse(path, reason="too large")
            else:
                yield path

    def keep(self, path: Path) -> Path:
        """Put a file that was taken in aside."""
        return self._move(path, "done")

    def refuse(self, path: Path, *, reason: str) -> Path:
        """Put a file aside that was not taken in, with the reason in a text file beside it."""
        moved = self._move(path, "refused")
        moved.with_name(f"{moved.name}.reason.txt").write_text(f"{reason}\n", encoding="utf-8")
        return moved

    def _move(self, path: Path, where: str) -> Path:
        target = self.folder / where / path.name
        target.parent.mkdir(exist_ok=True)
        number = 1
        while target.exists():
            number += 1
            target = target.with_name(f"{path.stem}.{number}{path.suffix}")
        return path.replace(target)


def put_whole(path: Path, data: bytes) -> None:
    """Write a file so that whoever watches the folder sees all of it or nothing, even after a crash.

    Two writers of the same name do not meet: the last one's file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
