"""How mandates, returns and recalls word the facts of their transitions, and how they are shown."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from apps.core.events import Event
from apps.core.http.api import money_data
from apps.core.ids import public_id
from apps.payments.events_debits import (
    MANDATE_EVENT_OF_STATE,
    RECALL_EVENT_OF_STATE,
    MandateAmended,
    MandateCreated,
    ReturnReceived,
    ReturnSettled,
)
from apps.payments.lifecycle_store import tells
from apps.payments.models import Payment
from apps.payments.models_debits import Collection, Mandate, Recall, Return
from apps.payments.representation import payment_data


@tells(Mandate)
def _mandate_changed(mandate: Mandate, before: str) -> Event:
    kind = MANDATE_EVENT_OF_STATE.get(mandate.state, MandateCreated)
    if not before:
        kind = MandateCreated
    elif before == mandate.state:
        kind = MandateAmended
    return kind(
        mandate_id=public_id("mdt", mandate.pk),
        reference=mandate.reference,
        scheme=mandate.scheme,
        recurrence=mandate.recurrence,
        creditor_id=mandate.creditor_id,
        counterparty_id=public_id("cpt", mandate.counterparty_id),
        state=mandate.state,
        previous_state=before,
    )


@tells(Return)
def _return_changed(row: Return, before: str) -> Event:
    kind = ReturnSettled if before and row.state == "settled" else ReturnReceived
    return kind(
        return_id=public_id("rtn", row.pk),
        payment_id=public_id("pay", row.payment_id),
        kind=row.kind,
        code=row.code,
        reason=row.reason_class,
        action=row.action,
        amount=row.amount.decimal_text(),
        currency=row.currency,
        state=row.state,
    )


@tells(Recall)
def _recall_changed(row: Recall, before: str) -> Event:
    return RECALL_EVENT_OF_STATE[row.state](
        recall_id=public_id("rcl", row.pk),
        payment_id=public_id("pay", row.payment_id),
        reason=row.reason,
        answer_code=row.answer_code,
        state=row.state,
        previous_state=before,
    )


def mandate_data(row: Mandate) -> dict[str, Any]:
    """Return the JSON of a mandate: no name and no IBAN, which `counterparty_id` leads to."""
    return {
        "id": public_id("mdt", row.pk),
        "state": row.state,
        "reference": row.reference,
        "scheme": row.scheme,
        "recurrence": row.recurrence,
        "creditor_id": row.creditor_id,
        "counterparty_id": public_id("cpt", row.counterparty_id),
        "signed_on": _day(row.signed_on),
        "prenotification_days": row.prenotification_days,
        "last_used_on": _day(row.last_used_on),
        "lapses_on": _day(row.lapses_on),
        "amended_at": _moment(row.amended_at),
        "created_at": _moment(row.created_at),
        "changed_at": _moment(row.changed_at),
    }


def collection_data(payment: Payment, row: Collection) -> dict[str, Any]:
    """Return the JSON of a collection: its payment, its mandate and its days."""
    return {
        **payment_data(payment),
        "mandate_id": public_id("mdt", row.mandate_id) if row.mandate_id else None,
        "mandate_reference": row.reference,
        "scheme": row.scheme,
        "sequence_type": row.sequence_type,
        "collection_date": row.collection_date.isoformat(),
        "presented_for": _day(row.presented_for),
        "prenotify_on": row.prenotify_on.isoformat(),
        "prenotified_at": _moment(row.prenotified_at),
        "reserved_until": _day(row.reserved_until),
    }


def return_data(row: Return) -> dict[str, Any]:
    """Return the JSON of a return."""
    return {
        "id": public_id("rtn", row.pk),
        "payment_id": public_id("pay", row.payment_id),
        "type": row.kind,
        "state": row.state,
        "code": row.code,
        "reason": row.reason_class,
        "action": row.action,
        "amount": money_data(row.amount),
        "original_reference": row.original_reference,
        "effective_on": row.effective_on.isoformat(),
        "booked_on": _day(row.booked_on),
        "created_at": _moment(row.created_at),
    }


def recall_data(row: Recall) -> dict[str, Any]:
    """Return the JSON of a recall."""
    return {
        "id": public_id("rcl", row.pk),
        "payment_id": public_id("pay", row.payment_id),
        "state": row.state,
        "reason": row.reason,
        "answer_code": row.answer_code,
        "message_id": row.message_id,
        "requested_at": _moment(row.requested_at),
        "changed_at": _moment(row.changed_at),
    }


def _day(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment is not None else None
