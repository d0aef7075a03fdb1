"""The tables of both doors: what comes in (`inbox`), what goes out (`outbound`)."""

from apps.webhooks.models.inbox import InboundRejection, InboundRequest, InboxEvent, Source, SourceSecret
from apps.webhooks.models.outbound import (
    Attempt,
    Delivery,
    Endpoint,
    EndpointHealth,
    EndpointSecret,
    QueuedDelivery,
    ReplayJob,
)

__all__ = [
    "Attempt",
    "Delivery",
    "Endpoint",
    "EndpointHealth",
    "EndpointSecret",
    "InboundRejection",
    "InboundRequest",
    "InboxEvent",
    "QueuedDelivery",
    "ReplayJob",
    "Source",
    "SourceSecret",
]
