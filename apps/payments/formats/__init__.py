"""Bank file formats as pure code: read, write and validate, without a database or a framework.

Readers refuse a file whole by raising `FormatError` (code, message, line, place), or give back
frozen dataclasses. Writers are deterministic and check what they wrote against the official schema.
"""

from apps.payments.formats.camt_write import build_statements
from apps.payments.formats.detection import detect
from apps.payments.formats.errors import Finding, FormatError, Report
from apps.payments.formats.pain001 import (
    CreditTransfer,
    CreditTransferBatch,
    CreditTransferGroup,
    build_credit_transfer,
)
from apps.payments.formats.pain001_read import read_credit_transfer
from apps.payments.formats.reading import read_statements
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

__all__ = [
    "Balance",
    "BankCode",
    "Charge",
    "CreditTransfer",
    "CreditTransferBatch",
    "CreditTransferGroup",
    "EntryDetail",
    "Finding",
    "FormatError",
    "GroupStatus",
    "OpenedLine",
    "Proof",
    "References",
    "Report",
    "Statement",
    "StatementEntry",
    "StatementFile",
    "StatusReason",
    "StatusReport",
    "TransactionStatus",
    "build_credit_transfer",
    "build_statements",
    "build_status_report",
    "detect",
    "open_entry",
    "read_credit_transfer",
    "read_statements",
    "read_status_report",
]
