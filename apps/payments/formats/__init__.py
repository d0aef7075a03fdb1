"""Bank file formats as pure code: read, write and validate, without a database or a framework.

Readers refuse a file whole by raising `FormatError` (code, message, line, place), or give back
frozen dataclasses. Writers are deterministic and check what they wrote against the official schema.
"""

from apps.payments.formats import nacha
from apps.payments.formats.bai2_write import build_bai2
from apps.payments.formats.camt import stream_camt
from apps.payments.formats.camt_write import build_statements
from apps.payments.formats.detection import detect
from apps.payments.formats.epc import Address, SepaProfile, creditor_reference, is_creditor_reference, is_iban
from apps.payments.formats.errors import Finding, FormatError, Report
from apps.payments.formats.head import ApplicationHeader, read_header, wrap
from apps.payments.formats.interbank import Agent, OriginalPayment, PaymentType, Settlement
from apps.payments.formats.investigations import (
    Recall,
    RecallAnswer,
    RecallAnswerMessage,
    RecallMessage,
    build_recall,
    build_recall_answer,
    read_recall,
    read_recall_answer,
)
from apps.payments.formats.mandates import MandateReference
from apps.payments.formats.messages import read_message
from apps.payments.formats.pacs003 import (
    DebitMessage,
    InterbankDebit,
    build_interbank_debit,
    read_interbank_debit,
)
from apps.payments.formats.pacs004 import (
    PaymentReturn,
    ReturnMessage,
    build_payment_return,
    read_payment_return,
)
from apps.payments.formats.pacs008 import (
    InterbankTransfer,
    TransferMessage,
    build_interbank_transfer,
    read_interbank_transfer,
)
from apps.payments.formats.pacs028 import Inquiry, InquiryMessage, build_status_inquiry, read_status_inquiry
from apps.payments.formats.pages import join_pages
from apps.payments.formats.pain001 import (
    CreditTransfer,
    CreditTransferBatch,
    CreditTransferGroup,
    build_credit_transfer,
)
from apps.payments.formats.pain001_read import read_credit_transfer
from apps.payments.formats.pain008 import (
    DirectDebit,
    DirectDebitBatch,
    DirectDebitGroup,
    build_direct_debit,
    read_direct_debit,
)
from apps.payments.formats.pain013 import PaymentRequest, PaymentRequestMessage, read_payment_request
from apps.payments.formats.reading import read_statements
from apps.payments.formats.settlement import (
    MAPPINGS,
    SettlementLine,
    SettlementMapping,
    SettlementReport,
    read_settlement,
)
from apps.payments.formats.statements import (
    Balance,
    BankCode,
    Charge,
    EntryDetail,
    OpenedLine,
    Proof,
    References,
    Statement,
    StatementEntry,
    StatementFile,
    open_entry,
)
from apps.payments.formats.status import GroupStatus, StatusReason, StatusReport, TransactionStatus
from apps.payments.formats.status_read import read_status_report
from apps.payments.formats.status_write import build_status_report
from apps.payments.formats.validation import validate

__all__ = [
    "MAPPINGS",
    "Address",
    "Agent",
    "ApplicationHeader",
    "Balance",
    "BankCode",
    "Charge",
    "CreditTransfer",
    "CreditTransferBatch",
    "CreditTransferGroup",
    "DebitMessage",
    "DirectDebit",
    "DirectDebitBatch",
    "DirectDebitGroup",
    "EntryDetail",
    "Finding",
    "FormatError",
    "GroupStatus",
    "Inquiry",
    "InquiryMessage",
    "InterbankDebit",
    "InterbankTransfer",
    "MandateReference",
    "OpenedLine",
    "OriginalPayment",
    "PaymentRequest",
    "PaymentRequestMessage",
    "PaymentReturn",
    "PaymentType",
    "Proof",
    "Recall",
    "RecallAnswer",
    "RecallAnswerMessage",
    "RecallMessage",
    "References",
    "Report",
    "ReturnMessage",
    "SepaProfile",
    "Settlement",
    "SettlementLine",
    "SettlementMapping",
    "SettlementReport",
    "Statement",
    "StatementEntry",
    "StatementFile",
    "StatusReason",
    "StatusReport",
    "TransactionStatus",
    "TransferMessage",
    "build_bai2",
    "build_credit_transfer",
    "build_direct_debit",
    "build_interbank_debit",
    "build_interbank_transfer",
    "build_payment_return",
    "build_recall",
    "build_recall_answer",
    "build_statements",
    "build_status_inquiry",
    "build_status_report",
    "creditor_reference",
    "detect",
    "is_creditor_reference",
    "is_iban",
    "join_pages",
    "nacha",
    "open_entry",
    "read_credit_transfer",
    "read_direct_debit",
    "read_header",
    "read_interbank_debit",
    "read_interbank_transfer",
    "read_message",
    "read_payment_request",
    "read_payment_return",
    "read_recall",
    "read_recall_answer",
    "read_settlement",
    "read_statements",
    "read_status_inquiry",
    "read_status_report",
    "stream_camt",
    "validate",
    "wrap",
]
