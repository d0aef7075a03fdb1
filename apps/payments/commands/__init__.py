"""Everything that can be asked of payments. One module a use case."""

from apps.payments.commands.accounts import AddSettlementAccount, SetPayoutPolicy
from apps.payments.commands.ach import ResumeCounterparty, SetAchProfile
from apps.payments.commands.ach_debits import (
    AuthoriseAchDebit,
    CollectByAch,
    RetryCollection,
    SetAchCollectionPolicy,
    UsDebtor,
)
from apps.payments.commands.ach_returns import ApplyAchReturns, CloseReturnDispute
from apps.payments.commands.ach_reversals import ReverseBatch, ReversePayment
from apps.payments.commands.approval import ApprovePayment, CancelPayment, DeclinePayment
from apps.payments.commands.batches import CloseBatch, MarkBatchSent, RecordRebuiltBatch
from apps.payments.commands.bulk import BulkPayout, CreateBulkOrder
from apps.payments.commands.bulk_decisions import (
    ApproveBulkOrder,
    CancelBulkOrder,
    ConfirmBulkOrder,
    DeclineBulkOrder,
)
from apps.payments.commands.calendars import ChangeBankCalendar
from apps.payments.commands.card_disputes import AcceptDispute, ContestDispute
from apps.payments.commands.card_orders import (
    CaptureCardPayment,
    CreateCardPayment,
    ExpireIntents,
    ResolveCardReview,
    RetryCardPayment,
)
from apps.payments.commands.card_settlement import BookCardPayout, ReleaseReserves, SettleCards, SettledCard
from apps.payments.commands.card_setup import AddCardProcessor, SetFeeRule
from apps.payments.commands.card_words import ApplyCardOutcome, ApplyDisputeAnswer, MarkCardSent
from apps.payments.commands.collections import (
    CancelCollection,
    CreateCollection,
    FinaliseCollection,
    PrenotifyCollection,
)
from apps.payments.commands.expiry import ExpireWaiting
from apps.payments.commands.fx import LoadFxRates, QuoteExchange, SetFxTerms
from apps.payments.commands.instant import (
    ApplyInstantStatus,
    NoteNotSent,
    NoteSilence,
    PlanInquiry,
    ResolveReview,
    SendInstant,
    TakeOtherRail,
)
from apps.payments.commands.mandates import (
    AmendMandate,
    CancelMandate,
    CreateMandate,
    ExpireMandate,
    ResumeMandate,
    SetCollectionPolicy,
    SignMandate,
    SuspendMandate,
)
from apps.payments.commands.payees import AnswerPayeeVerification, RequestPayeeVerification
from apps.payments.commands.payins import ApplyProviderEvent, BookPayin
from apps.payments.commands.payouts import CreatePayout
from apps.payments.commands.providers import NoteCall
from apps.payments.commands.recalls import ApplyRecallAnswers, MarkRecallSent, RecallPayment
from apps.payments.commands.refunds import CreateRefund
from apps.payments.commands.returns import ApplyReturns, ReturnLine
from apps.payments.commands.settlement import BookBankCharge, BookToSuspense, ReturnPayment, SettlePayment
from apps.payments.commands.standing import (
    ApproveStandingOrder,
    CancelStandingOrder,
    CreateStandingOrder,
    DeclineStandingOrder,
    PauseStandingOrder,
    ResumeStandingOrder,
    RunStandingOrder,
)
from apps.payments.commands.status import ApplyStatusReport, StatusLine
from apps.payments.commands.transfers import CreateTransfer
from apps.payments.commands.withholding import LetGoWithheld

__all__ = [
    "AcceptDispute",
    "AddCardProcessor",
    "AddSettlementAccount",
    "AmendMandate",
    "AnswerPayeeVerification",
    "ApplyAchReturns",
    "ApplyCardOutcome",
    "ApplyDisputeAnswer",
    "ApplyInstantStatus",
    "ApplyProviderEvent",
    "ApplyRecallAnswers",
    "ApplyReturns",
    "ApplyStatusReport",
    "ApproveBulkOrder",
    "ApprovePayment",
    "ApproveStandingOrder",
    "AuthoriseAchDebit",
    "BookBankCharge",
    "BookCardPayout",
    "BookPayin",
    "BookToSuspense",
    "BulkPayout",
    "CancelBulkOrder",
    "CancelCollection",
    "CancelMandate",
    "CancelPayment",
    "CancelStandingOrder",
    "CaptureCardPayment",
    "ChangeBankCalendar",
    "CloseBatch",
    "CloseReturnDispute",
    "CollectByAch",
    "ConfirmBulkOrder",
    "ContestDispute",
    "CreateBulkOrder",
    "CreateCardPayment",
    "CreateCollection",
    "CreateMandate",
    "CreatePayout",
    "CreateRefund",
    "CreateStandingOrder",
    "CreateTransfer",
    "DeclineBulkOrder",
    "DeclinePayment",
    "DeclineStandingOrder",
    "ExpireIntents",
    "ExpireMandate",
    "ExpireWaiting",
    "FinaliseCollection",
    "LetGoWithheld",
    "LoadFxRates",
    "MarkBatchSent",
    "MarkCardSent",
    "MarkRecallSent",
    "NoteCall",
    "NoteNotSent",
    "NoteSilence",
    "PauseStandingOrder",
    "PlanInquiry",
    "PrenotifyCollection",
    "QuoteExchange",
    "RecallPayment",
    "RecordRebuiltBatch",
    "ReleaseReserves",
    "RequestPayeeVerification",
    "ResolveCardReview",
    "ResolveReview",
    "ResumeCounterparty",
    "ResumeMandate",
    "ResumeStandingOrder",
    "RetryCardPayment",
    "RetryCollection",
    "ReturnLine",
    "ReturnPayment",
    "ReverseBatch",
    "ReversePayment",
    "RunStandingOrder",
    "SendInstant",
    "SetAchCollectionPolicy",
    "SetAchProfile",
    "SetCollectionPolicy",
    "SetFeeRule",
    "SetFxTerms",
    "SetPayoutPolicy",
    "SettleCards",
    "SettlePayment",
    "SettledCard",
    "SignMandate",
    "StatusLine",
    "SuspendMandate",
    "TakeOtherRail",
    "UsDebtor",
]
