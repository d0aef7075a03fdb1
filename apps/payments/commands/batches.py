"""Files of payments for a bank: a batch is closed once, then sent; sending again is the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import Max

from apps.core import db
from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict, NotFound
from apps.core.ids import public_id
from apps.payments import ach_files, books
from apps.payments.ach_prenotes import send_prenotes
from apps.payments.collecting import assign_groups, only_due
from apps.payments.commands.withholding import withhold_stopped
from apps.payments.domain.lifecycle import Event, Kind, State, Step
from apps.payments.lifecycle_store import Origin, advance_many, decide_for
from apps.payments.models import Batch, Counterparty, Payment, Rail, SettlementAccount

PAYMENTS_MAX = 10_000
"""The most payments in one file."""


class NothingToSend(Conflict):
    code = "nothing_to_send"
    title = "No approved payment waits for this rail."


@dataclass(frozen=True)
class CloseBatch(Command):
    """Choose the approved payments of a rail that leave from, or come to, one of our bank accounts.

    Runs for the whole platform: a file holds the payments of every organisation. `kinds` takes payments
    of these kinds alone, for banks that want them in files of their own.
    """

    settlement_account_id: UUID
    rail: str
    execution_date: date
    kinds: tuple[str, ...] = ()
    same_day: bool = False  # on the ACH: only what is to settle on the same day


@handles(CloseBatch, name="payments.close_batch", version=1, permission="payments.batch")
def close_batch(command: CloseBatch, context: Context) -> dict[str, Any]:
    """Close a batch over all approved payments, at most 10,000. Raises NothingToSend.

    What would leave an account that is not open is withheld instead; if nothing else waits, the answer
    names no batch. A block that comes after this waits for it, and no longer stops these payments.
    One run at a time on a rail, whichever account it pays from, so that batch numbers have no gap.
    """
    db.transaction_lock(f"payments batches {command.rail}")
    account = SettlementAccount.objects.select_for_update().filter(pk=command.settlement_account_id).first()
    if account is None:
        raise NotFound(object="settlement_account", id=public_id("sta", command.settlement_account_id))
    approved = Payment.objects.filter(
        rail=command.rail, state=State.APPROVED, settlement_account_id=account.pk
    )
    waiting = only_due(approved, today=context.at.date())
    if command.rail == Rail.ACH:
        ach_files.check_date(command.execution_date)
    if command.kinds:
        waiting = waiting.filter(kind__in=command.kinds)
    if command.same_day:
        waiting = waiting.filter(rail_options__same_day=True)
    locked = waiting.select_for_update(skip_locked=True, no_key=True, of=("self",))
    chosen = list(locked.order_by("id")[:PAYMENTS_MAX])
    payments = withhold_stopped(chosen, context)
    withheld = len(chosen) - len(payments)
    ends: dict[UUID, Counterparty] = {}
    if command.rail == Rail.ACH:
        payments, ends = ach_files.payable(payments, at=context.at)
    asks = (
        command.rail == Rail.ACH and not command.same_day and command.kinds in ((), (Kind.COLLECTION.value,))
    )
    prenotes, questions = ach_files.prenote_entries(at=context.at) if asks else ([], [])
    if not payments and not prenotes:
        if not withheld:
            raise NothingToSend(rail=command.rail)
        return {"message_id": "", "rail": command.rail, "payments": 0, "withheld": withheld}
    batch = _new_batch(command, account, payments, context)
    if command.rail == Rail.ACH:
        entries = ach_files.forward_entries(payments, ends) + questions
        ach_files.number(batch, account, entries, context)
        send_prenotes(prenotes, batch, context)
    assign_groups(payments, batch)
    origin = Origin("job", batch.message_id)
    for kind in _by_kind(payments):
        advance_many(kind, Event.BATCH, context, origin, batch_message_id=batch.message_id)
    context.note("batch", batch.message_id, payments=len(payments), total_minor=batch.total_minor)
    return {**batch_data(batch), "withheld": withheld}


def _by_kind(payments: list[Payment]) -> list[list[Payment]]:
    """Part payments by their life cycles, which may book different things at the same event."""
    kinds = sorted({payment.kind for payment in payments})
    return [[payment for payment in payments if payment.kind == kind] for kind in kinds]


def _new_batch(
    command: CloseBatch, account: SettlementAccount, payments: list[Payment], context: Context
) -> Batch:
    latest = Batch.objects.filter(rail=command.rail).aggregate(latest=Max("number"))["latest"] or 0
    return Batch.objects.create(
        id=context.new_id(),
        organisation_id=account.organisation_id,
        number=latest + 1,
        message_id=message_id(command.rail, latest + 1),
        rail=command.rail,
        settlement_account_id=account.pk,
        state=Batch.State.CLOSED,
        execution_date=command.execution_date,
        payment_count=len(payments),
        total_minor=sum(payment.amount_minor for payment in payments),
        currency=account.currency,
        created_at=context.at,
    )


def message_id(rail: str, number: int) -> str:
    """Name a batch. In the ACH the name travels in a field of twenty signs, so it has exactly those."""
    digits = 9 if rail == Rail.ACH else 10
    return f"BEZANT-{rail.upper().replace('_', '')}-{number:0{digits}d}"


@dataclass(frozen=True)
class MarkBatchSent(Command):
    """Record that a batch's file was handed over: what pays out is captured into clearing."""

    message_id: str
    sha256: str
    file_name: str


