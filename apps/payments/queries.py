"""Reading payments. Every function needs an open scope: the organisation's, or the platform's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.payments.domain.lifecycle import TABLES, Event, Kind, State, fold
from apps.payments.models import Batch, Counterparty, Payment, PaymentEvent, SettlementAccount
from apps.payments.routing import SettlementRoute, route_of


def payments(
    *,
    kinds: Sequence[str] = (),
    states: Sequence[str] = (),
    account_id: UUID | None = None,
    parent_id: UUID | None = None,
) -> QuerySet[Payment]:
    """Return payments that match all that is given. Order and cut it before reading."""
    rows = Payment.objects.all()
    if kinds:
        rows = rows.filter(kind__in=kinds)
    if states:
        rows = rows.filter(state__in=states)
    if account_id is not None:
        rows = rows.filter(account_id=account_id)
    if parent_id is not None:
        rows = rows.filter(parent_id=parent_id)
    return rows


def payment(payment_id: UUID) -> Payment:
    """Return a payment. Raises NotFound."""
    row = Payment.objects.filter(pk=payment_id).first()
    if row is None:
        raise NotFound(object="payment", id=public_id("pay", payment_id))
    return row


def events_of(payment_id: UUID) -> list[PaymentEvent]:
    """Return what happened to a payment, in order."""
    return list(PaymentEvent.objects.filter(payment_id=payment_id).order_by("number"))


def counterparty_of(row: Payment) -> Counterparty | None:
    """Return who is at the other end, still sealed."""
    return Counterparty.objects.filter(pk=row.counterparty_id).first() if row.counterparty_id else None


def settlement_accounts() -> list[SettlementRoute]:
    """Return our own bank accounts. Needs the platform's scope."""
    return [route_of(row) for row in SettlementAccount.objects.order_by("currency", "iban")]


def batches() -> QuerySet[Batch]:
    """Return the files of payments."""
    return Batch.objects.all()


def money_moved(since: datetime) -> list[dict[str, Any]]:
    """Sum settled payments by day, currency and kind since a moment, in minor units."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (e.at AT TIME ZONE 'UTC')::date AS day, p.currency, p.kind, "
            "count(*), sum(p.amount_minor)::bigint "
            "FROM payments_paymentevent e JOIN payments_payment p ON p.id = e.payment_id "
            "WHERE e.applied AND e.to_state = 'settled' AND e.at >= %s "
            "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
            [since],
        )
        names = ("day", "currency", "kind", "payments", "minor")
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def count_by_state(since: datetime) -> dict[str, int]:
    """Count payments ordered since a moment, by the state they are in now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT state, count(*) FROM payments_payment WHERE created_at >= %s GROUP BY state", [since]
        )
        return dict(cursor.fetchall())


@dataclass(frozen=True, slots=True)
class Divergence:
    """A payment whose row is not what its events fold to."""

    payment_id: str
    stored: str
    folded: str


def verify_payments(rows: QuerySet[Payment]) -> tuple[int, list[Divergence]]:
    """Fold the events of each payment and compare with its row. Returns how many, and what differs."""
    checked, wrong = 0, []
    for row in rows.order_by("id").iterator(chunk_size=500):
        history = events_of(row.pk)
        folded = _folded(row, history)
        stored = f"{row.state} v{row.version}"
        checked += 1
        if folded != stored:
            wrong.append(Divergence(public_id("pay", row.pk), stored, folded))
    return checked, wrong


def _folded(row: Payment, history: list[PaymentEvent]) -> str:
    """Return "state vN" as the events say, or what is wrong with them."""
    numbers = [event.number for event in history]
    if numbers != list(range(1, len(history) + 1)):
        return f"events {numbers} have gaps"
    kind = Kind(row.kind)
    applied = [Event(event.event) for event in history if event.applied]
    try:
        state = fold(kind, applied)
    except Exception as error:
        return f"impossible history: {error}"
    return f"{state.value if state else ''} v{len(history)}"


def legal_events(row: Payment) -> list[str]:
    """Return what people may ask of a payment now: approve, decline, cancel."""
    asked = (Event.APPROVE, Event.DECLINE, Event.CANCEL)
    return [
        event.value
        for event in asked
        if any(step.source == State(row.state) and step.event == event for step in TABLES[Kind(row.kind)])
    ]
