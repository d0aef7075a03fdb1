"""Everything that can be asked of reconciliation. One module a use case."""

from apps.reconciliation.commands.bank_accounts import AddBankAccount
from apps.reconciliation.commands.bulk import ResolveBreaks, ResolveBreaksWithWriteOffs
from apps.reconciliation.commands.card_payouts import ExpectCardPayouts
from apps.reconciliation.commands.closing import CloseDay
from apps.reconciliation.commands.effects import ApplyMatch, RecordRefusedEffect
from apps.reconciliation.commands.expectations import ExpectPayments
from apps.reconciliation.commands.imports import ImportStatement
from apps.reconciliation.commands.reconcile import Reconcile
from apps.reconciliation.commands.resolutions import (
    AcceptWithinTolerance,
    AssignBreak,
    BookBreakAsCharge,
    BookBreakToSuspense,
    ForceMatch,
    MatchByHand,
    NoteBreak,
    ReopenBreak,
    UndoMatch,
    WriteOffBreak,
)
from apps.reconciliation.commands.settlements import ImportSettlement

__all__ = [
    "AcceptWithinTolerance",
    "AddBankAccount",
    "ApplyMatch",
    "AssignBreak",
    "BookBreakAsCharge",
    "BookBreakToSuspense",
    "CloseDay",
    "ExpectCardPayouts",
    "ExpectPayments",
    "ForceMatch",
    "ImportSettlement",
    "ImportStatement",
    "MatchByHand",
    "NoteBreak",
    "Reconcile",
    "RecordRefusedEffect",
    "ReopenBreak",
    "ResolveBreaks",
    "ResolveBreaksWithWriteOffs",
    "UndoMatch",
    "WriteOffBreak",
]
