"""Who looks at the console, and what their role opens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpRequest

from apps.accounts.public import staff_actor
from apps.core.actors import Actor

LOG_IN = "console.log_in"
"""Held by every member of staff, for as long as they stand at the door."""


def actor_of(user: Any) -> Actor:
    """Return a member of staff as an actor, with the permissions of the role they have now.

    Raises Denied for anybody else.
    """
    return staff_actor(user)


def at_the_door(user: Any) -> Actor:
    """Return the actor of somebody who is logging in: allowed that, and nothing else."""
    return replace(staff_actor(user), permissions=frozenset({LOG_IN}))


def may(request: HttpRequest, permission: str) -> bool:
    """Tell whether whoever asks holds the permission."""
    actor = getattr(request, "actor", None)
    return actor is not None and actor.may(permission)
