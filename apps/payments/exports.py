"""From approved payouts to a file in the outgoing folder, in steps that can each be repeated.

Close a batch (committed) → build its bytes, which are the same every time → put the file in place
whole → mark the batch sent (committed). A crash in between leaves a closed batch, which the next run
takes up first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from apps.core import db, tenancy
from apps.core.actors import Actor
from apps.core.commands import execute
from apps.core.crypto.runtime import key_ring
from apps.core.errors import NotFound
from apps.core.folders import put_whole
from apps.payments import ach_files
from apps.payments.calendar import calendar
from apps.payments.collecting import only_due, rail_options
from apps.payments.commands.batches import (
    BatchDiffers,
    CloseBatch,
    MarkBatchSent,
    NothingToSend,
    RecordRebuiltBatch,
)
from apps.payments.counterparties import party_of
from apps.payments.domain.calendars import next_cut_off
from apps.payments.domain.lifecycle import Kind
from apps.payments.models import AchProfile, Batch, Counterparty, Payment, Rail, SettlementAccount
from apps.payments.rails import adapter
from apps.payments.rails.ach import Ach, bank_day
from apps.payments.rails.base import Built, Instruction, Outgoing, Party
from apps.payments.routing import SettlementRoute, route_of

BETWEEN_FILES, BEFORE_CUT_OFF = timedelta(minutes=45), timedelta(minutes=15)


def export_batches(
    *,
    rail: str,
    execution_date: date,
    folder: Path,
    actor: Actor,
    at: datetime,
    segregate: bool = False,
) -> Iterator[dict[str, Any]]:
    """Send what was closed before and not sent, then all that is approved; yield each batch's data.

    `segregate` puts each kind of payment into files of its own. What another run sends at this moment is
    left to it. Raises FormatError when a payment cannot be written; its batch stays closed and can be
    inspected.
    """
    for message_id in _unsent(rail):
        yield from _send(message_id, folder=folder, actor=actor, at=at)
    for account in _paying_accounts(rail):
        for kinds in _kinds_apart(rail, account) if segregate else [()]:
            for lot in lots(rail, at, execution_date):
                while True:
                    command = CloseBatch(None, account.id, rail, lot.execution_date, kinds, lot.same_day)
                    try:
                        closed = execute(command, actor=actor, key=None, at=at)
                    except NothingToSend:
                        break
                    if closed.answer["message_id"]:
                        yield from _send(closed.answer["message_id"], folder=folder, actor=actor, at=at)


@dataclass(frozen=True, slots=True)
class Lot:
    """Payments that go together: when they are executed, and whether only those of the same day."""

    execution_date: date
    same_day: bool = False


def lots(rail: str, at: datetime, execution_date: date) -> list[Lot]:
    """Say which lots leave now. On the ACH those of the same day go first, while one of its windows is open.

    With another day than the next that an ordinary file can have, everything goes for that day.
    """
    ordinary = Lot(execution_date)
    clearing_house = adapter(rail)
    if not isinstance(clearing_house, Ach):
        return [ordinary]
    days = calendar("FED")
    window = clearing_house.same_day_window(at, days)
    if window is None or execution_date != clearing_house.effective_date(at, days):
        return [ordinary]
    return [Lot(bank_day(at), same_day=True), ordinary]


def is_due(rail: str, at: datetime) -> bool:
    """Tell whether a file should leave by itself now.

    On the ACH a bank tells 36 files of a day apart: one leaves every 45 minutes at most, and one in the
    last quarter of an hour before each cut-off. A person can export at any moment.
    """
    clearing_house = adapter(rail)
    if not isinstance(clearing_house, Ach) or _unsent(rail):
        return True
    window, day = next_cut_off(clearing_house.cut_offs, calendar("FED"), at)
    closing = window.on(day) - BEFORE_CUT_OFF
    since = closing if closing <= at else at - BETWEEN_FILES
    with tenancy.scope(tenancy.PLATFORM):
        return not Batch.objects.filter(rail=rail, created_at__gte=since).exists()


def _kinds_apart(rail: str, account: SettlementRoute) -> list[tuple[str, ...]]:
    with tenancy.scope(tenancy.PLATFORM):
        waiting = Payment.objects.filter(rail=rail, state="approved", settlement_account_id=account.id)
        return [(kind,) for kind in sorted(set(waiting.values_list("kind", flat=True)))]


def mark_sent_by_hand(
    message_id: str, *, actor: Actor, at: datetime, uploaded: bytes | None = None
) -> dict[str, Any]:
    """Record that a person handed a batch's file to the bank. Raises NotFound, FormatError, BatchDiffers.

    `uploaded` is the file they took, if it is at hand: it must be the batch's, byte for byte.
    """
    built = _built(message_id)
    digest = hashlib.sha256(built.data).hexdigest()
    if uploaded is not None and uploaded != built.data:
        raise BatchDiffers(id=message_id, sent=hashlib.sha256(uploaded).hexdigest(), built=digest)
    command = MarkBatchSent(None, message_id, digest, f"{message_id}{built.suffix}")
    return execute(command, actor=actor, key=None, at=at).answer


def rebuild_batch(message_id: str, *, folder: Path, actor: Actor, at: datetime) -> dict[str, Any]:
    """Write a batch's file again: the very same bytes, or nothing. Its state stays as it is.

    Raises NotFound, FormatError, and BatchDiffers when what is built now is not what was sent.
    """
    built = _built(message_id)
    digest = hashlib.sha256(built.data).hexdigest()
    answer = execute(RecordRebuiltBatch(None, message_id, digest), actor=actor, key=None, at=at).answer
    name = f"{message_id}{built.suffix}"
    put_whole(folder / name, built.data)
    return {**answer, "file_name": name}


def preview(rail: str, *, at: datetime) -> dict[str, Any]:
    """Tell what an export would send now: payments and sums by currency. Writes nothing."""
    with tenancy.scope(tenancy.PLATFORM):
        approved = Payment.objects.filter(rail=rail, state="approved")
        waiting = only_due(approved, today=at.date()).order_by("id")
        totals: dict[str, int] = {}
        for row in waiting:
            totals[row.currency] = totals.get(row.currency, 0) + row.amount_minor
        return {"rail": rail, "payments": len(waiting), "totals_minor": totals, "unsent": _unsent(rail)}


def batch_bytes(message_id: str) -> bytes:
    """Build the file of a batch. The same batch always gives the same bytes. Raises FormatError, NotFound."""
    return _built(message_id).data


def _built(message_id: str) -> Built:
    with tenancy.scope(tenancy.PLATFORM):
        batch = Batch.objects.filter(message_id=message_id).first()
        if batch is None:
            raise NotFound(object="batch", id=message_id[:35])
        outgoing = _outgoing(batch)
    return adapter(batch.rail).build(outgoing)


def _outgoing(batch: Batch) -> Outgoing:
    account = route_of(SettlementAccount.objects.get(pk=batch.settlement_account_id))
    ours = Party(account.holder, account.iban, account.routing_number or account.bic)
    if batch.rail == Rail.ACH:
        return ach_files.outgoing_of(batch, ours)
    rows = list(Payment.objects.filter(batch_message_id=batch.message_id).order_by("id"))
    ends = Counterparty.objects.in_bulk({row.counterparty_id for row in rows})
    options = rail_options(rows)
    people = {(end.organisation_id, end.pk) for end in ends.values()}
    with key_ring().at_hand(people | {(row.organisation_id, row.subject_id) for row in rows}):
        instructions = tuple(
            _instruction(row, ours, ends[row.counterparty_id], options.get(row.pk, {})) for row in rows
        )
    return Outgoing(
        message_id=batch.message_id,
        created_at=batch.created_at,
        execution_date=batch.execution_date,
        ours=ours,
        instructions=instructions,
    )


def _instruction(row: Payment, ours: Party, end: Counterparty, options: Mapping[str, Any]) -> Instruction:
    theirs = party_of(end)
    collects = row.kind == Kind.COLLECTION
    return Instruction(
        reference=row.end_to_end_id,
        amount=row.amount,
        debtor=theirs if collects else ours,
        creditor=ours if collects else theirs,
        remittance=row.remittance.reveal() if row.remittance is not None else "",
        options=options,
    )


def _unsent(rail: str) -> list[str]:
    with tenancy.scope(tenancy.PLATFORM):
        rows = Batch.objects.filter(rail=rail, state=Batch.State.CLOSED).order_by("number")
        return [row.message_id for row in rows]


def _paying_accounts(rail: str) -> list[SettlementRoute]:
    currencies = adapter(rail).capabilities().currencies
    with tenancy.scope(tenancy.PLATFORM):
        rows = SettlementAccount.objects.filter(pays_out=True, currency__in=currencies).order_by("currency")
        if rail == Rail.ACH:
            rows = rows.filter(pk__in=AchProfile.objects.values("settlement_account_id"))
        return [route_of(row) for row in rows]


def _send(message_id: str, *, folder: Path, actor: Actor, at: datetime) -> Iterator[dict[str, Any]]:
    """Put a closed batch's file in place and mark it sent; nothing, if another run does or has done it.

    One run at a time on a batch: a bank that takes files away at once must never find a second one.
    """
    with db.session_lock(f"payments sending {message_id}") as alone:
        if not alone or not _is_closed(message_id):
            return
        built = _built(message_id)
        name = f"{message_id}{built.suffix}"
        put_whole(folder / name, built.data)
        command = MarkBatchSent(None, message_id, hashlib.sha256(built.data).hexdigest(), name)
        # Without a key: the batch's own state makes it once, and no answer of another run gets in the way.
        sent = execute(command, actor=actor, key=None, at=at).answer
    yield sent


def _is_closed(message_id: str) -> bool:
    with tenancy.scope(tenancy.PLATFORM):
        return Batch.objects.filter(message_id=message_id, state=Batch.State.CLOSED).exists()
