"""Where higher layers register what core offers under one roof, so that core never reaches up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

T = TypeVar("T")


@dataclass
class Registry(Generic[T]):
    """Named entries, each registered once."""

    what: str
    entries: dict[str, T] = field(default_factory=dict)

    def register(self, name: str, entry: T) -> T:
        """Add an entry. Raises RuntimeError for a name that is taken."""
        if name in self.entries:
            raise RuntimeError(f"the {self.what} {name} is registered twice")
        self.entries[name] = entry
        return entry


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One object a search found: where its page is, and a line that shows it without personal data."""

    kind: str
    object_id: str
    title: str
    url: str


@dataclass(frozen=True, slots=True)
class TimelineItem:
    """One thing that happened to an object, as the console's timeline shows it."""

    at: datetime
    kind: str  # state, journal, file, webhook, audit, statement
    title: str
    actor: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    url: str = ""


SEARCHES: Registry[Callable[[str], list[SearchHit]]] = Registry("search")
"""Functions from what was typed to hits; called in the platform's scope."""

TIMELINES: Registry[Callable[[str], list[TimelineItem]]] = Registry("timeline")
"""Functions from an object's public id to what happened to it; called in the platform's scope."""

EVIDENCE: Registry[Callable[[datetime], dict[str, Any]]] = Registry("evidence probe")
"""Functions that prove a control at a moment, for the compliance record."""

ERASERS: Registry[Callable[[UUID, UUID], int]] = Registry("eraser")
"""Functions (organisation, subject) that remove a person's traces; each returns how many."""

HEALTH: Registry[Callable[[], dict[str, Any]]] = Registry("health check")
"""Functions that return {"ok": bool, …} for /readyz."""
