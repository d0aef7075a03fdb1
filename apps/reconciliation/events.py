"""What reconciliation tells the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from apps.core.events import Event, event


@event("reconciliation.statement_imported", version=1)
@dataclass(frozen=True)
class StatementImported(Event):
    """A bank's statement was imported; `proof` says whether it proves its day."""

    OBJECT: ClassVar[tuple[str, str]] = ("statement", "statement_id")

    statement_id: str
    bank_account_id: str
    day: str
    kind: str
    line_count: int
    proof: str


@event("reconciliation.run_finished", version=1)
@dataclass(frozen=True)
class RunFinished(Event):
    """A run over a bank account ended: how many matches it made, how many breaks are open."""

    OBJECT: ClassVar[tuple[str, str]] = ("run", "run_id")

    run_id: str
    bank_account_id: str
    as_of: str
    match_count: int
    break_count: int


@event("reconciliation.match_made", version=1)
@dataclass(frozen=True)
class MatchMade(Event):
    """A person made a match; what it does to payments and books follows."""

    OBJECT: ClassVar[tuple[str, str]] = ("match", "match_id")

    match_id: str
    bank_account_id: str
    method: str


@event("reconciliation.break_resolved", version=1)
@dataclass(frozen=True)
class BreakResolved(Event):
    """A break was resolved by a person."""

    OBJECT: ClassVar[tuple[str, str]] = ("break", "break_id")

    break_id: str
    resolution: str


@event("reconciliation.day_closed", version=1)
@dataclass(frozen=True)
class DayClosed(Event):
    """A day of a bank account was closed; `sha256` is the digest of its evidence."""

    OBJECT: ClassVar[tuple[str, str]] = ("bank_account", "bank_account_id")

    bank_account_id: str
    day: str
    version: int
    sha256: str
