"""How far a long command is, told to whoever waits for it in the same thread; nobody need listen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Progress = Callable[[int, int], None]
"""Takes how many steps are done, and of how many."""

_listener: ContextVar[Progress | None] = ContextVar("reconciliation_progress", default=None)


@contextmanager
def listening(progress: Progress | None) -> Iterator[None]:
    """Hear what commands within tell of their progress."""
    token = _listener.set(progress)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(done: int, total: int) -> None:
    """Tell how far this command is."""
    listener = _listener.get()
    if listener is not None:
        listener(done, total)
