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
from apps.payments.formats import (
    CreditTransfer,
    CreditTransferBatch,
    CreditTransferGroup,
    build_credit_transfer,
)
from apps.payments.formats.epc import Address
from apps.payments.models import Batch, Counterparty, Payment, Rail, SettlementAccount
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
        account = route_of(SettlementAccount.objects.get(pk=batch.settlement_account_id))
        rows = list(Payment.objects.filter(batch_message_id=message_id).order_by("id"))
        ends = Counterparty.objects.in_bulk({row.counterparty_id for row in rows})
        transfers = tuple(_transfer(row, ends[row.counterparty_id]) for row in rows)
    return build_credit_transfer(_message(batch, account, transfers))


def _message(
    batch: Batch, account: SettlementRoute, transfers: tuple[CreditTransfer, ...]
) -> CreditTransferBatch:
    group = CreditTransferGroup(
        id=f"{batch.message_id}-1",
        debtor_name=account.holder,
        debtor_iban=account.iban,
        debtor_bic=account.bic,
        execution_date=batch.execution_date,
        transfers=transfers,
    )
    return CreditTransferBatch(
        message_id=batch.message_id,
        created_at=batch.created_at,
        initiating_party=account.holder,
        groups=(group,),
    )


def _transfer(row: Payment, end: Counterparty) -> CreditTransfer:
    town = end.town.reveal() if end.town is not None else ""
    return CreditTransfer(
        end_to_end_id=row.end_to_end_id,
        amount=row.amount,
        creditor_name=end.name.reveal(),
        creditor_iban=end.iban.reveal(),
        remittance=row.remittance.reveal() if row.remittance is not None else "",
        creditor_address=Address(town=town, country=end.country) if town else None,
    )


def _unsent(rail: str) -> list[str]:
    with tenancy.scope(tenancy.PLATFORM):
        rows = Batch.objects.filter(rail=rail, state=Batch.State.CLOSED).order_by("number")
        return [row.message_id for row in rows]


def _paying_accounts(rail: str) -> list[SettlementRoute]:
    currencies = {Rail.SEPA_CT.value: ("EUR",)}[rail]
    with tenancy.scope(tenancy.PLATFORM):
        rows = SettlementAccount.objects.filter(pays_out=True, currency__in=currencies).order_by("currency")
        return [route_of(row) for row in rows]


def _send(message_id: str, *, folder: Path, actor: Actor, at: datetime) -> dict[str, Any]:
    data = batch_bytes(message_id)
    name = f"{message_id}.xml"
    put_whole(folder / name, data)
    command = MarkBatchSent(None, message_id, hashlib.sha256(data).hexdigest(), name)
    return execute(command, actor=actor, key=f"sent:{message_id}", at=at).answer
