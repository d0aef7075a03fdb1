"""A file on its way into the command that imports it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from apps.core.actors import Actor, system_actor
from apps.core.commands import execute
from apps.core.errors import Refusal
from apps.reconciliation.commands.imports import ImportStatement
from apps.reconciliation.preview import preview
from apps.reconciliation.statement_store import keep_file


def import_file(
    path: Path,
    *,
    organisation_id: UUID,
    at: datetime,
    actor: Actor | None = None,
    lenient: bool = False,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Keep a file and import it, once. Answers what ImportStatement answers.

    Raises what it raises, FileTooLarge, and OSError for a file that cannot be read.
    """
    who = actor or system_actor("reconciliation.import")
    kept = keep_file(path)
    command = ImportStatement(organisation_id, sha256=kept.sha256, name=path.name, lenient=lenient)
    try:
        if not dry_run:
            return execute(command, actor=who, key=None, at=at).answer
        answer = preview(command, actor=who, at=at)
    except Refusal:
        kept.forget()
        raise
    kept.forget()
    return answer
