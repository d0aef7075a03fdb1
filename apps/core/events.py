"""Facts in the past tense. An event is a frozen dataclass with a dotted, versioned name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from apps.core.codec import to_data


@dataclass(frozen=True)
class Event:
    """The base of every event; subclasses say what they are about in OBJECT.

    OBJECT is (kind of object, name of the field that holds its public id).
    """

    OBJECT: ClassVar[tuple[str, str]]
    NAME: ClassVar[str] = ""
    VERSION: ClassVar[int] = 0

    @property
    def object_type(self) -> str:
        """Return the kind of object the event is about."""
        return self.OBJECT[0]

    @property
    def object_id(self) -> str:
        """Return the public id of the object the event is about."""
        return str(getattr(self, self.OBJECT[1]))

    def payload(self) -> dict[str, Any]:
        """Return the event's body as JSON-able data."""
        return dict(to_data(self))


EVENTS: dict[tuple[str, int], type[Event]] = {}
E = TypeVar("E", bound=type[Event])


def event(name: str, *, version: int) -> Callable[[E], E]:
    """Register an event class under its dotted name and version."""

    def register(cls: E) -> E:
        if (name, version) in EVENTS:
            raise RuntimeError(f"the event {name} v{version} is registered twice")
        cls.NAME, cls.VERSION = name, version
        EVENTS[name, version] = cls
        return cls

    return register


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as the relay hands it to consumers, read back from the outbox."""

    id: UUID
    organisation_id: UUID | None
    name: str
    version: int
    object_type: str
    object_id: str
    payload: dict[str, Any]
    correlation_id: str
    occurred_at: datetime
    recorded_at: datetime
