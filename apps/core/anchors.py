"""Files outside the database that signed checkpoints are copied to: one JSON line each, numbered by `n`.

They are only ever appended to. A line that a crash cut short is left where it is and written again.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

_BLOCK_BYTES = 64 * 1024


def append_missing(path: Path, find_after: Callable[[int], list[dict[str, Any]]]) -> int:
    """Append the checkpoints that the file lacks: `find_after(n)` gives those above the last it holds.

    Flushed to the disk before it returns. Two writers take turns, and the second sees what the first
    wrote. Costs what is new, however long the file has grown. Returns how many were written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found = find_after(_last_number(file))
        if not found:
            return 0
        torn = b"" if _ends_whole(file) else b"\n"
        file.write(torn + b"".join(json.dumps(entry, ensure_ascii=False).encode() + b"\n" for entry in found))
        file.flush()
        os.fsync(file.fileno())
    return len(found)


def read_all(path: Path) -> list[dict[str, Any]]:
    """Read every checkpoint, in the order of the file; what is no whole line of one is left out."""
    return list(_entries(path.read_bytes().splitlines())) if path.exists() else []


def _last_number(file: BinaryIO) -> int:
    size = file.seek(0, os.SEEK_END)
    span = _BLOCK_BYTES
    while size:
        start = max(0, size - span)
        file.seek(start)
        # The first line of a block that does not begin the file may lack its beginning.
        lines = file.read(size - start).splitlines()[1 if start else 0 :]
        last = next(_entries(reversed(lines)), None)
        if last is not None:
            return int(last["n"])
        if not start:
            break
        span *= 2
    return 0


def _ends_whole(file: BinaryIO) -> bool:
    size = file.seek(0, os.SEEK_END)
    if not size:
        return True
    file.seek(size - 1)
    return file.read(1) == b"\n"


def _entries(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("n"), int):
            yield entry
