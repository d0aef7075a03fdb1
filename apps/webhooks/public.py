"""The door of the webhooks context."""

from __future__ import annotations

from apps.webhooks.commands.dead_letters import ResendDelivery
from apps.webhooks.commands.inbox import ReplayInboxEvent
from apps.webhooks.models import Delivery, Endpoint, InboxEvent
from apps.webhooks.queries import attempts
from apps.webhooks.signatures import (
    PROVIDERS,
    ProviderEvent,
    Secret,
    Unreadable,
    Verdict,
    provider_events,
    verify_signature,
)

__all__ = [
    "PROVIDERS",
    "Delivery",
    "Endpoint",
    "InboxEvent",
    "ProviderEvent",
    "ReplayInboxEvent",
    "ResendDelivery",
    "Secret",
    "Unreadable",
    "Verdict",
    "attempts",
    "provider_events",
    "verify_signature",
]
