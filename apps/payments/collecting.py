"""What a file of direct debits needs besides its payments: which are due, under which mandate, in which group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery

from apps.payments.ach_reserves import free_on
from apps.payments.domain.lifecycle import Kind
from apps.payments.domain.mandates import ACH, DEAD, MandateState, Scheme, lapses_on
from apps.payments.models import Batch, Payment
from apps.payments.models_debits import Collection, CollectionPolicy, Mandate

DEFAULT_RESERVE_DAYS = {Scheme.CORE.value: 56, Scheme.B2B.value: 5}
"""Core: the eight weeks of the refund without a reason. B2B: three TARGET days for a return, and a weekend."""

DEAD_STATES = tuple(state.value for state in DEAD)


def only_due(payments: QuerySet[Payment], *, today: date) -> QuerySet[Payment]:
    """Leave out collections that it is too early for, that nobody was told of, or whose mandate does not stand.

    Those without a mandate take back an entry of the ACH.
    """
    mandate_state = Mandate.objects.filter(pk=OuterRef("mandate_id")).values("state")
    due = Collection.objects.filter(submit_on__lte=today, prenotified_at__isnull=False).annotate(
        mandate_state=Subquery(mandate_state)
    )
    stands = Q(mandate_state=MandateState.ACTIVE.value) | Q(mandate_id__isnull=True)
    ready = due.filter(stands).values("pk")
    return payments.filter(~Q(kind=Kind.COLLECTION.value) | Q(pk__in=ready))


def assign_groups(payments: list[Payment], batch: Batch) -> None:
    """Say for each collection of a batch which group of the file it goes in, and for which day.

    A group is what one creditor collects under one scheme and sequence type on one day. What came too
    late for its day is presented for the first day that this file can reach.
    """
    rows = list(Collection.objects.filter(pk__in=[payment.pk for payment in payments]).order_by("id"))
    for row in rows:
        row.presented_for = max(row.collection_date, batch.execution_date)
    rows.sort(key=lambda row: (_group_of(row), row.pk))
    for number, (_key, members) in enumerate(groupby(rows, key=_group_of), start=1):
        for row in members:
            row.group_reference = f"{batch.message_id}-{number:04d}"
    Collection.objects.bulk_update(rows, ["group_reference", "presented_for"], batch_size=1_000)
    _note_use(rows)


def group_references(payments: Iterable[Payment], batch: Batch) -> dict[UUID, str]:
    """Tell in which group (PmtInf) of its file each payment of a batch went; transfers all go in the first."""
    rows = list(payments)
    keys = [row.pk for row in rows if row.kind == Kind.COLLECTION]
    collected = dict(Collection.objects.filter(pk__in=keys).values_list("pk", "group_reference"))
    return {row.pk: collected.get(row.pk) or f"{batch.message_id}-1" for row in rows}


def rail_options(payments: Iterable[Payment]) -> dict[UUID, dict[str, Any]]:
    """Return what the direct debit rail has to know of each collection, as it was ordered."""
    keys = [payment.pk for payment in payments if payment.kind == Kind.COLLECTION]
    return {row.pk: options_of(row) for row in Collection.objects.filter(pk__in=keys)}


def options_of(row: Collection) -> dict[str, Any]:
    """Return what the rail has to know of a collection (see `SepaDirectDebit`)."""
    return {
        "scheme": row.scheme,
        "sequence_type": row.sequence_type,
        "mandate_id": row.reference,
        "signed_on": row.signed_on,
        "creditor_id": row.creditor_id,
        "creditor_name": row.creditor_name,
        "original_mandate_id": row.original_reference,
        "original_creditor_id": row.original_creditor_id,
        "account_changed": row.account_changed,
        "collection_date": row.presented_for or row.collection_date,
        "group": row.group_reference,
    }


def _group_of(row: Collection) -> tuple[str, ...]:
    assert row.presented_for is not None
    return (
        row.creditor_id,
        row.creditor_name,
        row.scheme,
        row.sequence_type,
        row.presented_for.isoformat(),
    )


def _note_use(rows: list[Collection]) -> None:
    """Move the day on which each mandate would lapse; it is counted from its latest collection."""
    latest: dict[UUID, date] = {}
    for row in rows:
        if row.mandate_id is None:
            continue
        assert row.presented_for is not None
        latest[row.mandate_id] = max(row.presented_for, latest.get(row.mandate_id, row.presented_for))
    mandates = list(
        Mandate.objects.select_for_update(no_key=True)
        .filter(pk__in=latest, signed_on__isnull=False)
        .order_by("id")
    )
    for mandate in mandates:
        assert mandate.signed_on is not None
        mandate.last_used_on = max(latest[mandate.pk], mandate.last_used_on or latest[mandate.pk])
        mandate.lapses_on = lapses_on(mandate.signed_on, mandate.last_used_on)
    Mandate.objects.bulk_update(mandates, ["last_used_on", "lapses_on"], batch_size=1_000)


def amendment_was_told(mandate: Mandate) -> bool:
    """Tell whether a collection that was not in vain carries what was amended last."""
    told = Collection.objects.filter(mandate_id=mandate.pk).filter(
        ~Q(original_reference="") | ~Q(original_creditor_id="") | Q(account_changed=True)
    )
    payments = Payment.objects.filter(pk__in=told.values("pk"), created_at__gte=mandate.amended_at)
    return payments.exclude(state__in=DEAD_STATES).exists()


@dataclass(frozen=True, slots=True)
class Presented:
    """Where a collection stands in its file, and when the bank collects it."""

    group_reference: str
    day: date


def presented_collection(payment: Payment) -> Presented | None:
    """Return what a bank was told of a collection, or None for any other payment."""
    if payment.kind != Kind.COLLECTION:
        return None
    row = Collection.objects.filter(pk=payment.pk, presented_for__isnull=False).first()
    if row is None or row.presented_for is None:
        return None
    return Presented(row.group_reference, row.presented_for)


def reserve_until_final(payment: Payment, settled_on: date) -> None:
    """Say until when a settled collection's money stays in the reserve, by the organisation's policy."""
    scheme = Collection.objects.values_list("scheme", flat=True).filter(pk=payment.pk).first()
    if scheme is None:
        return
    if scheme == ACH:
        Collection.objects.filter(pk=payment.pk).update(reserved_until=free_on(payment, settled_on))
        return
    policy = CollectionPolicy.objects.filter(organisation_id=payment.organisation_id).first()
    days = reserve_days(policy, scheme)
    Collection.objects.filter(pk=payment.pk).update(reserved_until=settled_on + timedelta(days=days))


def reserve_days(policy: CollectionPolicy | None, scheme: str) -> int:
    """Return for how many days money is reserved: the policy's, or as long as a refund needs no reason."""
    if policy is None:
        return DEFAULT_RESERVE_DAYS[scheme]
    return policy.b2b_reserve_days if scheme == Scheme.B2B else policy.core_reserve_days
