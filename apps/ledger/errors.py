"""The ledger's refusals, one for each result code. Each carries the numbers that explain it."""

from __future__ import annotations

from apps.core.errors import Conflict, IdempotencyConflict, NotFound, Refusal
from apps.ledger.domain import Result, ResultCode


class LedgerRefusal(Refusal):
    code = "ledger_refused"
    title = "The ledger refused the journal."


class KeyConflict(LedgerRefusal, IdempotencyConflict):
    code = "key_conflict"
    title = "This ledger key was used before for another journal."


class KeyArchived(LedgerRefusal, Conflict):
    code = "key_archived"
    title = "This ledger key belongs to a journal that has been archived."


class LinkedFailed(LedgerRefusal):
    code = "linked_failed"
    title = "Another journal of the same linked group was refused."


class BatchTooLarge(LedgerRefusal):
    code = "batch_too_large"
    title = "The batch has too many journals or postings."


class NotAllowed(LedgerRefusal):
    code = "not_allowed"
    status = 403
    title = "The journal belongs to an organisation outside the scope."


class BadJournal(LedgerRefusal):
    code = "bad_journal"
    title = "The journal's postings do not fit what it is to do."


class MetadataTooLarge(LedgerRefusal):
    code = "metadata_too_large"
    title = "The metadata is larger than 16 kB."


class AmountNotPositive(LedgerRefusal):
    code = "bad_amount"
    title = "An amount must be greater than zero."


class AmountOutOfRange(LedgerRefusal):
    code = "amount_out_of_range"
    title = "The amount, or the balance it leads to, is beyond the ledger's range."


class SameAccount(LedgerRefusal):
    code = "same_account"
    title = "Debit and credit are the same account."


class UnknownAccount(LedgerRefusal, NotFound):
    code = "unknown_account"
    title = "There is no such ledger account."


class AccountClosed(LedgerRefusal, Conflict):
    code = "account_closed"
    title = "The ledger account is closed."


class AccountFrozen(LedgerRefusal, Conflict):
    code = "account_frozen"
    title = "The ledger account is frozen."


class AccountCurrencyMismatch(LedgerRefusal):
    code = "currency_mismatch"
    title = "The accounts and the amount are not in one currency."


class PeriodClosed(LedgerRefusal, Conflict):
    code = "period_closed"
    title = "The effective date lies in a closed period."


class InsufficientFunds(LedgerRefusal):
    code = "insufficient_funds"
    title = "The available balance is too small."


class CeilingExceeded(LedgerRefusal):
    code = "ceiling_exceeded"
    title = "The balance would exceed the account's ceiling."


class ConditionFailed(LedgerRefusal, Conflict):
    code = "condition_failed"
    title = "A condition on the account's version or balance does not hold."


class UnknownHold(LedgerRefusal, NotFound):
    code = "unknown_hold"
    title = "There is no such hold."


class HoldClosed(LedgerRefusal, Conflict):
    code = "hold_closed"
    title = "Nothing of the hold is left."


class HoldExpired(LedgerRefusal, Conflict):
    code = "hold_expired"
    title = "The hold has expired."


class HoldExceeded(LedgerRefusal):
    code = "hold_exceeded"
    title = "The amount is more than what is left of the hold."


class HoldNotExpired(LedgerRefusal, Conflict):
    code = "hold_not_expired"
    title = "The hold has not expired yet."


class UnknownJournal(LedgerRefusal, NotFound):
    code = "unknown_journal"
    title = "There is no such journal."


class ReversalExceeded(LedgerRefusal, Conflict):
    code = "reversal_exceeded"
    title = "The journal, or this much of it, has been reversed before."


class NotReversible(LedgerRefusal, Conflict):
    code = "not_reversible"
    title = "A reversal cannot be reversed; post a new journal instead."


class AccountDiffers(LedgerRefusal, Conflict):
    code = "account_differs"
    title = "An account with this code exists and is another kind of account."


class AccountNotEmpty(LedgerRefusal, Conflict):
    code = "account_not_empty"
    title = "Only an account without balance and holds can be closed."


class MomentArchived(LedgerRefusal, Conflict):
    code = "moment_archived"
    title = "The moment lies in an archived part of the log; ask the archive."


REFUSALS: dict[ResultCode, type[LedgerRefusal]] = {
    ResultCode.KEY_CONFLICT: KeyConflict,
    ResultCode.KEY_ARCHIVED: KeyArchived,
    ResultCode.LINKED_FAILED: LinkedFailed,
    ResultCode.BATCH_TOO_LARGE: BatchTooLarge,
    ResultCode.NOT_ALLOWED: NotAllowed,
    ResultCode.BAD_JOURNAL: BadJournal,
    ResultCode.METADATA_TOO_LARGE: MetadataTooLarge,
    ResultCode.BAD_AMOUNT: AmountNotPositive,
    ResultCode.AMOUNT_OUT_OF_RANGE: AmountOutOfRange,
    ResultCode.SAME_ACCOUNT: SameAccount,
    ResultCode.UNKNOWN_ACCOUNT: UnknownAccount,
    ResultCode.ACCOUNT_CLOSED: AccountClosed,
    ResultCode.ACCOUNT_FROZEN: AccountFrozen,
    ResultCode.CURRENCY_MISMATCH: AccountCurrencyMismatch,
    ResultCode.PERIOD_CLOSED: PeriodClosed,
    ResultCode.INSUFFICIENT_FUNDS: InsufficientFunds,
    ResultCode.CEILING_EXCEEDED: CeilingExceeded,
    ResultCode.CONDITION_FAILED: ConditionFailed,
    ResultCode.UNKNOWN_HOLD: UnknownHold,
    ResultCode.HOLD_CLOSED: HoldClosed,
    ResultCode.HOLD_EXPIRED: HoldExpired,
    ResultCode.HOLD_EXCEEDED: HoldExceeded,
    ResultCode.HOLD_NOT_EXPIRED: HoldNotExpired,
    ResultCode.UNKNOWN_JOURNAL: UnknownJournal,
    ResultCode.REVERSAL_EXCEEDED: ReversalExceeded,
    ResultCode.NOT_REVERSIBLE: NotReversible,
}


def refusal_of(result: Result) -> LedgerRefusal:
    """Return the refusal that a failed result stands for, with its numbers."""
    return REFUSALS[result.code](**result.facts)
