"""A bank's status report file (pain.002) on its way into a command."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from apps.core.actors import Actor
from apps.core.commands import execute
from apps.payments.commands.status import ApplyStatusReport, StatusLine
from apps.payments.formats import FormatError, StatusReason, StatusReport, read_status_report


def import_status_file(data: bytes, *, file_name: str, actor: Actor, at: datetime) -> dict[str, Any]:
    """Read a pain.002 and apply it. Raises FormatError, DuplicateFile, UnknownBatch."""
    report = read_status_report(data)
    if not report.format.startswith("pain.002"):
        raise FormatError("not_pain002", f"The file is a {report.format}, not a pain.002.", None, "Document")
    command = as_command(report, sha256=hashlib.sha256(data).hexdigest(), file_name=file_name)
    return execute(command, actor=actor, key=None, at=at).answer


def as_command(report: StatusReport, *, sha256: str, file_name: str) -> ApplyStatusReport:
    """Turn a report into the command that applies it."""
    lines = [
        StatusLine(line.end_to_end_id, line.status or group.status, _reason(line.reasons or group.reasons))
        for group in report.groups
        for line in group.transactions
    ]
    reasons = [*report.reasons, *(reason for group in report.groups for reason in group.reasons)]
    return ApplyStatusReport(
        None,
        sha256=sha256,
        file_name=file_name,
        format=report.format,
        message_id=report.message_id,
        original_message_id=report.original_message_id,
        group_status=report.status,
        group_reason=_reason(tuple(reasons)),
        lines=tuple(lines),
        groups=tuple(
            StatusLine(group.id, group.status, _reason(group.reasons))
            for group in report.groups
            if group.status
        ),
    )


def _reason(reasons: tuple[StatusReason, ...]) -> str:
    """Return the first code; the bank's sentence is left out, since it may name a person."""
    return next((reason.code or reason.proprietary for reason in reasons), "")
