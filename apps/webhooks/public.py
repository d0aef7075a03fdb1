"""The door of the webhooks context."""

from __future__ import annotations

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
    "ProviderEvent",
    "Secret",
    "Unreadable",
    "Verdict",
    "provider_events",
    "verify_signature",
]
