"""What the context tells Prometheus: counters and times of this process, and gauges read from the tables."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)

INBOUND_REQUESTS = Counter(
    "bezant_inbound_requests_total",
    "Webhook requests received, by provider and answer.",
    ["provider", "code"],
)
INBOX_EVENTS = Counter(
    "bezant_inbox_events_total",
    "Tries to apply provider events, by what became of them.",
    ["provider", "status"],
)
INBOX_LAG = Histogram(
    "bezant_inbox_lag_seconds", "From a provider event being stored to it being applied.", buckets=_SECONDS
)
DELIVERY_ATTEMPTS = Counter(
    "bezant_delivery_attempts_total", "Attempts to deliver an event, by how they ended.", ["outcome"]
)
DELIVERY_LAG = Histogram(
    "bezant_delivery_lag_seconds",
    "From an event's commit to the first attempt at an endpoint.",
    buckets=_SECONDS,
)
DELIVERY_TIME = Histogram("bezant_delivery_seconds", "How long an endpoint took to answer.", buckets=_SECONDS)
REFUSED_ADDRESSES = Counter(
    "bezant_refused_addresses_total", "Dials that were refused because the address is not public."
)
RECONCILED = Counter(
    "bezant_reconciled_events_total",
    "Provider events that never came by webhook and were found in its list.",
    ["provider"],
)
RECONCILER_FAILURES = Counter(
    "bezant_reconciler_failures_total",
    "Readings of a provider's list that ended early: refused, out of reach, or not to be read.",
    ["provider"],
)
