"""Reading mandates, collections, returns and recalls. Every function needs an open scope."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import QuerySet

from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.payments.domain.lifecycle import MACHINES, Kind
from apps.payments.models import Payment
from apps.payments.models_debits import Collection, Mandate, Recall, Return


def mandates(*, states: Sequence[str] = ()) -> QuerySet[Mandate]:
    """Return mandates in these states, or all. Order and cut them before reading."""
    rows = Mandate.objects.all()
    return rows.filter(state__in=states) if states else rows


def mandate(mandate_id: UUID) -> Mandate:
    """Return a mandate. Raises NotFound."""
    row = Mandate.objects.filter(pk=mandate_id).first()
    if row is None:
        raise NotFound(object="mandate", id=public_id("mdt", mandate_id))
    return row


def collections(*, states: Sequence[str] = (), mandate_id: UUID | None = None) -> QuerySet[Payment]:
    """Return the payments that are collections under a mandate of ours. Order and cut them before reading."""
    beside = Collection.objects.all()
    if mandate_id is not None:
        beside = beside.filter(mandate_id=mandate_id)
    rows = Payment.objects.filter(kind="collection", pk__in=beside.values("pk"))
    return rows.filter(state__in=states) if states else rows


def collection_states() -> list[str]:
    """Return the states that a collection can be in, in the order of its life."""
    return MACHINES[Kind.COLLECTION].states()


def collection(payment_id: UUID) -> tuple[Payment, Collection]:
    """Return a collection's payment and what it is besides. Raises NotFound."""
    payment = Payment.objects.filter(pk=payment_id).first()
    row = Collection.objects.filter(pk=payment_id).first()
    if payment is None or row is None:
        raise NotFound(object="collection", id=public_id("pay", payment_id))
    return payment, row


def collections_by_payment(keys: Sequence[UUID]) -> dict[UUID, Collection]:
    """Return what payments are besides, as collections, by key."""
    return Collection.objects.in_bulk(keys)


def returns(*, payment_id: UUID | None = None) -> QuerySet[Return]:
    """Return what came back, of one payment or of all. Order and cut it before reading."""
    rows = Return.objects.all()
    return rows if payment_id is None else rows.filter(payment_id=payment_id)


def recall_of(payment_id: UUID) -> Recall:
    """Return the recall of a payment. Raises NotFound."""
    row = Recall.objects.filter(payment_id=payment_id).first()
    if row is None:
        raise NotFound(object="recall", id=public_id("pay", payment_id))
    return row
