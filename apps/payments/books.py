"""The ledger templates of payments: what each step of a life cycle posts.

Every journal carries the payment's public id as its reference, belongs to the payment's organisation
and takes its key from the command, so that a repeated command posts nothing twice.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

from apps.core.commands import Context
from apps.core.ids import public_id
from apps.ledger import public as ledger
from apps.payments.models import Payment
from apps.payments.routing import SettlementRoute

BATCH = 1_000
"""How many holds one call of the ledger captures."""


def hold_for(payment: Payment, *, account_id: int, route: SettlementRoute, context: Context) -> int:
    """Reserve a payment's amount on its account. Returns the hold's id. Raises the ledger's refusals."""
    hold = ledger.place_hold(
        key=_key(payment, "hold", context),
        organisation_id=payment.organisation_id,
        account_id=account_id,
        counter_id=route.clearing_out_id,
        amount=payment.amount,
        expires_at=None,
        effective_date=context.at.date(),
        actor=str(context.actor),
        reference=public_id("pay", payment.pk),
        at=context.at,
    )
    return hold.id


def release(payment: Payment, *, context: Context) -> int:
    """Give a payment's reserved amount free. Returns the journal's number."""
    return ledger.release_hold(
        key=_key(payment, "release", context),
        organisation_id=payment.organisation_id,
        hold_id=_hold_of(payment),
        effective_date=context.at.date(),
        actor=str(context.actor),
        reference=public_id("pay", payment.pk),
        at=context.at,
    ).seq


def move(
    payment: Payment,
    kind: str,
    steps: tuple[tuple[int, int], ...],
    *,
    effective: date,
    context: Context,
) -> int:
    """Post the payment's amount from account to account along the steps, as one journal.

    `steps` are (debit, credit) ledger account ids. Returns the journal's number. Raises the ledger's
    refusals, such as insufficient funds.
    """
    return ledger.post(journal(payment, kind, steps, effective=effective, context=context)).seq


def journal(
    payment: Payment,
    kind: str,
    steps: tuple[tuple[int, int], ...],
    *,
    effective: date,
    context: Context,
) -> ledger.JournalDraft:
    """Draft the journal that `move` posts, for those who post many at once."""
    return ledger.JournalDraft(
        key=_key(payment, kind, context),
        kind=kind,
        organisation_id=payment.organisation_id,
        postings=tuple(
            ledger.Posting(debit=debit, credit=credit, amount=payment.amount) for debit, credit in steps
        ),
        effective_date=effective,
        actor=str(context.actor),
        reference=public_id("pay", payment.pk),
    )


def _key(payment: Payment, step: str, context: Context) -> UUID:
    """Derive the ledger's permanent key of a step.

    A payment that the command itself makes has a new key at each try, so its step is named by the
    command alone: a repetition, however late, finds the first journal and cannot post a second.
    """
    return context.step_key(step if payment._state.adding else f"{step}:{payment.pk}")


def _hold_of(payment: Payment) -> int:
    assert payment.hold_id is not None, "this kind of payment begins with a hold"
    return payment.hold_id


def capture_many(payments: list[Payment], *, effective: date, context: Context) -> list[int]:
    """Capture the holds of many payments in one call. Returns the journals' numbers, in their order.

    Raises the ledger's refusal of the first that cannot be captured; then none is.
    """
    seqs = []
    for start in range(0, len(payments), BATCH):
        drafts = [
            ledger.CaptureDraft(
                key=_key(payment, "capture", context),
                organisation_id=payment.organisation_id,
                hold_id=_hold_of(payment),
                postings=(ledger.Posting(debit=None, credit=None, amount=payment.amount),),
                effective_date=effective,
                actor=str(context.actor),
                reference=public_id("pay", payment.pk),
                at=context.at,
            )
            for payment in payments[start : start + BATCH]
        ]
        for result in ledger.post_many(drafts):
            if not result.ok or result.seq is None:
                raise ledger.refusal_of(result)
            seqs.append(result.seq)
    return seqs
