"""The bank formats as this context uses them: readers and dataclasses of the payments context."""

from __future__ import annotations

from apps.payments.public import formats

FormatError = formats.FormatError
OpenedLine = formats.OpenedLine
References = formats.References
Statement = formats.Statement
StatementEntry = formats.StatementEntry
StatementFile = formats.StatementFile
open_entry = formats.open_entry
read_amount = formats.amounts.read_amount
read_statements = formats.read_statements

__all__ = [
    "FormatError",
    "OpenedLine",
    "References",
    "Statement",
    "StatementEntry",
    "StatementFile",
    "open_entry",
    "read_amount",
    "read_statements",
]
