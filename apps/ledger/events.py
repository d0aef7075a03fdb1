"""What the ledger tells of, through the outbox."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from apps.core.events import Event, event


@event("ledger.monitor_crossed", version=1)
@dataclass(frozen=True)
class MonitorCrossed(Event):
    """A balance went beyond the threshold of a monitor; it tells again only after it came back."""

    OBJECT = ("ledger_monitor", "monitor_id")

    monitor_id: UUID
    account_id: int
    direction: str
    threshold_minor: int
    posted_minor: int
    journal_seq: int
