"""What the webhooks context tells. None of these is delivered unless an endpoint names it exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from apps.core.events import Event, event


@event("webhooks.inbox_event_died", version=1)
@dataclass(frozen=True)
class InboxEventDied(Event):
    """A provider's event could not be applied and waits for staff."""

    OBJECT: ClassVar[tuple[str, str]] = ("inbox_event", "inbox_event_id")
    inbox_event_id: str
    provider: str
    event_type: str
    reason: str
    attempts: int


@event("webhooks.endpoint_failing", version=1)
@dataclass(frozen=True)
class EndpointFailing(Event):
    """An endpoint has answered nothing but errors for a while; its owner should be told."""

    OBJECT: ClassVar[tuple[str, str]] = ("webhook_endpoint", "endpoint_id")
    endpoint_id: str
    failing_for_h: int


@event("webhooks.endpoint_disabled", version=1)
@dataclass(frozen=True)
class EndpointDisabled(Event):
    """An endpoint gets nothing any more. `cause` is failing, gone (it answered 410) or owner."""

    OBJECT: ClassVar[tuple[str, str]] = ("webhook_endpoint", "endpoint_id")
    endpoint_id: str
    cause: str


@event("webhooks.endpoint_test", version=1)
@dataclass(frozen=True)
class EndpointTest(Event):
    """Sent to one endpoint when its owner asks for a test event."""

    OBJECT: ClassVar[tuple[str, str]] = ("webhook_endpoint", "endpoint_id")
    endpoint_id: str
    message: str
