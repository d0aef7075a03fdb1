"""Reading payments. Every function needs an open scope: the organisation's, or the platform's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, QuerySet

from apps.core.crypto.errors import KeyDestroyed
from apps.core.crypto.runtime import key_ring
from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.payments.domain.lifecycle import Event, Kind, State
from apps.payments.lifecycle_store import lives
from apps.payments.models import Batch, Counterparty, Living, Payment, PaymentEvent, SettlementAccount
from apps.payments.models_debits import Mandate
from apps.payments.models_fx import FxQuote
from apps.payments.models_instant import PayeeVerification
from apps.payments.models_orders import BulkOrder, StandingOrder
from apps.payments.routing import SettlementRoute, route_of

_NAMES_AT_ONCE = 5_000


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


def fx_quote(quote_id: UUID) -> tuple[FxQuote, UUID | None]:
    """Return a quote for exchanging currencies, and the payment that used it. Raises NotFound."""
    row = FxQuote.objects.filter(pk=quote_id).first()
    if row is None:
        raise NotFound(object="fx_quote", id=public_id("fxq", quote_id))
    return row, Payment.objects.filter(quote_id=quote_id).values_list("pk", flat=True).first()


_OVER = ("settled", "final", "returned", "rejected", "declined", "cancelled", "failed", "expired")


def under_way(account_id: UUID) -> dict[str, int]:
    """Count what is not over on an account: its payments, and orders that will make more of them.

    A settled collection is under way until it is final.
    """
    ours = Payment.objects.filter(account_id=account_id)
    moving = ours.exclude(state__in=_OVER) | ours.filter(kind="collection", state="settled")
    standing = StandingOrder.objects.filter(state__in=["ordered", "active", "paused"])
    return {
        "payments": moving.count(),
        "standing_orders": standing.filter(account_id=account_id).count(),
        "standing_orders_to_it": standing.filter(other_account_id=account_id).count(),
    }


def events_of(payment_id: UUID) -> list[PaymentEvent]:
    """Return what happened to a payment itself, in order."""
    return list(PaymentEvent.objects.filter(object_id=payment_id).order_by("number"))


def life_events(prefix: str, key: UUID) -> list[PaymentEvent]:
    """Return what happened to an object that is no payment, such as a mandate or an order, in order."""
    kinds = [model.OBJECT for model in lives() if prefix == model.PREFIX and prefix != Payment.PREFIX]
    return list(PaymentEvent.objects.filter(object_id=key, object_type__in=kinds).order_by("number"))


def story_of(payment_id: UUID) -> list[PaymentEvent]:
    """Return what happened to a payment and to all that belongs to it, by time."""
    return list(PaymentEvent.objects.filter(payment_id=payment_id).order_by("at", "id"))


def counterparty_of(row: Payment | StandingOrder | Mandate) -> Counterparty | None:
    """Return who is at the other end, still sealed."""
    return Counterparty.objects.filter(pk=row.counterparty_id).first() if row.counterparty_id else None


def counterparties_of(rows: Iterable[Payment | Mandate]) -> dict[UUID, Counterparty]:
    """Return who is at the other end of each, still sealed, by key."""
    return Counterparty.objects.in_bulk({row.counterparty_id for row in rows if row.counterparty_id})


def count_of_order(order: BulkOrder) -> dict[str, int]:
    """Count the payments of a bulk order by the state they are in now."""
    rows = Payment.objects.filter(bulk_order_id=order.pk).order_by().values_list("state")
    return dict(rows.annotate(number=Count("id")).order_by("state"))


def counterparty_names(payment_ids: Collection[UUID]) -> dict[UUID, str]:
    """Open the names of who is at the other end of many payments; those that were erased are left out.

    Needs a scope that shows the payments. Each name is opened once, their keys fetched together.
    """
    of_payment: dict[UUID, UUID | None] = {}
    wanted = sorted(payment_ids)
    for start in range(0, len(wanted), _NAMES_AT_ONCE):
        rows = Payment.objects.filter(
            id__in=wanted[start : start + _NAMES_AT_ONCE], counterparty_id__isnull=False
        )
        of_payment.update(rows.values_list("id", "counterparty_id"))
    names: dict[UUID, str] = {}
    keys = sorted({key for key in of_payment.values() if key is not None})
    for start in range(0, len(keys), _NAMES_AT_ONCE):
        names.update(_names_of(keys[start : start + _NAMES_AT_ONCE]))
    return {key: names[other] for key, other in of_payment.items() if other and other in names}


def _names_of(counterparty_ids: list[UUID]) -> dict[UUID, str]:
    found = list(Counterparty.objects.filter(pk__in=counterparty_ids).only("id", "organisation_id", "name"))
    names: dict[UUID, str] = {}
    with key_ring().at_hand({(row.organisation_id, row.id) for row in found}):
        for row in found:
            with suppress(KeyDestroyed):
                names[row.id] = row.name.reveal()
    return names


def payee_verification(key: UUID) -> PayeeVerification:
    """Return a verification of a payee. Raises NotFound."""
    row = PayeeVerification.objects.filter(pk=key).first()
    if row is None:
        raise NotFound(object="payee_verification", id=public_id("vop", key))
    return row


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
    """An object whose row is not what its events fold to."""

    id: str
    stored: str
    folded: str


def verify_lives() -> tuple[dict[str, int], list[Divergence]]:
    """Fold the events of every payment and of all else that has a life, and compare with the rows.

    Returns how many of each kind there are, and what differs. Needs the platform's scope.
    """
    checked: dict[str, int] = {}
    wrong: list[Divergence] = []
    for model in lives():
        count, differing = verify(model._default_manager.all())
        checked[model.OBJECT] = count
        wrong += differing
    return checked, wrong


def verify(rows: QuerySet[Any]) -> tuple[int, list[Divergence]]:
    """Fold the events of each row and compare with it. Returns how many, and what differs."""
    checked, wrong = 0, []
    for chunk in batched(rows.order_by("id").iterator(chunk_size=500), 500):
        histories = _histories([row.pk for row in chunk])
        for row in chunk:
            folded = _folded(row, histories.get(row.pk, []))
            stored = f"{row.state} v{row.version}"
            if folded != stored:
                wrong.append(Divergence(public_id(row.PREFIX, row.pk), stored, folded))
        checked += len(chunk)
    return checked, wrong


def batched(rows: Iterable[Living], size: int) -> Iterator[list[Living]]:
    """Cut what comes into lists of at most this size."""
    walker = iter(rows)
    while chunk := list(islice(walker, size)):
        yield chunk


def _histories(keys: list[UUID]) -> dict[UUID, list[PaymentEvent]]:
    histories: dict[UUID, list[PaymentEvent]] = defaultdict(list)
    for event in PaymentEvent.objects.filter(object_id__in=keys).order_by("object_id", "number"):
        histories[event.object_id].append(event)
    return histories


def _folded(row: Living, history: list[PaymentEvent]) -> str:
    """Return "state vN" as the events say, or what is wrong with them."""
    numbers = [event.number for event in history]
    if numbers != list(range(1, len(history) + 1)):
        return f"events {numbers} have gaps"
    try:
        state = row.machine.fold(row.machine.event(event.event) for event in history if event.applied)
    except Exception as error:
        return f"impossible history: {error}"
    return f"{state or ''} v{len(history)}"


def legal_events(row: Payment) -> list[str]:
    """Return what people may ask of a payment now: approve, decline, cancel, confirm or deny it left.

    Of a card payment under review: resume or abandon.
    """
    if row.kind == Kind.CARD and row.state == State.REVIEW:
        return ["resume", Event.ABANDON.value]
    asked = (Event.APPROVE, Event.DECLINE, Event.CANCEL, Event.CONFIRM, Event.DENY)
    possible = row.machine.allowed(row.state)
    return [event.value for event in asked if event.value in possible]
