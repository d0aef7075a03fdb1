"""Group commit: concurrent single journals of one process, posted by one call and one commit.

A hot account is a queue: each posting holds the row until its commit is on disk. Callers that come at the
same time therefore hand their journals to one thread, which posts whatever has gathered as one batch;
each caller returns with its own result once the batch is durable. Nothing is waited for: while a batch
is under way the next one gathers by itself, and a caller alone is a batch of one.

For journals that stand alone. A command whose other rows must commit with its journal posts it in its
own transaction.
"""

from __future__ import annotations

import threading
from collections import deque
from uuid import UUID

import structlog
from django.db import connection

from apps.core.db import retrying
from apps.ledger import posting
from apps.ledger.domain import Draft, Result, ResultCode
from apps.ledger.errors import NotAllowed, refusal_of

BATCH_MAX = 256
IDLE_S = 10.0
"""The committing thread ends after so long without work, and its connection with it."""
_log = structlog.get_logger("bezant.ledger")


class _Ticket:
    """One caller's journal, and the lock its result is waited for on (cheaper than an Event)."""

    __slots__ = ("done", "draft", "error", "result")

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.result: Result | None = None
        self.error: BaseException | None = None
        self.done = threading.Lock()
        self.done.acquire()


class GroupCommit:
    """Gathers the journals of a process's threads."""

    def __init__(self, *, batch_max: int = BATCH_MAX) -> None:
        self.batch_max = batch_max
        self._waiting: deque[_Ticket] = deque()
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._running = False

    def post(self, draft: Draft, *, organisation_id: UUID) -> int:
        """Post a journal and return its number when it is durable.

        `organisation_id` is the caller's own scope: the committing thread serves all of them, so the draft
        must be the caller's. Must not be called inside a transaction. Raises the ledger's refusals.
        """
        if connection.in_atomic_block:
            raise RuntimeError("a grouped journal commits on its own; inside a transaction use post()")
        if draft.organisation_id != organisation_id or draft.linked:
            raise NotAllowed
        ticket = _Ticket(draft)
        with self._lock:
            self._waiting.append(ticket)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="ledger-group-commit", daemon=True).start()
            elif len(self._waiting) == 1:
                self._work.notify()
        ticket.done.acquire()
        if ticket.error is not None:
            raise ticket.error
        assert ticket.result is not None
        if not ticket.result.ok or ticket.result.seq is None:
            raise refusal_of(ticket.result)
        return ticket.result.seq

    def _run(self) -> None:
        try:
            while batch := self._take():
                self._commit(batch)
        finally:
            connection.close()

    def _take(self) -> list[_Ticket]:
        with self._lock:
            if not self._waiting:
                self._work.wait(IDLE_S)
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self.batch_max))]
            self._running = bool(batch)
            return batch

    def _commit(self, batch: list[_Ticket]) -> None:
        try:
            results = retrying(lambda: self._call(batch))
            for ticket, result in zip(batch, results, strict=True):
                ticket.result = result
        except BaseException as error:
            # The callers must not wait for ever; what became of their journals a repeat will tell.
            _log.error("group_commit_failed", error=type(error).__name__, journals=len(batch))
            connection.close()
            for ticket in batch:
                ticket.error = error
        finally:
            for ticket in batch:
                ticket.done.release()

    @staticmethod
    def _call(batch: list[_Ticket]) -> list[Result]:
        """Post in one implicit transaction: one round trip. The session's scope is the whole platform."""
        if connection.connection is None:
            connection.ensure_connection()
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('bezant.organisation', '*', false)")
        results = posting.call([ticket.draft for ticket in batch])
        return [
            # The numbers of a shared account are its owner's alone; here the whole platform was asked.
            Result(result.code, result.seq, {"account": result.facts["account"]})
            if result.code
            in (ResultCode.INSUFFICIENT_FUNDS, ResultCode.CEILING_EXCEEDED, ResultCode.CONDITION_FAILED)
            else result
            for result in results
        ]


GROUP = GroupCommit()
"""The process's own."""