@handles(MarkBatchSent, name="payments.mark_batch_sent", version=1, permission="payments.batch")
def mark_batch_sent(command: MarkBatchSent, context: Context) -> dict[str, Any]:
    """Move each payment to sent, capturing its hold; a batch that is sent already stays as it is."""
    batch = Batch.objects.select_for_update().filter(message_id=command.message_id).first()
    if batch is None:
        raise NotFound(object="batch", id=command.message_id)
    if batch.state != Batch.State.CLOSED:
        return batch_data(batch)
    payments = list(
        Payment.objects.select_for_update(no_key=True)
        .filter(batch_message_id=batch.message_id, state=State.BATCHED)
        .order_by("id")
    )
    for kind in _by_kind(payments):
        advance_many(
            kind,
            Event.SEND,
            context,
            Origin("file", batch.message_id),
            journal_seqs=_capture(kind, context),
        )
    batch.state, batch.sent_at = Batch.State.SENT, context.at
    batch.sha256, batch.file_name = command.sha256, command.file_name
    batch.save()
    context.note("batch", batch.message_id, sha256=batch.sha256, payments=len(payments))
    return batch_data(batch)


class BatchDiffers(Conflict):
    code = "batch_differs"
    title = "The file built now is not the file that was sent."


@dataclass(frozen=True)
class RecordRebuiltBatch(Command):
    """Record that a batch's file was written again, with the digest of what was built."""

    message_id: str
    sha256: str


@handles(RecordRebuiltBatch, name="payments.record_rebuilt_batch", version=1, permission="payments.batch")
def record_rebuilt_batch(command: RecordRebuiltBatch, context: Context) -> dict[str, Any]:
    """Note it. Raises NotFound, and BatchDiffers when a file with another digest was sent before."""
    batch = Batch.objects.filter(message_id=command.message_id).first()
    if batch is None:
        raise NotFound(object="batch", id=command.message_id)
    if batch.sha256 and batch.sha256 != command.sha256:
        raise BatchDiffers(id=batch.message_id, sent=batch.sha256, built=command.sha256)
    context.note("batch", batch.message_id, sha256=command.sha256, rebuilt=True)
    return {**batch_data(batch), "sha256": command.sha256}


def _capture(payments: list[Payment], context: Context) -> list[int] | None:
    """Capture the holds of payments that go out; what is to come in books nothing yet."""
    transition = decide_for(payments[0], Event.SEND).transition
    if transition is None or transition.step != Step.CAPTURE:
        return None
    return books.capture_many(payments, effective=context.at.date(), context=context)


def batch_data(batch: Batch) -> dict[str, Any]:
    """Return the JSON of a batch."""
    return {
        "id": public_id("bat", batch.pk),
        "message_id": batch.message_id,
        "rail": batch.rail,
        "state": batch.state,
        "payments": batch.payment_count,
        "total_minor": batch.total_minor,
        "currency": batch.currency,
        "execution_date": batch.execution_date.isoformat(),
        "sha256": batch.sha256,
        "file_name": batch.file_name,
    }
