"""The ledger's door: open accounts, post, hold, capture, release, reverse, read, prove.

Everything joins the caller's transaction on the default connection, under its scope. Balances are
locked in the order of account ids, after any row of the caller's own. A refusal carries its numbers
and leaves nothing behind.
"""

from apps.ledger.books import (
    PostedJournal,
    capture_hold,
    close_account,
    close_period,
    exchange,
    exchange_draft,
    freeze_account,
    increase_hold,
    open_account,
    place_hold,
    post,
    post_many,
    release_hold,
    remove_monitor,
    reverse,
    set_limits,
    set_monitor,
    unfreeze_account,
)
from apps.ledger.commands import (
    ClosePeriod,
    FreezeAccount,
    ManualPosting,
    PostManualJournal,
    ReverseJournal,
    SetAccountLimits,
    UnfreezeAccount,
)
from apps.ledger.domain import (
    AccountKind,
    Action,
    CaptureDraft,
    Condition,
    Draft,
    HoldDraft,
    IncreaseDraft,
    JournalDraft,
    Posting,
    ReleaseDraft,
    Result,
    ResultCode,
    ReversalDraft,
)
from apps.ledger.errors import (
    AccountClosed,
    AccountDiffers,
    AccountFrozen,
    AccountNotEmpty,
    CeilingExceeded,
    ConditionFailed,
    HoldClosed,
    HoldExceeded,
    HoldExpired,
    InsufficientFunds,
    KeyConflict,
    LedgerRefusal,
    PeriodClosed,
    ReversalExceeded,
    UnknownAccount,
    UnknownHold,
    UnknownJournal,
    refusal_of,
)
from apps.ledger.proofs import Report, check
from apps.ledger.queries import (
    Balance,
    Entry,
    Hold,
    Journal,
    LedgerAccount,
    Residue,
    TrialBalanceRow,
    account,
    account_by_code,
    accounts_of,
    balance,
    balance_at,
    balances,
    clearing_residues,
    hold,
    journal,
    journals_after,
    journals_by_reference,
    latest_journals,
    open_holds,
    rollup,
    statement,
    trial_balance,
)

__all__ = ["AccountClosed", "AccountDiffers", "AccountFrozen", "AccountKind", "AccountNotEmpty", "Action", "Balance", "CaptureDraft", "CeilingExceeded", "ClosePeriod", "Condition", "ConditionFailed", "Draft", "Entry", "FreezeAccount", "Hold", "HoldClosed", "HoldDraft", "HoldExceeded", "HoldExpired", "IncreaseDraft", "InsufficientFunds", "Journal", "JournalDraft", "KeyConflict", "LedgerAccount", "LedgerRefusal", "ManualPosting", "PeriodClosed", "PostManualJournal", "PostedJournal", "Posting", "ReleaseDraft", "Report", "Residue", "Result", "ResultCode", "ReversalDraft", "ReversalExceeded", "ReverseJournal", "SetAccountLimits", "TrialBalanceRow", "UnfreezeAccount", "UnknownAccount", "UnknownHold", "UnknownJournal", "account", "account_by_code", "accounts_of", "balance", "balance_at", "balances", "capture_hold", "check", "clearing_residues", "close_account", "close_period", "exchange", "exchange_draft", "freeze_account", "hold", "increase_hold", "journal", "journals_after", "journals_by_reference", "latest_journals", "open_account", "open_holds", "place_hold", "post", "post_many", "refusal_of", "release_hold", "remove_monitor", "reverse", "rollup", "set_limits", "set_monitor", "statement", "trial_balance", "unfreeze_account",]  # fmt: skip
