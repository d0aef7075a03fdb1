"""The door of the webhooks context."""

from __future__ import annotations

from apps.webhooks.commands.dead_letters import DiscardDelivery, ResendDelivery, StartReplay, SteerReplay
from apps.webhooks.commands.inbox import DiscardInboxEvent, ReplayInboxEvent
from apps.webhooks.commands.sources import AddSource, RollSourceSecret, SetSourceApiKey, SwitchSource
from apps.webhooks.letters import Letter, masked
from apps.webhooks.letters import find as dead_letters
from apps.webhooks.letters import groups as dead_letter_groups
from apps.webhooks.letters import organisations as dead_letter_organisations
from apps.webhooks.listers import LISTERS
from apps.webhooks.models import Delivery, Endpoint, InboxEvent, ReplayJob, Source
from apps.webhooks.queries import attempts, catching_up
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
    "LISTERS",
    "PROVIDERS",
    "AddSource",
    "Delivery",
    "DiscardDelivery",
    "DiscardInboxEvent",
    "Endpoint",
    "InboxEvent",
    "Letter",
    "ProviderEvent",
    "ReplayInboxEvent",
    "ReplayJob",
    "ResendDelivery",
    "RollSourceSecret",
    "Secret",
    "SetSourceApiKey",
    "Source",
    "StartReplay",
    "SteerReplay",
    "SwitchSource",
    "Unreadable",
    "Verdict",
    "attempts",
    "catching_up",
    "dead_letter_groups",
    "dead_letter_organisations",
    "dead_letters",
    "masked",
    "provider_events",
    "verify_signature",
]
