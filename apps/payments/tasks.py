"""What workers do for payments when they are woken. Each looks in the database for what is due."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import structlog
from celery import shared_task
from django.conf import settings

from apps.core import clock
from apps.core.actors import system_actor
from apps.core.errors import Refusal
from apps.core.folders import Incoming
from apps.payments.calendar import execution_day
from apps.payments.exports import export_batches, is_due
from apps.payments.formats import FormatError
from apps.payments.rails import rails_with_files
from apps.payments.status_files import import_status_file

_log = structlog.get_logger("bezant.payments")


@shared_task(name="payments.export_due_batches", queue="payments")
def export_due_batches(**_: Any) -> None:
    """Send what is approved, on every rail that travels in files."""
    at = clock.database_now()
    for rail in rails_with_files():
        if not is_due(rail, at):
            continue
        for batch in export_batches(
            rail=rail,
            execution_date=execution_day(rail, at),
            folder=Path(settings.BANK_OUTGOING_DIR),
            actor=system_actor("export_batches"),
            at=at,
        ):
            _log.info("batch sent", message_id=batch["message_id"], payments=batch["payments"])


@shared_task(name="payments.import_status_reports", queue="payments")
def import_status_reports(**_: Any) -> None:
    """Apply the status reports that the bank has put into the incoming folder."""
    incoming = Incoming(Path(settings.BANK_INCOMING_DIR))
    for path in incoming.files("*pain.002*.xml"):
        try:
            answer = import_status_file(
                path.read_bytes(),
                file_name=path.name,
                actor=system_actor("import_status_reports"),
                at=clock.database_now(),
            )
        except (FormatError, Refusal) as problem:
            incoming.refuse(path, reason=str(getattr(problem, "code", "refused")))
            _log.warning("status report refused", file=path.name, reason=getattr(problem, "code", ""))
            continue
        incoming.keep(path)
        _log.info("status report applied", file=path.name, batch=answer["batch"], applied=answer["applied"])
