"""The ledger templates of payments: what each step of a life cycle posts.

Every journal carries the payment's public id as its reference, belongs to the payment's organisation
and takes its key from the command, so that a repeated command posts nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from uuid import UUID

from apps.accounts.public import PaymentAccount, companion_code
from apps.core.commands import Context
from apps.core.ids import public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments.models import Payment
from apps.payments.routing import SettlementRoute

BATCH = 1_000
"""How many holds one call of the ledger captures."""

CLAIM_TRIES = 3
"""How often we look again at a balance that others are spending from, before all of it is a claim."""


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


def hold_many(payments: list[Payment], *, account_id: int, route: SettlementRoute, context: Context) -> None:
    """Reserve the amounts of many new payments on one account, and give each its hold.

    Raises the ledger's refusal of the first that cannot be held; then none is.
    """
    for start in range(0, len(payments), BATCH):
        chunk = payments[start : start + BATCH]
        drafts = [
            ledger.HoldDraft(
                # New payments have new keys at each try: the command and the place name the step.
                key=context.step_key(f"hold:{place}"),
                organisation_id=payment.organisation_id,
                account_id=account_id,
                counter_id=route.clearing_out_id,
                amount=payment.amount,
                effective_date=context.at.date(),
                actor=str(context.actor),
                reference=public_id("pay", payment.pk),
                at=context.at,
            )
            for place, payment in enumerate(chunk, start)
        ]
        for payment, seq in zip(chunk, _posted(drafts), strict=True):
            payment.settlement_account_id, payment.hold_id = route.id, seq


def release_many(payments: list[Payment], *, context: Context) -> list[int]:
    """Give the reserved amounts of many payments free. Returns the journals' numbers, in their order."""
    seqs: list[int] = []
    for start in range(0, len(payments), BATCH):
        seqs += _posted(
            [
                ledger.ReleaseDraft(
                    key=_key(payment, "release", context),
                    organisation_id=payment.organisation_id,
                    hold_id=_hold_of(payment),
                    effective_date=context.at.date(),
                    actor=str(context.actor),
                    reference=public_id("pay", payment.pk),
                    at=context.at,
                )
                for payment in payments[start : start + BATCH]
            ]
        )
    return seqs


def _posted(drafts: Sequence[ledger.Draft]) -> list[int]:
    """Post drafts in one call and return the journals' numbers. Raises the refusal of the first refused."""
    seqs = []
    for result in ledger.post_many(drafts):
        if not result.ok or result.seq is None:
            raise ledger.refusal_of(result)
        seqs.append(result.seq)
    return seqs


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
    seqs: list[int] = []
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
        seqs += _posted(drafts)
    return seqs


def move_parts(
    payment: Payment,
    kind: str,
    parts: tuple[tuple[int, int, Money], ...],
    *,
    effective: date,
    context: Context,
) -> int | None:
    """Post (debit, credit, amount) parts as one journal, or return None where a balance does not allow it.

    Raises the ledger's other refusals.
    """
    draft = replace(
        journal(payment, kind, (), effective=effective, context=context),
        postings=tuple(
            ledger.Posting(debit=debit, credit=credit, amount=amount) for debit, credit, amount in parts
        ),
    )
    (result,) = ledger.post_many([draft])
    if result.code in (ledger.ResultCode.INSUFFICIENT_FUNDS, ledger.ResultCode.CEILING_EXCEEDED):
        return None
    if not result.ok or result.seq is None:
        raise ledger.refusal_of(result)
    return result.seq


def free_reserve(payment: Payment, account: PaymentAccount, *, effective: date, context: Context) -> int:
    """Post a payment's amount out of the reserve: to what the holder owes us, the rest to the account.

    Raises the ledger's refusals, such as a closed account.
    """
    for _ in range(CLAIM_TRIES):
        owed = -ledger.balance(claim_on(account)).posted  # an asset: debits are negative here
        seq = _free(payment, account, max(0, owed), effective=effective, context=context)
        if seq is not None:
            return seq
    seq = _free(payment, account, 0, effective=effective, context=context)
    if seq is None:
        raise RuntimeError("a reserve holds what is settled and not final")
    return seq


def _free(
    payment: Payment, account: PaymentAccount, owed_minor: int, *, effective: date, context: Context
) -> int | None:
    whole = payment.amount
    repaid = Money(min(owed_minor, whole.minor), whole.currency)
    targets = ((claim_on(account), repaid), (account.ledger_account_id, whole - repaid))
    parts = tuple((reserve_of(account), target, amount) for target, amount in targets if amount.minor)
    return move_parts(payment, "free", parts, effective=effective, context=context)


def reserve_of(account: PaymentAccount) -> int:
    """Return the ledger account where an account's collected money lies until it is final.

    No order names it, so nothing but finality and returns moves what is in it; its floor is zero.
    """
    return _companion(account, "reserve", kind="liability", floor_minor=0)


def claim_on(account: PaymentAccount) -> int:
    """Return the ledger account of what the account's holder owes us, because a bank took it from us.

    Its ceiling is zero: no more than what is owed can be paid back.
    """
    return _companion(account, "claim", kind="asset", ceiling_minor=0)


def _companion(
    account: PaymentAccount,
    part: str,
    *,
    kind: str,
    floor_minor: int | None = None,
    ceiling_minor: int | None = None,
) -> int:
    return ledger.open_account(
        organisation_id=account.organisation_id,
        code=companion_code(account.public_id, part),
        name=f"{part.capitalize()} of {account.public_id}",
        kind=kind,
        currency=account.currency,
        floor_minor=floor_minor,
        ceiling_minor=ceiling_minor,
    ).id


def claim(
    payment: Payment,
    account: PaymentAccount,
    *,
    clearing_in_id: int,
    rest: tuple[tuple[int, int], ...],
    effective: date,
    context: Context,
) -> int:
    """Take a payment's amount from its account as far as it goes, and what is missing as a claim.

    Never refused: the bank has the money already. `rest` are further pairs for the whole amount.
    """
    whole = payment.amount
    tail = tuple((debit, credit, whole) for debit, credit in rest)
    for _ in range(CLAIM_TRIES):
        balance = ledger.balance(account.ledger_account_id)
        usable = 0 if balance.frozen or balance.closed else balance.available
        there = Money(max(0, min(usable, whole.minor)), whole.currency)
        parts = _split(account, clearing_in_id, there, whole)
        seq = move_parts(payment, "claim", parts + tail, effective=effective, context=context)
        if seq is not None:
            return seq
    nothing = Money(0, whole.currency)  # it was spent under our hands each time
    seq = move_parts(
        payment,
        "claim",
        _split(account, clearing_in_id, nothing, whole) + tail,
        effective=effective,
        context=context,
    )
    assert seq is not None, "a claim has no floor"
    return seq


def _split(
    account: PaymentAccount, clearing_in_id: int, there: Money, whole: Money
) -> tuple[tuple[int, int, Money], ...]:
    missing = whole - there
    parts = []
    if there.minor:
        parts.append((account.ledger_account_id, clearing_in_id, there))
    if missing.minor:
        parts.append((claim_on(account), clearing_in_id, missing))
    return tuple(parts)
