"""What every rail can do, as pure code: no database, no network, no clock.

A rail says what it can carry and when it settles, writes what goes to the bank and reads what comes
back. How bytes travel (folders for files, HTTP for instant payments and cards) is not its matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Protocol

from apps.core.money import Money
from apps.payments.domain.calendars import Calendar, CutOff
from apps.payments.formats import Finding


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a rail can carry, under the profile of one bank."""

    rail: str
    currencies: frozenset[str]
    amount_max_minor: int
    calendar: str  # the name of a calendar, such as TARGET, FED or ALWAYS
    instant: bool = False
    files: bool = False
    collects: bool = False  # it can pull money too
    cut_offs: tuple[CutOff, ...] = ()
    cost_minor: int = 0  # what the bank charges a payment


@dataclass(frozen=True, slots=True)
class Party:
    """Who is at one end: a name, and an account as the rail names it.

    `account` is an IBAN or an account number, `bank` a BIC or a routing number.
    """

    name: str
    account: str
    bank: str = ""
    town: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One payment as a rail sees it. `options` are the rail's own, such as an SEC code or a mandate."""

    reference: str  # ours, unique: the end-to-end id
    amount: Money
    debtor: Party
    creditor: Party
    remittance: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dates:
    """When an order must be in, when the bank executes it, when it settles, when it is final.

    `final_on` is None where a payment is final when it settles.
    """

    submit_by: datetime | None
    execution: date
    settlement: date
    final_on: date | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message or file of payments to build: whose account, when, and what goes with it."""

    message_id: str
    created_at: datetime
    execution_date: date
    ours: Party
    instructions: tuple[Instruction, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Built:
    """Bytes for the bank, always the same for the same input, and how it will name each payment."""

    data: bytes
    suffix: str  # of the file's name
    references: Mapping[str, str]  # our reference -> the entry's own


class Told(StrEnum):
    """What a message from outside can tell of a payment."""

    ACCEPTED = "accepted"
    PENDING = "pending"
    SETTLED = "settled"
    REJECTED = "rejected"
    RETURNED = "returned"
    CHANGED = "changed"  # a notification of change: the account's details are others
    RECALLED = "recalled"
    RECALL_ANSWERED = "recall_answered"


@dataclass(frozen=True, slots=True)
class InboundEvent:
    """One thing that a message from outside tells of one of our payments."""

    told: Told
    reference: str  # ours, or the entry's own
    message_id: str
    code: str = ""  # as the rail gives it
    amount: Money | None = None
    original_message_id: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


class Action(StrEnum):
    """What to do about a code that a rail gave."""

    NOTHING = "nothing"
    RETRY = "retry"  # the same again, later
    OTHER_RAIL = "other_rail"  # this way does not lead there
    FIX = "fix"  # the order is wrong: its owner must change it
    STOP = "stop"  # never again to this account or under this mandate
    INQUIRE = "inquire"  # nothing is known yet: ask


@dataclass(frozen=True, slots=True)
class Classified:
    """A rail's code in words that are the same on every rail, and what to do about it."""

    code: str  # normalised: insufficient_funds, account_closed, …
    action: Action
    retry_after_s: int | None = None


class Rail(Protocol):
    """The protocol of a rail adapter. All of it is deterministic."""

    name: str

    def capabilities(self) -> Capabilities:
        """Return what the rail can carry."""
        ...

    def validate(self, instruction: Instruction) -> list[Finding]:
        """Return what is wrong with an instruction for this rail; nothing if it can go."""
        ...

    def quote_dates(self, instruction: Instruction, now: datetime, calendar: Calendar) -> Dates:
        """Return when a payment ordered now would go, settle and be final."""
        ...

    def build(self, outgoing: Outgoing) -> Built:
        """Write the message or file. Raises FormatError for what cannot be written."""
        ...

    def parse_inbound(self, data: bytes) -> list[InboundEvent]:
        """Read what the bank sent. Raises FormatError for what is not of this rail or damaged."""
        ...

    def inquire(self, reference: str, original: Outgoing, *, message_id: str, at: datetime) -> bytes | None:
        """Write the question what became of a payment, or None where the rail knows none."""
        ...

    def classify(self, code: str) -> Classified:
        """Say what a code means and what to do about it."""
        ...
