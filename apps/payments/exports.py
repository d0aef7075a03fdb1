"""From approved payouts to a file in the outgoing folder, in steps that can each be repeated.

Close a batch (committed) → build its bytes, which are the same every time → put the file in place
whole → mark the batch sent (committed). A crash in between leaves a closed batch, which the next run
takes up first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

from apps.core import tenancy
from apps.core.actors import Actor
from apps.core.commands import execute
from apps.core.folders import put_whole
from apps.payments.commands.batches import CloseBatch, MarkBatchSent, NothingToSend
from apps.payments.models import Batch, Counterparty, Payment, SettlementAccount
from apps.payments.rails import adapter
from apps.payments.rails.base import Instruction, Outgoing, Party
from apps.payments.routing import SettlementRoute, route_of


def export_batches(
    *, rail: str, execution_date: date, folder: Path, actor: Actor, at: datetime
) -> Iterator[dict[str, Any]]:
    """Send what was closed before and not sent, then all that is approved; yield each batch's data.

    Raises FormatError when a payment cannot be written; its batch stays closed and can be inspected.
    """
    for message_id in _unsent(rail):
        yield _send(message_id, folder=folder, actor=actor, at=at)
    for account in _paying_accounts(rail):
        while True:
            try:
                closed = execute(
                    CloseBatch(None, account.id, rail, execution_date), actor=actor, key=None, at=at
                )
            except NothingToSend:
                break
            yield _send(closed.answer["message_id"], folder=folder, actor=actor, at=at)


def preview(rail: str) -> dict[str, Any]:
    """Tell what an export would send now: payments and sums by currency. Writes nothing."""
    with tenancy.scope(tenancy.PLATFORM):
        waiting = Payment.objects.filter(rail=rail, state="approved").order_by("id")
        totals: dict[str, int] = {}
        for row in waiting:
            totals[row.currency] = totals.get(row.currency, 0) + row.amount_minor
        return {"rail": rail, "payments": len(waiting), "totals_minor": totals, "unsent": _unsent(rail)}


def batch_bytes(message_id: str) -> bytes:
    """Build the file of a batch. The same batch always gives the same bytes. Raises FormatError."""
    with tenancy.scope(tenancy.PLATFORM):
        batch = Batch.objects.get(message_id=message_id)
        outgoing = _outgoing(batch)
    return adapter(batch.rail).build(outgoing).data


def _outgoing(batch: Batch) -> Outgoing:
    account = route_of(SettlementAccount.objects.get(pk=batch.settlement_account_id))
    ours = Party(account.holder, account.iban, account.bic)
    rows = list(Payment.objects.filter(batch_message_id=batch.message_id).order_by("id"))
    ends = Counterparty.objects.in_bulk({row.counterparty_id for row in rows})
    return Outgoing(
        message_id=batch.message_id,
        created_at=batch.created_at,
        execution_date=batch.execution_date,
        ours=ours,
        instructions=tuple(_instruction(row, ours, ends[row.counterparty_id]) for row in rows),
    )


def _instruction(row: Payment, ours: Party, end: Counterparty) -> Instruction:
    return Instruction(
        reference=row.end_to_end_id,
        amount=row.amount,
        debtor=ours,
        creditor=Party(
            end.name.reveal(),
            end.account.reveal(),
            end.routing_number,
            town=end.town.reveal() if end.town is not None else "",
            country=end.country,
        ),
        remittance=row.remittance.reveal() if row.remittance is not None else "",
    )


def _unsent(rail: str) -> list[str]:
    with tenancy.scope(tenancy.PLATFORM):
        rows = Batch.objects.filter(rail=rail, state=Batch.State.CLOSED).order_by("number")
        return [row.message_id for row in rows]


def _paying_accounts(rail: str) -> list[SettlementRoute]:
    currencies = adapter(rail).capabilities().currencies
    with tenancy.scope(tenancy.PLATFORM):
        rows = SettlementAccount.objects.filter(pays_out=True, currency__in=currencies).order_by("currency")
        return [route_of(row) for row in rows]


def _send(message_id: str, *, folder: Path, actor: Actor, at: datetime) -> dict[str, Any]:
    data = batch_bytes(message_id)
    name = f"{message_id}.xml"
    put_whole(folder / name, data)
    command = MarkBatchSent(None, message_id, hashlib.sha256(data).hexdigest(), name)
    return execute(command, actor=actor, key=f"sent:{message_id}", at=at).answer
