"""Who acts. Every command, audit entry and event names its actor; nothing happens by nobody."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

ActorKind = Literal["staff", "api", "customer", "system"]

EVERY_PERMISSION = "*"


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or program. `organisation_id` None means: not bound to one (staff and system only).

    `id` is opaque and stable (a user's public id, an API client's id, a process name), never a name
    or an e-mail address, since it is written into records that nobody can erase.
    """

    kind: ActorKind
    id: str
    organisation_id: UUID | None
    permissions: frozenset[str]

    def may(self, permission: str) -> bool:
        """Tell whether the actor holds the permission."""
        return permission in self.permissions or EVERY_PERMISSION in self.permissions

    def belongs_to(self, organisation_id: UUID | None) -> bool:
        """Tell whether the actor may act for the organisation at all."""
        return self.organisation_id is None or self.organisation_id == organisation_id

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


def system_actor(name: str) -> Actor:
    """Return the platform itself, acting as the named process or job."""
    return Actor("system", name, None, frozenset({EVERY_PERMISSION}))


def narrowed(actor: Actor, permissions: frozenset[str]) -> Actor:
    """Return the same actor with no more than the given permissions."""
    held = permissions if EVERY_PERMISSION in actor.permissions else actor.permissions & permissions
    return replace(actor, permissions=held)
