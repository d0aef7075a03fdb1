"""What the compliance record tells others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from apps.core.events import Event, event


@event("compliance.request_approved", version=1)
@dataclass(frozen=True)
class RequestApproved(Event):
    """A second person approved a command, and it was done."""

    OBJECT: ClassVar[tuple[str, str]] = ("approval", "approval_id")
    approval_id: str
    command: str


@event("compliance.request_rejected", version=1)
@dataclass(frozen=True)
class RequestRejected(Event):
    """A second person refused a command; it will not be done."""

    OBJECT: ClassVar[tuple[str, str]] = ("approval", "approval_id")
    approval_id: str
    command: str


@event("compliance.request_expired", version=1)
@dataclass(frozen=True)
class RequestExpired(Event):
    """Nobody decided about a command in time; it will not be done."""

    OBJECT: ClassVar[tuple[str, str]] = ("approval", "approval_id")
    approval_id: str
    command: str
