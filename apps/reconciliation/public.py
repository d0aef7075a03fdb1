"""The door of reconciliation: statements in, runs, breaks, closed days."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from apps.accounts import public as accounts
from apps.core import tenancy
from apps.core.actors import Actor
from apps.core.commands import execute
from apps.reconciliation import queries, workbench
from apps.reconciliation.bank_formats import read_statements
from apps.reconciliation.bulk import EXPORT_COLUMNS, export_breaks, preview_rows
from apps.reconciliation.commands import (
    AcceptWithinTolerance,
    AddBankAccount,
    ApplyMatch,
    AssignBreak,
    BookBreakAsCharge,
    BookBreakToSuspense,
    CloseDay,
    ForceMatch,
    ImportStatement,
    MatchByHand,
    NoteBreak,
    Reconcile,
    ReopenBreak,
    ResolveBreaks,
    UndoMatch,
    WriteOffBreak,
)
from apps.reconciliation.commands.bulk import bulk_command
from apps.reconciliation.commands.resolutions import TOLERANCE_MINOR_MAX
from apps.reconciliation.domain.breaks import age_bucket
from apps.reconciliation.domain.bulk import ACTIONS as BULK_ACTIONS
from apps.reconciliation.domain.bulk import BYTES_MAX as BULK_BYTES_MAX
from apps.reconciliation.domain.bulk import ROWS_MAX as BULK_ROWS_MAX
from apps.reconciliation.domain.bulk import BadBulk, read_bulk
from apps.reconciliation.domain.evidence import report_html
from apps.reconciliation.domain.evidence_pdf import report_pdf
from apps.reconciliation.importing.accounts import account_of
from apps.reconciliation.importing.files import import_file
from apps.reconciliation.models import (
    BankAccount,
    Break,
    BreakEvent,
    DayClose,
    Expectation,
    Match,
    MatchItem,
    Proposal,
    ReconRun,
    Statement,
    StatementLine,
)
from apps.reconciliation.running import reconcile_accounts

__all__ = [
    "BULK_ACTIONS",
    "BULK_BYTES_MAX",
    "BULK_ROWS_MAX",
    "EXPORT_COLUMNS",
    "TOLERANCE_MINOR_MAX",
    "AcceptWithinTolerance",
    "AddBankAccount",
    "ApplyMatch",
    "AssignBreak",
    "BadBulk",
    "BankAccount",
    "BookBreakAsCharge",
    "BookBreakToSuspense",
    "Break",
    "BreakEvent",
    "CloseDay",
    "DayClose",
    "Expectation",
    "ForceMatch",
    "ImportStatement",
    "Match",
    "MatchByHand",
    "MatchItem",
    "NoteBreak",
    "Proposal",
    "ReconRun",
    "Reconcile",
    "ReopenBreak",
    "ResolveBreaks",
    "Statement",
    "StatementLine",
    "UndoMatch",
    "WriteOffBreak",
    "age_bucket",
    "bulk_command",
    "export_breaks",
    "import_file",
    "import_statement",
    "observe_accounts",
    "preview_rows",
    "queries",
    "read_bulk",
    "reconcile",
    "reconcile_accounts",
    "report_html",
    "report_pdf",
    "workbench",
]


def import_statement(
    data: bytes,
    *,
    file_name: str,
    actor: Actor,
    at: datetime,
    organisation_id: UUID | None = None,
    lenient: bool = False,
) -> dict[str, Any]:
    """Import the bytes of a statement file for an organisation, the operator unless one is given.

    Raises FormatError, UnknownBankAccount, DuplicateStatement, FutureDate.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / (Path(file_name).name or "statement")
        path.write_bytes(data)
        return import_file(
            path, organisation_id=organisation_id or _operator_id(), at=at, actor=actor, lenient=lenient
        )


def observe_accounts(data: bytes, *, actor: Actor, at: datetime, lenient: bool = False) -> int:
    """Follow every account that a statement file is of, without mirroring it in the books.

    Returns how many were added. Raises FormatError.
    """
    organisation_id, added = _operator_id(), 0
    for statement in read_statements(data, lenient=lenient).statements:
        with tenancy.scope(organisation_id):
            known = account_of(organisation_id, statement)
        if known is None:
            command = AddBankAccount(organisation_id, number=statement.account, currency=statement.currency)
            execute(command, actor=actor, key=None, at=at)
            added += 1
    return added


def reconcile(*, as_of: date, actor: Actor, at: datetime) -> list[dict[str, Any]]:
    """Reconcile every settlement account as of a day; see `reconcile_accounts`."""
    return reconcile_accounts(as_of=as_of, actor=actor, at=at)


def _operator_id() -> UUID:
    with tenancy.scope(tenancy.PLATFORM):
        return accounts.operator().id
