"""Tables: statements as the bank wrote them, what we expected, matches, breaks, closed days."""

from apps.reconciliation.models.breaks import Break, BreakEvent, DayClose, Proposal
from apps.reconciliation.models.matching import (
    Expectation,
    ExpectationVersion,
    Match,
    MatchItem,
    ReconRun,
)
from apps.reconciliation.models.statements import BankAccount, Statement, StatementFile, StatementLine

__all__ = [
    "BankAccount",
    "Break",
    "BreakEvent",
    "DayClose",
    "Expectation",
    "ExpectationVersion",
    "Match",
    "MatchItem",
    "Proposal",
    "ReconRun",
    "Statement",
    "StatementFile",
    "StatementLine",
]
