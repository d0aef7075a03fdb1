"""Hand committed events to their consumers, until told to stop."""

from __future__ import annotations

import argparse
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from apps.core import relay


class Command(BaseCommand):
    """Run the outbox relay."""

    help = "Hand committed events to their consumers (a process of its own). --once: what is there now, then end."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--once", action="store_true", help="relay what waits and end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Relay until SIGTERM or SIGINT."""
        if options["once"]:
            self.stdout.write(f"{relay.drain()} events handed over")
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        relay.run_relay(stop)
