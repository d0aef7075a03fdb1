"""Celery's filesystem transport, made to survive a process that is killed while it writes.

kombu's own writes a message in place, so a reader can find it empty; after a `kill -9` at that moment
it stays empty, and every worker that meets it ends. The table of an exchange has the same weakness. Here
both appear whole or not at all, and what cannot be read is thrown away: a message is only a wake-up, and
the next one says the same.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.transport.filesystem import exchange_queue_t
from kombu.utils.json import dumps, loads


class Channel(filesystem.Channel):
    """A channel whose files appear whole."""

    # kombu's own two base classes disagree on the second parameter's name.
    def _put(self, queue: str, message: Any, **_: Any) -> None:  # type: ignore[override]
        name = f"{time.time_ns():020d}_{uuid.uuid4()}.{queue}.msg"
        _write_whole(Path(self.data_folder_out) / name, dumps(message))

    def _get(self, queue: str, timeout: Any = None) -> Any:
        folder = Path(self.data_folder_in)
        for path in sorted(folder.glob(f"*.{queue}.msg")):
            text = _take(path)
            if text is not None:
                with contextlib.suppress(ValueError):
                    return loads(text)
        raise Empty

    def get_table(self, exchange: str) -> list[Any]:
        """Return the queues bound to an exchange; none if its file is not there or cannot be read."""
        try:
            return [exchange_queue_t(*row) for row in loads(self._exchange_file(exchange).read_text())]
        except (FileNotFoundError, ValueError):
            return []

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        binding = exchange_queue_t(routing_key or "", pattern or "", queue or "")
        bound = self.get_table(exchange)
        if binding not in bound:
            self.control_folder.mkdir(parents=True, exist_ok=True)
            _write_whole(self._exchange_file(exchange), dumps([binding, *bound]))


class Transport(filesystem.Transport):
    """The transport that `filesystem://` means in this project."""

    Channel = Channel


def use_for_folders() -> None:
    """Let `filesystem://` addresses use this transport, in this process."""
    TRANSPORT_ALIASES["filesystem"] = f"{__name__}:Transport"


def _write_whole(path: Path, text: str) -> None:
    part = path.with_name(f".{uuid.uuid4().hex}.part")
    part.write_text(text)
    part.replace(path)


def _take(path: Path) -> str | None:
    """Claim a message by renaming it, so that one reader gets it. None if another was first."""
    mine = path.with_name(f".{uuid.uuid4().hex}.taken")
    try:
        os.rename(path, mine)  # noqa: PTH104  # raises where Path.replace would not say who was first
        return mine.read_text()
    except OSError:
        return None
    finally:
        mine.unlink(missing_ok=True)
