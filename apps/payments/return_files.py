"""Files by which banks send payments back, or say what became of them: one reader to a format.

A reader turns a file's bytes into the command that applies it. Another rail adds its own with `reads`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

from apps.core.actors import Actor
from apps.core.commands import Command, execute
from apps.payments.ach_changes import ChangeLine
from apps.payments.commands.ach_returns import AchReturnLine, ApplyAchReturns, FileFinding
from apps.payments.commands.recalls import ApplyRecallAnswers, RecallAnswerLine
from apps.payments.commands.returns import LINES_MAX, ApplyReturns, ReturnLine
from apps.payments.formats import (
    FormatError,
    StatementEntry,
    detect,
    read_payment_return,
    read_recall_answer,
    read_statements,
    read_status_report,
)
from apps.payments.rails import adapter
from apps.payments.rails.ach import Ach
from apps.payments.rails.base import Told
from apps.payments.status_files import as_command

Reader = Callable[[bytes, str, str], Command]
READERS: dict[str, Reader] = {}
"""By the beginning of the format's name; the bytes, their digest and the file's name make the command."""


def reads(prefix: str) -> Callable[[Reader], Reader]:
    """Register the function below as the reader of formats whose name begins so."""

    def register(reader: Reader) -> Reader:
        READERS[prefix] = reader
        return reader

    return register


def command_of(data: bytes, *, file_name: str) -> Command:
    """Read a file into the command that applies it. Raises FormatError for what nothing here reads."""
    name = detect(data)
    reader = next((reader for prefix, reader in READERS.items() if name.startswith(prefix)), None)
    if reader is None:
        raise FormatError("not_a_return", f"A {name} brings no returns.", None, "Document")
    return reader(data, hashlib.sha256(data).hexdigest(), file_name)


def import_return(data: bytes, *, file_name: str, actor: Actor, at: datetime) -> dict[str, Any]:
    """Read a file and apply it. Raises FormatError, DuplicateFile, UnknownBatch."""
    return execute(command_of(data, file_name=file_name), actor=actor, key=None, at=at).answer


@reads("pacs.004")
def _payment_return(data: bytes, sha256: str, file_name: str) -> ApplyReturns:
    message = read_payment_return(data)
    _few(len(message.returns))
    lines = tuple(
        ReturnLine(
            reference=item.original.end_to_end_id[:35],
            amount=item.amount,
            code=(item.reason or item.reason_proprietary)[:35],
            effective=item.settlement_date,
            place=f"TxInf[{number}]",
        )
        for number, item in enumerate(message.returns, start=1)
    )
    return ApplyReturns(None, sha256, file_name, message.format, message.message_id, lines)


@reads("camt.054")
def _advice(data: bytes, sha256: str, file_name: str) -> ApplyReturns:
    """Read what an advice says came back; what else it tells, the statement tells too."""
    file = read_statements(data)
    entries = [(statement.id, entry) for statement in file.statements for entry in statement.entries]
    lines = tuple(line for name, entry in entries for line in _returned(name, entry))
    _few(len(lines))
    return ApplyReturns(None, sha256, file_name, file.format, file.message_id, lines)


def _returned(statement: str, entry: StatementEntry) -> list[ReturnLine]:
    return [
        ReturnLine(
            reference=detail.refs.end_to_end[:35],
            amount=-detail.amount if detail.amount.minor < 0 else detail.amount,
            code=detail.return_reason[:35],
            effective=entry.booking_date,
            place=f"{statement[:35]} Ntry[{entry.position}]",
        )
        for detail in entry.details
        if detail.return_reason and detail.amount is not None and entry.status == "BOOK"
    ]


@reads("pain.002")
def _status_report(data: bytes, sha256: str, file_name: str) -> Command:
    return as_command(read_status_report(data), sha256=sha256, file_name=file_name)


@reads("camt.029")
def _recall_answer(data: bytes, sha256: str, file_name: str) -> ApplyRecallAnswers:
    message = read_recall_answer(data)
    _few(len(message.answers))
    lines = tuple(
        RecallAnswerLine(
            cancellation_id=answer.cancellation_id[:35],
            reference=answer.original.end_to_end_id[:35],
            status=answer.status or message.confirmation,
            code=answer.reason[:35],
        )
        for answer in message.answers
    )
    if not lines:  # the word on the whole case
        lines = (RecallAnswerLine(message.case_id[:35], "", message.confirmation),)
    return ApplyRecallAnswers(None, sha256, file_name, "camt.029", message.id, lines)


@reads("NACHA")
def _ach(data: bytes, sha256: str, file_name: str) -> ApplyAchReturns:
    """Read returns, arguments about them and changes; what is wrong in the file goes along as findings."""
    rail = adapter("ach")
    assert isinstance(rail, Ach)
    reading = rail.read(data)
    _few(len(reading.events))
    returns = tuple(
        AchReturnLine(
            trace=event.reference[:15],
            amount=event.amount,
            code=event.code[:3],
            kind=event.data["kind"],
            line=event.data["line"] or 0,
        )
        for event in reading.events
        if event.told is Told.RETURNED and event.amount is not None
    )
    changes = tuple(
        ChangeLine(
            trace=event.reference[:15],
            code=event.code[:3],
            company_id=event.data["company_id"],
            corrected=event.data["corrected"],
            line=event.data["line"] or 0,
        )
        for event in reading.events
        if event.told is Told.CHANGED and event.data["kind"] == "change"
    )
    found = tuple(
        FileFinding(item.code, item.line or 0) for item in reading.findings if item.severity == "error"
    )
    return ApplyAchReturns(None, sha256, file_name, "NACHA", reading.message_id[:35], returns, changes, found)


def _few(count: int) -> None:
    if count > LINES_MAX:
        raise FormatError("too_many_payments", f"A file brings at most {LINES_MAX} returns.")
