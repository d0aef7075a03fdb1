"""Requests to give payments back, on their way into the outgoing folder (camt.056)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from uuid import UUID

from apps.core import tenancy
from apps.core.actors import Actor
from apps.core.commands import execute
from apps.core.folders import put_whole
from apps.payments.commands.recalls import MarkRecallSent
from apps.payments.formats import Agent, OriginalPayment, RecallMessage, build_recall
from apps.payments.formats import Recall as RecallEntry
from apps.payments.models import Batch, Payment
from apps.payments.models_debits import Recall
from apps.payments.routing import route_by_id

ONCE_MAX = 1_000
"""The most that one look takes up."""


def send_recalls(*, folder: Path, actor: Actor, at: datetime) -> Iterator[str]:
    """Write each requested recall into the folder and mark it sent; yield their message ids.

    A crash in between leaves a recall that the next look writes again: the same bytes, the same name.
    """
    with tenancy.scope(tenancy.PLATFORM):
        waiting = Recall.objects.filter(state="requested").order_by("id")
        rows = list(waiting.values_list("pk", "message_id")[:ONCE_MAX])
    for key, message_id in rows:
        put_whole(folder / f"{message_id}.camt.056.xml", recall_bytes(key))
        execute(MarkRecallSent(None, key), actor=actor, key=None, at=at)
        yield message_id


def recall_bytes(recall_id: UUID) -> bytes:
    """Build the file of a recall. The same recall always gives the same bytes. Raises FormatError."""
    with tenancy.scope(tenancy.PLATFORM):
        row = Recall.objects.get(pk=recall_id)
        payment = Payment.objects.get(pk=row.payment_id)
        batch = Batch.objects.get(message_id=payment.batch_message_id)
        bic = route_by_id(batch.settlement_account_id).bic
    # Our bank passes it on to the payee's bank, whose name it knows from the payment.
    bank = Agent(bic=bic) if bic else Agent(member="NOTPROVIDED")
    original = OriginalPayment(
        message_id=payment.batch_message_id,
        message_name="pain.001.001.09",
        end_to_end_id=payment.end_to_end_id,
        amount=payment.amount,
        settlement_date=batch.execution_date,
    )
    entry = RecallEntry(row.message_id, row.reason, original, row.information)
    return build_recall(
        RecallMessage(row.message_id, row.requested_at.replace(microsecond=0), bank, bank, (entry,))
    )
