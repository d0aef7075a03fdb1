"""What happened to API clients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from apps.core.events import Event, event


@event("authz.client_registered", version=1)
@dataclass(frozen=True)
class ClientRegistered(Event):
    """A program may ask for tokens."""

    OBJECT: ClassVar = ("client", "client_id")
    client_id: str
    scopes: tuple[str, ...]


@event("authz.client_secret_rotated", version=1)
@dataclass(frozen=True)
class ClientSecretRotated(Event):
    """A client has another secret; its former one no longer works."""

    OBJECT: ClassVar = ("client", "client_id")
    client_id: str


@event("authz.client_disabled", version=1)
@dataclass(frozen=True)
class ClientDisabled(Event):
    """A client's tokens are gone, and it gets no more."""

    OBJECT: ClassVar = ("client", "client_id")
    client_id: str
