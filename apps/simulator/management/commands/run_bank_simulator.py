"""Play the bank: watch the outgoing folder, answer into the incoming one."""

from __future__ import annotations

import argparse
import json
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand

from apps.core.folders import Incoming, put_whole
from apps.payments.public import formats
from apps.simulator.bank import Bank

STATE_FILE = "bank.json"
_log = structlog.get_logger("bezant.simulator")


class Command(BaseCommand):
    """Run the bank simulator until told to stop."""

    help = (
        "Play the operator's bank for the sandbox: take pain.001 files from the outgoing folder, answer "
        "with pain.002 at once and with a camt.053 statement a few seconds later. Needs the state that "
        "load_sandbox left (var/bank/bank.json)."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--statement-after",
            type=float,
            default=5.0,
            metavar="SECONDS",
            help="how long after the latest payment a statement comes (default: 5)",
        )
        parser.add_argument("--poll", type=float, default=0.5, metavar="SECONDS")

    def handle(self, *args: Any, **options: Any) -> None:
        """Watch until SIGTERM or SIGINT."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        teller = Teller(
            outgoing=Path(settings.BANK_OUTGOING_DIR),
            incoming=Path(settings.BANK_INCOMING_DIR),
            state=Path(settings.VAR_DIR) / "bank" / STATE_FILE,
            statement_after_s=options["statement_after"],
        )
        while not stop.is_set():
            teller.look()
            stop.wait(options["poll"])


class Teller:
    """Carries files between the folders and the bank, and keeps the bank's state on disk."""

    def __init__(self, *, outgoing: Path, incoming: Path, state: Path, statement_after_s: float) -> None:
        self.outgoing, self.incoming, self.state = Incoming(outgoing), incoming, state
        self.statement_after_s = statement_after_s
        self.latest_payment = time.monotonic()
        self.bank: Bank | None = None

    def look(self) -> None:
        """Take what lies in the outgoing folder; give a statement when things have been quiet."""
        if not self._awake():
            return
        for path in self.outgoing.files("*.xml"):
            self._take(path)
        if time.monotonic() - self.latest_payment >= self.statement_after_s:
            self._give_statements()

    def _awake(self) -> bool:
        """Read the state once the sandbox has left one."""
        if self.bank is None and self.state.exists():
            self.bank = Bank.from_data(json.loads(self.state.read_text(encoding="utf-8")))
        return self.bank is not None

    def _take(self, path: Path) -> None:
        assert self.bank is not None
        try:
            answer = self.bank.take_payments(path.read_bytes(), at=_now())
        except formats.FormatError as error:
            self.outgoing.refuse(path, reason=error.code)
            _log.warning("payment file refused", file=path.name, reason=error.code)
            return
        self._put(f"{path.stem}.pain.002.xml", answer)
        self._save()
        self.outgoing.keep(path)
        self.latest_payment = time.monotonic()
        _log.info("payment file taken", file=path.name)

    def _give_statements(self) -> None:
        assert self.bank is not None
        for iban in self.bank.accounts:
            if self.bank.has_news(iban):
                at = _now()
                data = self.bank.statement(iban, day=at.date(), at=at)
                self._put(f"{iban}-{at:%Y%m%dT%H%M%S}.camt.053.xml", data)
                self._save()
                _log.info("statement given", account=iban[-4:])

    def _put(self, name: str, data: bytes) -> None:
        put_whole(self.incoming / name, data)

    def _save(self) -> None:
        assert self.bank is not None
        save_bank(self.bank, self.state)


def save_bank(bank: Bank, path: Path) -> None:
    """Write the bank's state so that a reader finds the old or the new one, whole."""
    put_whole(path, json.dumps(bank.to_data()).encode())


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
