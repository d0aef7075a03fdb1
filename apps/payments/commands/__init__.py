"""Everything that can be asked of payments. One module a use case."""

from apps.payments.commands.accounts import AddSettlementAccount, SetPayoutPolicy
from apps.payments.commands.ach import ResumeCounterparty, SetAchProfile
from apps.payments.commands.approval import ApprovePayment, CancelPayment, DeclinePayment
from apps.payments.commands.batches import CloseBatch, MarkBatchSent, RecordRebuiltBatch
from apps.payments.commands.payins import ApplyProviderEvent, BookPayin
from apps.payments.commands.payouts import CreatePayout
from apps.payments.commands.refunds import CreateRefund
from apps.payments.commands.settlement import BookBankCharge, BookToSuspense, ReturnPayment, SettlePayment
from apps.payments.commands.status import ApplyStatusReport, StatusLine
from apps.payments.commands.transfers import CreateTransfer

__all__ = [
    "AddSettlementAccount",
    "ApplyProviderEvent",
    "ApplyStatusReport",
    "ApprovePayment",
    "BookBankCharge",
    "BookPayin",
    "BookToSuspense",
    "CancelPayment",
    "CloseBatch",
    "CreatePayout",
    "CreateRefund",
    "CreateTransfer",
    "DeclinePayment",
    "MarkBatchSent",
    "RecordRebuiltBatch",
    "ResumeCounterparty",
    "ReturnPayment",
    "SetAchProfile",
    "SetPayoutPolicy",
    "SettlePayment",
    "StatusLine",
]
