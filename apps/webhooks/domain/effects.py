"""What becomes of a provider's event when it is applied."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Applied:
    """The event changed something; `detail` names it for the audit log (public ids only)."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class Ignored:
    """The event changes nothing, for a reason: a late older event, or one nobody needs."""

    reason: str


@dataclass(frozen=True, slots=True)
class WaitingFor:
    """The event is about an object that does not exist yet, or not in the state it speaks of."""

    object_key: str


Effect = Applied | Ignored | WaitingFor
