"""Play the bank: watch the outgoing folder, answer into the incoming one."""

from __future__ import annotations

import argparse
import json
import signal
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand

from apps.core.folders import Incoming, put_whole
from apps.payments.public import formats
from apps.simulator.bank import Bank
from apps.simulator.card_office import CardOffice
from apps.simulator.instant import Counter
from apps.simulator.listening import NotAwake, listening
from apps.simulator.processor_http import Spoken
from apps.simulator.sandbox import cast
from apps.simulator.us_bank import DuplicateFile, UsBank

STATE_FILE, US_STATE_FILE, INSTANT_STATE_FILE = "bank.json", "us_bank.json", "instant.json"
CARDS_STATE_FILE = "card_processor.json"
ACH_AT_ONCE = timedelta(days=14)
"""How far ahead the bank's calendar stands when entries are to settle at once: past every return by fault."""
DIRECTORY = {supplier.iban: supplier.name for supplier in cast.SUPPLIERS} | {
    iban: name for name, iban in (*cast.PAYERS, *cast.BRITISH_PAYERS)
}
"""Whose accounts the bank's verification of payees knows."""
_log = structlog.get_logger("bezant.simulator")


class Command(BaseCommand):
    """Run the bank simulator until told to stop."""

    help = (
        "Play the operator's banks for the sandbox: take pain.001, pain.008 and camt.056 files from the "
        "outgoing folder, answer with pain.002 or camt.029 at once, with a camt.053 statement a few seconds "
        "later, and tell what comes back as pacs.004; take NACHA files, and give BAI2 statements, returns and "
        "changes when they are due; take instant payments and verifications of payees by HTTP; and be the card "
        "processor: its API, signed webhooks, settlement reports. Needs the state that load_sandbox left "
        "(var/bank/bank.json, us_bank.json, card_processor.json)."
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
        parser.add_argument(
            "--ach-at-once",
            action="store_true",
            help="let ACH entries settle, and come back, at once instead of on their banking days",
        )
        parser.add_argument(
            "--port",
            type=int,
            default=settings.BANK_PORT,
            metavar="PORT",
            help="where to take instant payments and verify payees, on this machine only (default: "
            "BANK_PORT of the settings; 0: nowhere)",
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
            us_ahead=ACH_AT_ONCE if options["ach_at_once"] else timedelta(),
        )
        with listening(teller, port=options["port"], stop=stop):
            while not stop.is_set():
                teller.look()
                stop.wait(options["poll"])


class Teller:
    """Carries files between the folders and the bank, and keeps the bank's state on disk."""

    def __init__(
        self,
        *,
        outgoing: Path,
        incoming: Path,
        state: Path,
        statement_after_s: float,
        us_ahead: timedelta = timedelta(),
    ) -> None:
        self.outgoing, self.incoming, self.state = Incoming(outgoing), incoming, state
        self.statement_after_s, self.us_ahead = statement_after_s, us_ahead
        self.latest_payment = time.monotonic()
        self.bank: Bank | None = None
        self.us_state = state.with_name(US_STATE_FILE)
        self.us_bank: UsBank | None = None
        self.instant_state = state.with_name(INSTANT_STATE_FILE)
        self.counter: Counter | None = None
        self.cards = CardOffice(state.with_name(CARDS_STATE_FILE), incoming=incoming)
        self.busy = threading.Lock()

    def look(self) -> None:
        """Take what lies in the outgoing folder; give a statement when things have been quiet."""
        with self.busy:
            self._look()
        self.cards.deliver(at=_now())

    def serve_cards(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Spoken | None:
        """Answer for the card processor, or None when the answer gets lost. Raises NotAwake."""
        with self.busy:
            said = self.cards.serve(method, path, headers, body)
            self.latest_payment = time.monotonic()
            return said

    def serve(self, path: str, body: bytes) -> bytes | None:
        """Answer a call, or None for silence. Raises NotAwake, FormatError, ValueError, LookupError."""
        with self.busy:
            if not self._awake():
                raise NotAwake
            counter = self._counter()
            if path == "/payee_verification":
                return counter.verify(body)
            rail = path.strip("/")
            if rail not in counter.banks:
                raise NotAwake
            said = counter.take(rail, body, at=_now())
            self._keep(counter)
            self.latest_payment = time.monotonic()
            return said.body

    def _counter(self) -> Counter:
        """Open the counter of instant payments with what it knows already."""
        assert self.bank is not None
        if self.counter is None:
            self.counter = Counter({"sepa_inst": self.bank}, directory=DIRECTORY)
            if self.instant_state.exists():
                self.counter.remember(json.loads(self.instant_state.read_text(encoding="utf-8")))
        if self.us_bank is not None:
            self.counter.banks["fednow"] = self.us_bank
        return self.counter

    def _keep(self, counter: Counter) -> None:
        self._save()
        if self.us_bank is not None:
            save_bank(self.us_bank, self.us_state)
        save_bank(counter, self.instant_state)

    def _look(self) -> None:
        if not self._awake():
            return
        counter = self._counter()
        if counter.catch_up(at=_now()):
            self._keep(counter)
        for path in self.outgoing.files("*.xml"):
            self._take(path)
        if self.us_bank is not None:
            for path in self.outgoing.files("*.ach"):
                self._take_us(path, self.us_bank)
        self.cards.pass_time(at=_now())
        if time.monotonic() - self.latest_payment >= self.statement_after_s:
            assert self.bank is not None
            if self.cards.pay_out(self.bank, at=_now()):
                self._save()
            self._give_statements()
            if self.us_bank is not None:
                self._answer_us(self.us_bank)

    def _awake(self) -> bool:
        """Read the state once the sandbox has left one."""
        if self.bank is None and self.state.exists():
            self.bank = Bank.from_data(json.loads(self.state.read_text(encoding="utf-8")))
        if self.us_bank is None and self.us_state.exists():
            self.us_bank = UsBank.from_data(json.loads(self.us_state.read_text(encoding="utf-8")))
        return self.bank is not None

    def _take(self, path: Path) -> None:
        assert self.bank is not None
        try:
            answer = self.bank.take(path.read_bytes(), at=_now())
        except formats.FormatError as error:
            self.outgoing.refuse(path, reason=error.code)
            _log.warning("payment file refused", file=path.name, reason=error.code)
            return
        if answer is not None:
            name, data = answer
            self._put(f"{path.stem}.{name}.xml", data)
        self._save()
        self.outgoing.keep(path)
        self.latest_payment = time.monotonic()
        _log.info("payment file taken", file=path.name)

    def _give_statements(self) -> None:
        assert self.bank is not None
        self._give_returns()
        for iban in self.bank.accounts:
            if self.bank.has_news(iban, day=_now().date()):
                at = _now()
                data = self.bank.statement(iban, day=at.date(), at=at)
                self._put(f"{iban}-{at:%Y%m%dT%H%M%S}.camt.053.xml", data)
                self._save()
                _log.info("statement given", account=iban[-4:])

    def _take_us(self, path: Path, bank: UsBank) -> None:
        try:
            bank.take_file(path.read_bytes(), at=_now())
        except (formats.FormatError, DuplicateFile) as error:
            self.outgoing.refuse(path, reason=str(getattr(error, "code", "duplicate_file")))
            _log.warning("ACH file refused", file=path.name)
            return
        save_bank(bank, self.us_state)
        self.outgoing.keep(path)
        self.latest_payment = time.monotonic()
        _log.info("ACH file taken", file=path.name)

    def _answer_us(self, bank: UsBank) -> None:
        """Give the returns and statements that are due now, or will be on a day ahead."""
        at = _now()
        day, until = at.date(), (at + self.us_ahead).date()
        answer = bank.answer(at=at, until=until)
        if answer is not None:
            self._put(f"ach-returns-{at:%Y%m%dT%H%M%S}.ach", answer)
            save_bank(bank, self.us_state)
        for number in bank.accounts:
            if bank.has_news(number, day=until):
                data = bank.statement(number, day=day, at=at, until=until)
                self._put(f"{number}-{at:%Y%m%dT%H%M%S}.bai2", data)
                save_bank(bank, self.us_state)
                _log.info("statement given", account=number[-4:])

    def _give_returns(self) -> None:
        """Tell what has come back, before the statement that shows it."""
        assert self.bank is not None
        at = _now()
        data = self.bank.debits.returns(day=at.date(), at=at)
        if data is not None:
            self._put(f"R{at:%Y%m%dT%H%M%S}.pacs.004.xml", data)
            self._save()
            _log.info("returns told")

    def _put(self, name: str, data: bytes) -> None:
        put_whole(self.incoming / name, data)

    def _save(self) -> None:
        assert self.bank is not None
        save_bank(self.bank, self.state)


def save_bank(bank: Bank | UsBank | Counter, path: Path) -> None:
    """Write the bank's state so that a reader finds the old or the new one, whole."""
    put_whole(path, json.dumps(bank.to_data()).encode())


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
