"""The life of prenotes: sent with a file, clear after three banking days, failed when something comes back."""

from __future__ import annotations

from typing import Any

from apps.core.commands import Context
from apps.core.events import Event
from apps.core.ids import public_id
from apps.payments.calendar import calendar
from apps.payments.domain.mandates import MandateEvent
from apps.payments.domain.prenotes import PrenoteEvent
from apps.payments.events_ach import PrenoteChanged
from apps.payments.lifecycle_store import Origin, advance, decide_for, lock, record_no_op, tells
from apps.payments.models import AchItem, Batch
from apps.payments.models_ach import Prenote
from apps.payments.models_debits import Mandate
from apps.payments.rails.ach import PRENOTE_BANKING_DAYS
from apps.payments.rails.base import Action, Classified


def send_prenotes(prenotes: list[Prenote], batch: Batch, context: Context) -> None:
    """Record that locked prenotes go with a batch, and from when money may follow them."""
    if not prenotes:
        return
    clear_on = calendar("FED").add(batch.execution_date, PRENOTE_BANKING_DAYS)
    items = AchItem.objects.filter(message_id=batch.message_id, kind=AchItem.Kind.PRENOTE)
    item_of = {item.reference: item.pk for item in items}
    for row in prenotes:
        transition = decide_for(row, PrenoteEvent.SEND).transition
        assert transition is not None, "what waits can be sent"
        origin = Origin("job", batch.message_id)
        sent: dict[str, Any] = {"item_id": item_of[row.reference], "clear_on": clear_on}
        advance(row, transition, context, origin, **sent)


def prenote_came_back(
    item: AchItem, code: str, meaning: Classified, context: Context, origin: Origin
) -> bool:
    """Let the prenote of an entry fail, and doubt its mandate. Returns whether that was news."""
    known = Prenote.objects.filter(item_id=item.pk).first()
    if known is None or meaning.action is Action.NOTHING:
        return False
    row = lock(Prenote, known.pk)
    decision = decide_for(row, PrenoteEvent.FAIL)
    if decision.transition is None:
        record_no_op(row, PrenoteEvent.FAIL, context, origin, reason=decision.reason)
        return False
    advance(row, decision.transition, context, origin)
    mandate = lock(Mandate, row.mandate_id)
    doubt = decide_for(mandate, MandateEvent.DOUBT)
    if doubt.transition is not None:
        advance(mandate, doubt.transition, context, Origin(origin.source, origin.external_id, reason=code))
    return True


@tells(Prenote)
def _prenote_changed(row: Prenote, before: str) -> Event:
    return PrenoteChanged(
        prenote_id=public_id("prn", row.pk),
        mandate_id=public_id("mdt", row.mandate_id),
        state=row.state,
        previous_state=before,
        clear_on=row.clear_on.isoformat() if row.clear_on else "",
    )
