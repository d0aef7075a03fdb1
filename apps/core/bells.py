"""Wake-ups: a word to the workers that there is something in a table. Losing one costs a second.

They are sent after the commit by a thread of their own, at most ten a second for each kind and
process, so that no request waits for a broker that is slow or away: the beat asks anyway.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog
from django.db import transaction

INTERVAL_S = 0.1
PAUSE_S = 5.0
"""After a failure the broker is left alone for this long."""

_log = structlog.get_logger("bezant.wake")


class Bell:
    """One kind of wake-up, rung by its own thread, which begins with the first ring."""

    def __init__(self, send: Callable[[], None]) -> None:
        self._send = send
        self._wanted = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def after_commit(self) -> None:
        """Ask for a wake-up once the open transaction (if any) is committed."""
        transaction.on_commit(self.ring)

    def ring(self) -> None:
        """Ask for a wake-up; several within the interval become one."""
        self._wanted.set()
        if self._thread is None or not self._thread.is_alive():
            with self._lock:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._serve, name="wake", daemon=True)
                    self._thread.start()

    def _serve(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            try:
                self._send()
            except Exception as error:  # whatever a broker can do wrong: the table is the record
                _log.warning("wake-up not sent", error=type(error).__name__)
                time.sleep(PAUSE_S)
            time.sleep(INTERVAL_S)
