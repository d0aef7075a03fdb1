"""The door of payments for the layers above: commands, queries, formats."""

from apps.payments import formats
from apps.payments.commands import (
    AddSettlementAccount,
    ApplyProviderEvent,
    ApplyStatusReport,
    ApprovePayment,
    BookBankCharge,
    BookPayin,
    BookToSuspense,
    CancelPayment,
    CloseBatch,
    CreatePayout,
    CreateRefund,
    CreateTransfer,
    DeclinePayment,
    MarkBatchSent,
    ReturnPayment,
    SetPayoutPolicy,
    SettlePayment,
    StatusLine,
)
from apps.payments.commands.payins import PAYIN_SUCCEEDED, Debtor
from apps.payments.commands.payouts import Creditor
from apps.payments.domain.lifecycle import Kind, State
from apps.payments.exports import export_batches
from apps.payments.models import Batch, Counterparty, Payment, PaymentEvent, SettlementAccount, StatusFile
from apps.payments.queries import (
    batches,
    count_by_state,
    counterparty_of,
    events_of,
    legal_events,
    money_moved,
    payment,
    payments,
    settlement_accounts,
    story_of,
    verify,
    verify_lives,
)
from apps.payments.representation import payment_data
from apps.payments.routing import SettlementRoute
from apps.payments.status_files import import_status_file

__all__ = [
    "PAYIN_SUCCEEDED",
    "AddSettlementAccount",
    "ApplyProviderEvent",
    "ApplyStatusReport",
    "ApprovePayment",
    "Batch",
    "BookBankCharge",
    "BookPayin",
    "BookToSuspense",
    "CancelPayment",
    "CloseBatch",
    "Counterparty",
    "CreatePayout",
    "CreateRefund",
    "CreateTransfer",
    "Creditor",
    "Debtor",
    "DeclinePayment",
    "Kind",
    "MarkBatchSent",
    "Payment",
    "PaymentEvent",
    "ReturnPayment",
    "SetPayoutPolicy",
    "SettlePayment",
    "SettlementAccount",
    "SettlementRoute",
    "State",
    "StatusFile",
    "StatusLine",
    "batches",
    "count_by_state",
    "counterparty_of",
    "events_of",
    "export_batches",
    "formats",
    "import_status_file",
    "legal_events",
    "money_moved",
    "payment",
    "payment_data",
    "payments",
    "settlement_accounts",
    "story_of",
    "verify",
    "verify_lives",
]
