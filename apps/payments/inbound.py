"""Files from banks that were taken in: each once, by its digest."""

from __future__ import annotations

from typing import Any

from apps.accounts import public as accounts
from apps.core import db
from apps.core.commands import Context
from apps.core.errors import Conflict
from apps.payments.models import StatusFile


class DuplicateFile(Conflict):
    code = "duplicate_file"
    title = "This file was imported before."


def take_once(sha256: str, file_name: str) -> None:
    """Take the files of returns and answers one at a time. Raises DuplicateFile for one taken in before."""
    db.transaction_lock("payments.inbound_files")
    if StatusFile.objects.filter(sha256=sha256).exists():
        raise DuplicateFile(file=file_name)


def keep_record(command: Any, *, applied: int, findings: int, context: Context) -> None:
    """Record a file of the whole platform: what it was, and how much of it applied."""
    operator_id = accounts.operator().pk
    row = StatusFile.objects.create(
        id=context.new_id(),
        organisation_id=operator_id,
        sha256=command.sha256,
        file_name=command.file_name[:200],
        format=command.format[:20],
        message_id=command.message_id[:35],
        original_message_id="",
        applied=applied,
        unmatched=findings,
        received_at=context.at,
    )
    context.note(
        "return_file",
        str(row.pk),
        organisation_id=operator_id,
        format=command.format,
        applied=applied,
        findings=findings,
    )
