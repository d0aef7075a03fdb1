"""What workers do for reconciliation when they are woken: take in what a bank dropped, and match it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import structlog
from celery import shared_task
from django.conf import settings

from apps.accounts import public as accounts
from apps.core import clock, tenancy
from apps.core.actors import system_actor
from apps.core.errors import Refusal
from apps.core.folders import Incoming
from apps.reconciliation import public as reconciliation
from apps.reconciliation.bank_formats import FormatError

PATTERNS = (
    "*camt.05*.xml",
    "*.camt05[234]",
    "*.sta",
    "*.mt940",
    "*.mt942",
    "*.940",
    "*.942",
    "*.bai2",
    "*.bai",
)
"""What statements are called; what they are is told by their content."""

_log = structlog.get_logger("bezant.reconciliation")


@shared_task(name="reconciliation.take_in_statements", queue="reconciliation")
def take_in_statements(**_: Any) -> None:
    """Import the statements that lie in the incoming folder, then reconcile if there were any.

    A file that is refused is put aside with the reason; the others are taken in all the same.
    """
    incoming, actor = Incoming(Path(settings.BANK_INCOMING_DIR)), system_actor("statements")
    taken = 0
    waiting = [path for pattern in PATTERNS for path in incoming.files(pattern)]
    if not waiting:
        return
    with tenancy.scope(tenancy.PLATFORM):
        organisation_id = accounts.operator().id
    for path in waiting:
        try:
            reconciliation.import_file(
                path, organisation_id=organisation_id, actor=actor, at=clock.database_now()
            )
        except (FormatError, Refusal) as problem:
            incoming.refuse(path, reason=_why(problem))
            _log.warning("statement refused", file=path.name, reason=problem.code)
            continue
        incoming.keep(path)
        taken += 1
        _log.info("statement taken in", file=path.name)
    if taken:
        at = clock.database_now()
        reconciliation.reconcile(as_of=at.date(), actor=actor, at=at)


def _why(problem: FormatError | Refusal) -> str:
    """Say why a file was put aside, with its line and place where they are known."""
    if isinstance(problem, FormatError):
        line = f", line {problem.line}" if problem.line else ""
        return f"{problem.code}: {problem.message}{line}" + (f", {problem.place}" if problem.place else "")
    facts = ", ".join(f"{name} {value}" for name, value in problem.facts.items())
    return f"{problem.code}: {problem.title}" + (f" ({facts})" if facts else "")
