"""The bank formats as this context uses them: readers and dataclasses of the payments context."""

from __future__ import annotations

from apps.payments.formats import (
    FormatError,
    OpenedLine,
    References,
    Statement,
    StatementEntry,
    StatementFile,
    open_entry,
    read_statements,
)

__all__ = [
    "FormatError",
    "OpenedLine",
    "References",
    "Statement",
    "StatementEntry",
    "StatementFile",
    "open_entry",
    "read_statements",
]
