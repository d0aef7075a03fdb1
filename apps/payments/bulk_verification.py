"""Asking whether the payees of a bulk order are who the payer says: from our own books, else from a provider.

Never inside a transaction. One look asks about a bounded number of payees, for a bounded time; what is
left stays unchecked, and the next look takes it up.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from apps.accounts import public as accounts
from apps.core import clock, tenancy
from apps.core.actors import Actor
from apps.core.commands import execute
from apps.core.crypto.runtime import key_ring
from apps.core.errors import NotFound
from apps.core.ids import public_id
from apps.payments import circuits
from apps.payments.bulk_results import VALID_FOR, latest, payees_of
from apps.payments.commands.bulk_decisions import BulkAnswer, NothingToVerify, RecordBulkVerification
from apps.payments.domain.orders import OrderState
from apps.payments.domain.payee import Result
from apps.payments.models import Counterparty
from apps.payments.models_orders import BulkOrder
from apps.payments.payee_verification import (
    PROVIDER,
    Finding,
    HttpProvider,
    PayeeProvider,
    note_call,
    our_own,
)

PAYEES_MAX, AT_ONCE, WITHIN_S = 500, 8, 20.0
"""About how many payees one look asks, how many questions are under way, and how long it begins new ones."""


def verify_bulk_order(
    organisation_id: UUID, order_id: UUID, *, actor: Actor, provider: PayeeProvider | None = None
) -> int:
    """Ask about payees without a fresh answer and store what is found. Returns how many were answered.

    Raises NotFound, NothingToVerify.
    """
    waiting = _waiting(organisation_id, order_id)
    answers = [
        BulkAnswer(key, found.result.value, found.provider, found.matched_name)
        for key, found in _found(waiting, provider or HttpProvider(), actor)
    ]
    if answers:
        command = RecordBulkVerification(organisation_id, order_id, tuple(answers))
        execute(command, actor=actor, key=None, at=clock.database_now())
    return len(answers)


_Payee = tuple[UUID, str, str]


def _waiting(organisation_id: UUID, order_id: UUID) -> list[_Payee]:
    """Return key, name and IBAN of payees that nobody has been asked about lately. Raises as above."""
    with tenancy.scope(organisation_id):
        order = BulkOrder.objects.filter(pk=order_id).first()
        if order is None:
            raise NotFound(object="bulk_order", id=public_id("blk", order_id))
        if not order.verifies_payees or order.state != OrderState.ORDERED:
            raise NothingToVerify(state=order.state)
        since = clock.database_now() - VALID_FOR
        fresh = {row.counterparty_id for row in latest(order) if row.answered_at > since}
        keys = sorted(payees_of(order) - fresh)[:PAYEES_MAX]
        rows = Counterparty.objects.filter(pk__in=keys).order_by("id")
        with key_ring().at_hand([(organisation_id, key) for key in keys]):
            return [(row.pk, row.name.reveal(), row.account.reveal()) for row in rows]


def _found(waiting: list[_Payee], provider: PayeeProvider, actor: Actor) -> Iterator[tuple[UUID, Finding]]:
    own = _our_ibans({iban for _, _, iban in waiting})
    elsewhere = []
    for key, name, iban in waiting:
        finding = our_own(name, iban) if iban in own else None
        if finding is None:
            elsewhere.append((key, name, iban))
        else:
            yield key, finding
    ends = time.monotonic() + WITHIN_S
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for start in range(0, len(elsewhere), AT_ONCE):
            if time.monotonic() > ends:
                return
            some = elsewhere[start : start + AT_ONCE]
            at = clock.database_now()
            with tenancy.scope(tenancy.PLATFORM):
                passes = circuits.passable([PROVIDER], at=at)[PROVIDER]
            if not passes:
                yield from ((key, Finding(Result.NOT_POSSIBLE, PROVIDER)) for key, _, _ in some)
                continue
            findings = list(threads.map(lambda one: provider.verify(name=one[1], iban=one[2]), some))
            for (key, _, _), finding in zip(some, findings, strict=True):
                note_call(finding.error, at=at)
                yield key, finding


def _our_ibans(ibans: set[str]) -> set[str]:
    with tenancy.scope(tenancy.PLATFORM):
        return set(accounts.PaymentAccount.objects.filter(iban__in=ibans).values_list("iban", flat=True))
