"""What the ACH makes payments tell the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from apps.core.events import Event, event


@event("payments.counterparty_changed", version=1)
@dataclass(frozen=True)
class CounterpartyChanged(Event):
    """A bank has corrected an account; entries from now on use the new counterparty."""

    OBJECT: ClassVar[tuple[str, str]] = ("counterparty", "counterparty_id")

    counterparty_id: str
    new_counterparty_id: str
    code: str
    what: str


@event("payments.counterparty_stopped", version=1)
@dataclass(frozen=True)
class CounterpartyStoppedFact(Event):
    """A return said that nothing can be paid to an account, or taken from it, any more."""

    OBJECT: ClassVar[tuple[str, str]] = ("counterparty", "counterparty_id")

    counterparty_id: str
    payment_id: str
    code: str


@event("payments.return_disputed", version=1)
@dataclass(frozen=True)
class ReturnDisputed(Event):
    """Banks argue about the return of a payment; a person should look."""

    OBJECT: ClassVar[tuple[str, str]] = ("return_dispute", "dispute_id")

    dispute_id: str
    payment_id: str
    dishonour_code: str
    contest_code: str
    state: str
    previous_state: str


@event("payments.prenote_changed", version=1)
@dataclass(frozen=True)
class PrenoteChanged(Event):
    """A prenote was ordered, sent, or came back; money may follow it from a day on."""

    OBJECT: ClassVar[tuple[str, str]] = ("prenote", "prenote_id")

    prenote_id: str
    mandate_id: str
    state: str
    previous_state: str
    clear_on: str = ""
