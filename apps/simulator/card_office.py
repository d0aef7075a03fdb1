"""The sandbox's card processor at work: answers calls, tells its merchants, pays out to the operator's bank.

What it remembers lies in one file, with where each merchant's events go and the secret they are signed with.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings

from apps.core.folders import put_whole
from apps.simulator.bank import Bank
from apps.simulator.processor import Processor, Told
from apps.simulator.processor_http import Desk, Endpoint, NotAwake, Spoken, deliver
from apps.simulator.sandbox import cast
from apps.simulator.sandbox.logins import write_private

DELIVERIES_MAX = 8
_log = structlog.get_logger("bezant.simulator")


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that is to be delivered, how often that was tried, and when it is tried next."""

    event: Told
    tries: int = 0
    not_before: datetime | None = None


class CardOffice:
    """A processor, its desk, its file, and the events on their way."""

    def __init__(self, state: Path, *, incoming: Path) -> None:
        self.state, self.incoming = state, incoming
        self.desk: Desk | None = None
        self.endpoints: dict[str, dict[str, str]] = {}
        self.waiting: list[Waiting] = []

    def serve(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Spoken | None:
        """Answer a call, or return None when the answer gets lost. Raises NotAwake."""
        if not self._awake():
            raise NotAwake
        assert self.desk is not None
        said = self.desk.serve(method, path, headers, body)
        if method == "POST":
            self._save()
        return said

    def pass_time(self, *, at: datetime) -> None:
        """Do what is due, and collect what is to be told."""
        if not self._awake():
            return
        assert self.desk is not None
        before = len(self.desk.processor.later)
        self.desk.processor.pass_time(at)
        events = self.desk.processor.take_events()
        self.waiting += [Waiting(event) for event in events]
        if events or before != len(self.desk.processor.later):
            self._save()

    def deliver(self, *, at: datetime) -> None:
        """Post what waits. What is not taken is tried again after pauses that double, a few times."""
        left = []
        for one in self.waiting:
            if one.not_before is not None and at < one.not_before:
                left.append(one)
                continue
            endpoint = self._endpoint(one.event.merchant)
            if endpoint is None or deliver(one.event, endpoint, at=at):
                continue
            if one.tries + 1 < DELIVERIES_MAX:
                pause = timedelta(seconds=2 ** (one.tries + 1))
                left.append(replace(one, tries=one.tries + 1, not_before=at + pause))
            else:
                _log.warning("event not delivered", type=one.event.type)
        self.waiting = left

    def pay_out(self, bank: Bank, *, at: datetime) -> bool:
        """Pay out what waits, and put the report into the incoming folder. Returns whether the bank got money."""
        if self.desk is None:
            return False
        paid = False
        for currency, iban in cast.SETTLEMENT_IBANS.items():
            answer = self.desk.processor.pay_out(currency, at=at) if iban in bank.accounts else None
            if answer is None:
                continue
            report, net, name = answer
            put_whole(self.incoming / f"{cast.PROVIDER}.{name}.settlement.csv", report)
            if net.minor > 0:
                bank.receive(
                    iban,
                    net,
                    name="Sandbox Payments Provider",
                    from_iban="DE12500105170648489890",
                    remittance=f"Card payout {name}",
                    end_to_end_id=name,
                )
                paid = True
            self._save()
            _log.info("card payout", payout=name)
        return paid

    def _awake(self) -> bool:
        if self.desk is None and self.state.exists():
            data = json.loads(self.state.read_text(encoding="utf-8"))
            self.endpoints = data["endpoints"]
            processor = Processor.from_data(data["processor"])
            processor.base_url = f"http://127.0.0.1:{settings.BANK_PORT}/card_processor"
            self.desk = Desk(processor, api_key=settings.CARD_PROCESSOR_KEY)
        return self.desk is not None

    def _endpoint(self, merchant: str) -> Endpoint | None:
        known = self.endpoints.get(merchant)
        if known is None:
            return None
        return Endpoint(f"http://127.0.0.1:{os.environ.get('PORT', '8000')}{known['path']}", known["secret"])

    def _save(self) -> None:
        assert self.desk is not None
        save_office(self.state, self.desk.processor, self.endpoints)


def save_office(path: Path, processor: Processor, endpoints: Mapping[str, Any]) -> None:
    """Write the processor's state for its owner alone: it holds the secrets of webhooks."""
    write_private(path, json.dumps({"processor": processor.to_data(), "endpoints": dict(endpoints)}))
