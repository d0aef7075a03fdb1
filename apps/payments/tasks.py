"""What workers do for payments when they are woken. Each looks in the database for what is due."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from celery import shared_task
from django.conf import settings
from django.db import connection

from apps.core import clock
from apps.core.actors import system_actor
from apps.core.commands import execute
from apps.core.errors import Refusal
from apps.core.folders import Incoming
from apps.payments import card_calls, instant
from apps.payments.ach_retries import retry_due
from apps.payments.calendar import execution_day
from apps.payments.commands import ExpireIntents
from apps.payments.due import cancel_unmandated, expire_unused_mandates, finalise_due, prenotify_due
from apps.payments.expiring import expire_waiting
from apps.payments.exports import export_batches, is_due
from apps.payments.formats import FormatError
from apps.payments.rails import rails_with_files
from apps.payments.recall_files import send_recalls
from apps.payments.return_files import import_return
from apps.payments.standing_runs import run_due
from apps.payments.status_files import import_status_file

RETURN_FILES = ("*pacs.004*.xml", "*camt.029*.xml", "*.ach")
"""What is taken for a file of returns, or of answers to recalls, in the incoming folder."""
_SENDERS_LOCK, _INQUIRIES_LOCK, _CARDS_LOCK = 7_500_000, 7_500_001, 7_500_002
SEND_S = 20.0
"""How long one task goes on sending, in seconds, while there is something to send."""

_log = structlog.get_logger("bezant.payments")


@shared_task(name="payments.export_due_batches")
def export_due_batches(**_: Any) -> None:
    """Send what is approved, on every rail that travels in files. What stops one rail stops no other."""
    at = clock.database_now()
    for rail in rails_with_files():
        try:
            _export(rail, at)
        except (FormatError, Refusal) as problem:
            _log.error("files cannot leave", rail=rail, reason=getattr(problem, "code", "refused"))


def _export(rail: str, at: datetime) -> None:
    if not is_due(rail, at):
        return
    for batch in export_batches(
        rail=rail,
        execution_date=execution_day(rail, at),
        folder=Path(settings.BANK_OUTGOING_DIR),
        actor=system_actor("export_batches"),
        at=at,
    ):
        _log.info("batch sent", message_id=batch["message_id"], payments=batch["payments"])


@shared_task(name="payments.run_standing_orders")
def run_standing_orders(**_: Any) -> None:
    """Make the payments of standing orders that are due."""
    for run in run_due(actor=system_actor("run_standing_orders"), at=clock.database_now()):
        _log.info("standing order run", **run)


@shared_task(name="payments.retry_collections")
def retry_collections(**_: Any) -> None:
    """Present ACH debits again that came back for lack of money, where the policy wants it."""
    for retry in retry_due(actor=system_actor("retry_collections"), at=clock.database_now()):
        _log.info("debit presented again", **retry)


@shared_task(name="payments.expire_holds")
def expire_holds(**_: Any) -> None:
    """Cancel orders that nobody has approved in time, and give their money free."""
    expire_waiting(actor=system_actor("expire_holds"), at=clock.database_now())


@shared_task(name="payments.import_status_reports")
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


@shared_task(name="payments.tell_of_collections")
def tell_of_collections(**_: Any) -> None:
    """Tell of collections whose debtors have to know now, and cancel those whose mandate has ended."""
    at, actor = clock.database_now(), system_actor("tell_of_collections")
    cancelled, told = cancel_unmandated(actor=actor, at=at), prenotify_due(actor=actor, at=at)
    if cancelled or told:
        _log.info("collections prenotified", collections=told, cancelled=cancelled)


@shared_task(name="payments.finalise_collections")
def finalise_collections(**_: Any) -> None:
    """Give free what can no longer be taken back, and let mandates lapse that nobody uses."""
    at, actor = clock.database_now(), system_actor("finalise_collections")
    final, lapsed = finalise_due(actor=actor, at=at), expire_unused_mandates(actor=actor, at=at)
    if final or lapsed:
        _log.info("collections final", collections=final, mandates_lapsed=lapsed)


@shared_task(name="payments.send_recalls")
def send_requested_recalls(**_: Any) -> None:
    """Put requests to give payments back into the outgoing folder."""
    for message_id in send_recalls(
        folder=Path(settings.BANK_OUTGOING_DIR), actor=system_actor("send_recalls"), at=clock.database_now()
    ):
        _log.info("recall sent", message_id=message_id)


@shared_task(name="payments.import_returns")
def import_returns(**_: Any) -> None:
    """Apply the returns and answers to recalls that the bank has put into the incoming folder."""
    incoming = Incoming(Path(settings.BANK_INCOMING_DIR))
    for pattern in RETURN_FILES:
        for path in incoming.files(pattern):
            _import_return(incoming, path)


def _import_return(incoming: Incoming, path: Path) -> None:
    try:
        answer = import_return(
            path.read_bytes(),
            file_name=path.name,
            actor=system_actor("import_returns"),
            at=clock.database_now(),
        )
    except (FormatError, Refusal) as problem:
        code = str(getattr(problem, "code", "refused"))
        incoming.refuse(path, reason=code)
        _log.warning("return file refused", file=path.name, reason=code)
        return
    incoming.keep(path)
    codes = [finding["code"] for finding in answer["findings"]]
    _log.info("return file applied", file=path.name, applied=answer["applied"], findings=codes[:20])


@shared_task(name="payments.send_instants")
def send_instants(**_: Any) -> None:
    """Send approved instant payouts at once. One worker at a time does, with threads of its own."""
    caller = instant.Caller(system_actor("send_instants"))
    with _alone(_SENDERS_LOCK) as first:
        ends = time.monotonic() + SEND_S
        while first and time.monotonic() < ends:
            if not instant.send_due(caller, at_once=settings.INSTANT_SENDERS):
                return


@shared_task(name="payments.inquire_unknown")
def inquire_unknown(**_: Any) -> None:
    """Ask about instant payouts that have no answer and are due for a question."""
    with _alone(_INQUIRIES_LOCK) as first:
        if first:
            for answer in instant.inquire_due(instant.Caller(system_actor("inquire_unknown"))):
                _log.info("asked about an instant payment", state=answer["state"], asked=answer["asked"])


@shared_task(name="payments.work_cards")
def work_cards(**_: Any) -> None:
    """Send or ask about card requests that were left, and make available what was reserved long enough."""
    with _alone(_CARDS_LOCK) as first:
        if first:
            done = card_calls.drive_due()
            if done["calls"] or done["released"]:
                _log.info("cards worked", **done)


@shared_task(name="payments.expire_intents")
def expire_intents(**_: Any) -> None:
    """Expire card payments that were not completed, or not captured, in time."""
    command = ExpireIntents(None)
    answer = execute(command, actor=system_actor("expire_intents"), key=None, at=clock.database_now()).answer
    if answer["count"]:
        _log.info("card payments expired", count=answer["count"])


@contextlib.contextmanager
def _alone(number: int) -> Iterator[bool]:
    """Take a lock of the database's session while the block runs; False if another worker has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
        (first,) = cursor.fetchone()
    try:
        yield bool(first)
    finally:
        if first:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [number])
