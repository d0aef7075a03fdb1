"""The ledger's own process."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from apps.ledger.process import run_ledger


class Command(BaseCommand):
    """Follow the log until stopped: read models, seals, expiry of holds, partitions."""

    help = "Follow the ledger's log: read models and monitors, seals, expired holds, partitions made ahead."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        run_ledger(stop)
