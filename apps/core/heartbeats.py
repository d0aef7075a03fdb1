"""Signs of life of the platform's processes, for /readyz and the console."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta

from apps.core.models import Heartbeat

FRESH_S = 30
"""A process that has not beaten for this long counts as gone."""


def beat(kind: str, at: datetime) -> None:
    """Record that a process of this kind (worker, beat, relay) is alive at `at`; at most one write a second."""
    name = f"{kind}@{socket.gethostname()}:{os.getpid()}"
    last = _latest.get(kind)
    if last is not None and at - last < timedelta(seconds=1):
        return
    _latest[kind] = at
    Heartbeat.objects.update_or_create(process=name[:100], defaults={"kind": kind, "beaten_at": at})


def fresh(kind: str, at: datetime) -> bool:
    """Tell whether any process of the kind has beaten lately."""
    return Heartbeat.objects.filter(kind=kind, beaten_at__gt=at - timedelta(seconds=FRESH_S)).exists()


def forget_old(at: datetime) -> int:
    """Remove the signs of processes gone for a day. Returns how many."""
    return Heartbeat.objects.filter(beaten_at__lt=at - timedelta(days=1)).delete()[0]


_latest: dict[str, datetime] = {}
