"""Reactions to events: functions that the relay calls, at least once, for each event they name.

A consumer reads the outbox in order from its own cursor. Its function runs outside a transaction
and makes its changes through `execute` with a key derived from the event's id, so that a second
call changes nothing. A function that keeps failing does not stop the others: after
`ATTEMPTS_MAX` attempts the event becomes a dead event and the consumer goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from apps.core.events import StoredEvent

Reaction = Callable[[StoredEvent], None]


@dataclass(frozen=True, slots=True)
class Consumer:
    """A named reaction and the events it reacts to; an empty set means every event."""

    name: str
    events: frozenset[str]
    react: Reaction


CONSUMERS: dict[str, Consumer] = {}


def consumes(*events: str, consumer: str) -> Callable[[Reaction], Reaction]:
    """Register the function below as the consumer of the named events (none named: of all)."""

    def register(react: Reaction) -> Reaction:
        if consumer in CONSUMERS:
            raise RuntimeError(f"the consumer {consumer} is registered twice")
        CONSUMERS[consumer] = Consumer(consumer, frozenset(events), react)
        return react

    return register
