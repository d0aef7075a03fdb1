"""Group commit: commands that several threads ask for at the same moment share one transaction.

There is no timer. A caller who finds nobody at work goes at once, alone; those who come while it works
wait, and the first of them then takes all that have come along. So light load pays nothing, and heavy
load makes batches by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from apps.core.commands import Outcome
from apps.core.errors import Refusal

BATCH_MAX = 256
"""The most commands of one transaction."""

R = TypeVar("R")


class _Ticket(Generic[R]):
    """A caller's place in the queue, and what became of its request."""

    __slots__ = ("request", "result", "turn")

    def __init__(self, request: R) -> None:
        self.request = request
        self.result: Outcome | BaseException | None = None
        self.turn = threading.Event()


class Gatherer(Generic[R]):
    """Gathers requests of one process and gives each caller its own result once it is durable."""

    def __init__(self, work: Callable[[Sequence[R]], Sequence[Outcome | Refusal]]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._waiting: list[_Ticket[R]] = []
        self._at_work = False

    def submit(self, request: R) -> Outcome:
        """Have a request done, with whichever others wait. Raises its refusal, or what the work raised."""
        ticket = _Ticket(request)
        with self._lock:
            self._waiting.append(ticket)
            leads, self._at_work = not self._at_work, True
        if not leads:
            ticket.turn.wait()
        if ticket.result is None:  # nobody has done it: this caller's turn to lead has come
            self._lead()
        if isinstance(ticket.result, BaseException):
            raise ticket.result
        assert ticket.result is not None
        return ticket.result

    def _lead(self) -> None:
        with self._lock:
            batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
        try:
            self._do(batch)
        finally:
            self._hand_on()
            for ticket in batch:
                ticket.turn.set()

    def _do(self, batch: list[_Ticket[R]]) -> None:
        try:
            results = self._work([ticket.request for ticket in batch])
            for ticket, result in zip(batch, results, strict=True):
                ticket.result = result
        except Exception as error:
            if len(batch) == 1:
                batch[0].result = error
            else:
                # One of them may have spoiled it for all: let each show for itself.
                for ticket in batch:
                    self._do([ticket])
        except BaseException as error:
            for ticket in batch:
                ticket.result = ticket.result or error
            raise

    def _hand_on(self) -> None:
        """Let the first of those who have come meanwhile lead, or nobody."""
        with self._lock:
            self._at_work = bool(self._waiting)
            if self._waiting:
                self._waiting[0].turn.set()
