"""A small cache for keys: bounded in number and age, and each missing entry is loaded by one thread only."""

from __future__ import annotations

import os
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class KeyCache(Generic[K, V]):
    """Hold at most `count_max` entries for at most `age_s_max` seconds, the least used go first.

    The age bounds how long a key that was destroyed elsewhere still opens values in this process,
    and how long the process goes on when the key provider is down.
    """

    def __init__(
        self, *, count_max: int, age_s_max: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._count_max = count_max
        self._age_s_max = age_s_max
        self._clock = clock
        self._reset()
        _CACHES.add(self)

    def get(self, key: K, load: Callable[[], V]) -> V:
        """Give the entry, loading it if it is missing or too old; what `load` raises is not cached."""
        found = self._fresh(key)
        if found is not None:
            return found
        with self._loading_lock(key):
            found = self._fresh(key)
            if found is None:
                found = load()
                self._keep(key, found)
        return found

    def forget(self, key: K) -> None:
        """Drop one entry."""
        with self._lock:
            self._entries.pop(key, None)

    def clear(self) -> None:
        """Drop every entry."""
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def _fresh(self, key: K) -> V | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            loaded_at, value = entry
            if self._clock() - loaded_at > self._age_s_max:
                del self._entries[key]
                return None
            self._entries.move_to_end(key)
            return value

    def _keep(self, key: K, value: V) -> None:
        with self._lock:
            self._entries[key] = (self._clock(), value)
            while len(self._entries) > self._count_max:
                self._entries.popitem(last=False)

    def _loading_lock(self, key: K) -> Lock:
        # Sixty-four locks for all keys: no list of locks to tidy up, and hardly ever a needless wait.
        return self._loading[hash(key) % len(self._loading)]

    def _reset(self) -> None:
        self._lock = Lock()
        self._loading = [Lock() for _ in range(64)]
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()


_CACHES: weakref.WeakSet[KeyCache[Any, Any]] = weakref.WeakSet()


def _reset_after_fork() -> None:
    # A lock that another thread held at the fork would stay locked in the child for ever.
    for cache in list(_CACHES):
        cache._reset()


os.register_at_fork(after_in_child=_reset_after_fork)
