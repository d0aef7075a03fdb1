"""What the ledger does: open accounts, post, hold, capture, release, reverse.

Everything joins the caller's transaction on the default connection, under its scope. Balances are
locked in the order of account ids, after any row of the caller's own. A refusal carries its numbers
and leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Context, Decimal
from typing import Any
from uuid import UUID

from apps.core.errors import Invalid, Refusal
from apps.core.ids import uuid7
from apps.core.money import Money, exponent
from apps.ledger import posting as _posting
from apps.ledger.domain import (
    AccountKind,
    CaptureDraft,
    Draft,
    HoldDraft,
    IncreaseDraft,
    JournalDraft,
    Posting,
    ReleaseDraft,
    Result,
    ResultCode,
    ReversalDraft,
)
from apps.ledger.errors import (
    AccountClosed,
    AccountDiffers,
    AccountNotEmpty,
    CeilingExceeded,
    InsufficientFunds,
    UnknownAccount,
    UnknownJournal,
    refusal_of,
)
from apps.ledger.queries import (
    Hold,
    LedgerAccount,
    account,
    hold,
    journal,
    known,
    rows,
)


@dataclass(frozen=True, slots=True)
class PostedJournal:
    """A journal that stands in the books; `replayed` says that an earlier call made it."""

    seq: int
    replayed: bool


def post(draft: Draft) -> PostedJournal:
    """Post one journal, or do one thing to a hold.

    Raises a LedgerRefusal that says why not: InsufficientFunds, CeilingExceeded, AccountFrozen,
    AccountClosed, UnknownAccount, PeriodClosed, ConditionFailed, KeyConflict and the rest of
    `apps.ledger.errors`. The same key with the same content returns the first journal.
    """
    (result,) = _posting.call((draft,))
    return _posted(result)


def post_many(drafts: Sequence[Draft]) -> list[Result]:
    """Post a batch (at most 5,000 items, 20,000 postings) and tell for each item what became of it.

    Items stand alone unless `linked` ties them to the next one. A refused item writes nothing.
    """
    return _posting.call(drafts)


def _posted(result: Result) -> PostedJournal:
    if not result.ok or result.seq is None:
        raise refusal_of(result)
    return PostedJournal(result.seq, result.code is ResultCode.EXISTS)


def place_hold(
    *,
    key: UUID,
    organisation_id: UUID,
    account_id: int,
    counter_id: int,
    amount: Money,
    expires_at: datetime | None,
    effective_date: date,
    actor: str,
    reference: str = "",
    at: datetime | None = None,
    metadata: dict[str, Any] | None = None,
) -> Hold:
    """Reserve an amount on an account for a later capture to the counter account.

    It counts at once in what is available, until it is captured, released or has expired at
    `expires_at`. Raises InsufficientFunds and the account's other refusals.
    """
    draft = HoldDraft(
        key=key, organisation_id=organisation_id, account_id=account_id, counter_id=counter_id, amount=amount,
        expires_at=expires_at, effective_date=effective_date, actor=actor, reference=reference, at=at,
        metadata=metadata,
    )  # fmt: skip
    return hold(post(draft).seq)


def increase_hold(
    *,
    key: UUID,
    organisation_id: UUID,
    hold_id: int,
    amount: Money,
    effective_date: date,
    actor: str,
    reference: str = "",
    expires_at: datetime | None = None,
    at: datetime | None = None,
) -> PostedJournal:
    """Reserve that much more under a hold. Raises InsufficientFunds, UnknownHold, HoldClosed, HoldExpired."""
    return post(
        IncreaseDraft(
            key=key,
            organisation_id=organisation_id,
            hold_id=hold_id,
            amount=amount,
            expires_at=expires_at,
            effective_date=effective_date,
            actor=actor,
            reference=reference,
            at=at,
        )
    )


def capture_hold(
    *,
    key: UUID,
    organisation_id: UUID,
    hold_id: int,
    amount: Money,
    effective_date: date,
    actor: str,
    reference: str = "",
    at: datetime | None = None,
    counter_id: int | None = None,
    final: bool = False,
    metadata: dict[str, Any] | None = None,
) -> PostedJournal:
    """Post part or all of a reserved amount, to the hold's counter account or another one.

    Several captures may share a hold; `final` releases what is left. Raises HoldExceeded, HoldExpired,
    HoldClosed, UnknownHold.
    """
    return post(
        CaptureDraft(
            key=key,
            organisation_id=organisation_id,
            hold_id=hold_id,
            final=final,
            metadata=metadata,
            at=at,
            postings=(Posting(debit=None, credit=counter_id, amount=amount),),
            effective_date=effective_date,
            actor=actor,
            reference=reference,
        )
    )


def release_hold(
    *,
    key: UUID,
    organisation_id: UUID,
    hold_id: int,
    effective_date: date,
    actor: str,
    reference: str = "",
    at: datetime | None = None,
    amount: Money | None = None,
) -> PostedJournal:
    """Give a reserved amount free: all that is left, or the amount given. Raises HoldClosed, UnknownHold."""
    return post(
        ReleaseDraft(
            key=key,
            organisation_id=organisation_id,
            hold_id=hold_id,
            at=at,
            amount_minor=None if amount is None else amount.minor,
            effective_date=effective_date,
            actor=actor,
            reference=reference,
        )
    )


def reverse(
    *,
    key: UUID,
    organisation_id: UUID,
    seq: int,
    effective_date: date,
    actor: str,
    reference: str = "",
    at: datetime | None = None,
    amounts: dict[int, Money] | None = None,
    metadata: dict[str, Any] | None = None,
) -> PostedJournal:
    """Undo a journal by a journal of its own: as a whole, or by the amounts given for its lines.

    The reversals of a line never sum to more than the line. Raises UnknownJournal, ReversalExceeded,
    NotReversible, and the refusals of a posting the other way round.
    """
    original = journal(seq)
    wanted = amounts or {line.line: Money(line.amount_minor, line.currency) for line in original.postings}
    by_line = {line.line: line for line in original.postings}
    if unknown := sorted(set(wanted) - set(by_line)):
        raise UnknownJournal(seq=seq, line=unknown[0])
    return post(
        ReversalDraft(
            key=key,
            organisation_id=organisation_id,
            reverses_seq=seq,
            metadata=metadata,
            at=at,
            postings=tuple(
                Posting(
                    debit=by_line[line].credit_id,
                    credit=by_line[line].debit_id,
                    amount=amount,
                    reverses_line=line,
                )
                # Backwards, so that money passes through the accounts between as it came.
                for line, amount in sorted(wanted.items(), reverse=True)
            ),
            effective_date=effective_date,
            actor=actor,
            reference=reference or original.reference,
        )
    )


def exchange(
    *,
    key: UUID,
    organisation_id: UUID,
    sold: Money,
    bought: Money,
    source_id: int,
    target_id: int,
    position_sold_id: int,
    position_bought_id: int,
    effective_date: date,
    actor: str,
    reference: str = "",
    at: datetime | None = None,
) -> PostedJournal:
    """Exchange currencies in one journal (`exchange_draft`). Raises the refusals of a posting."""
    return post(
        exchange_draft(
            key=key,
            organisation_id=organisation_id,
            sold=sold,
            bought=bought,
            source_id=source_id,
            target_id=target_id,
            position_sold_id=position_sold_id,
            position_bought_id=position_bought_id,
            effective_date=effective_date,
            actor=actor,
            reference=reference,
            at=at,
        )
    )


def exchange_draft(
    *,
    key: UUID,
    organisation_id: UUID,
    sold: Money,
    bought: Money,
    source_id: int,
    target_id: int,
    position_sold_id: int,
    position_bought_id: int,
    effective_date: date,
    actor: str,
    reference: str = "",
    at: datetime | None = None,
    charges: tuple[Posting, ...] = (),
) -> JournalDraft:
    """Draft one journal that exchanges currencies through the position accounts of the two.

    Each currency sums to zero on its own; the position accounts show what the organisation is long or
    short of. `charges` are further postings of the same journal, such as a fee. The rate stored is units
    bought for one unit sold, in major units, exact to 12 digits. Raises Invalid.
    """
    if sold.currency == bought.currency or sold.minor <= 0 or bought.minor <= 0:
        raise Invalid(field="bought", reason="two amounts above zero in two currencies")
    scale = Decimal(10) ** (exponent(sold.currency) - exponent(bought.currency))
    rate = (Context(prec=12).divide(Decimal(bought.minor), Decimal(sold.minor)) * scale).normalize()
    return JournalDraft(
        key=key,
        kind="ledger.exchange",
        organisation_id=organisation_id,
        postings=(
            Posting(debit=source_id, credit=position_sold_id, amount=sold),
            *charges,
            Posting(debit=position_bought_id, credit=target_id, amount=bought),
        ),
        rate=rate,
        effective_date=effective_date,
        actor=actor,
        reference=reference,
        at=at,
    )


def set_monitor(
    *, organisation_id: UUID, account_id: int, direction: str, threshold_minor: int, at: datetime
) -> UUID:
    """Have `ledger.monitor_crossed` told whenever the account's posted balance goes below or above a threshold.

    Returns the monitor's id. Raises UnknownAccount, Invalid.
    """
    if direction not in ("below", "above"):
        raise Invalid(field="direction")
    _check_limits(threshold_minor, None)
    monitor_id = uuid7(at)
    made = rows(
        "SELECT ledger.set_monitor(%s, %s, %s, %s, %s)",
        [monitor_id, organisation_id, known(account_id), direction, threshold_minor],
    )[0][0]
    if not made:
        raise UnknownAccount(account=account_id)
    return monitor_id


def remove_monitor(monitor_id: UUID) -> bool:
    """End a monitor; tell whether there was one."""
    return bool(rows("SELECT ledger.remove_monitor(%s)", [monitor_id])[0][0])


def open_account(
    *,
    organisation_id: UUID,
    code: str,
    name: str,
    kind: AccountKind | str,
    currency: str,
    floor_minor: int | None = None,
    ceiling_minor: int | None = None,
    parent: str | None = None,
    shared: bool = False,
    clearing: bool = False,
    actor: str = "system:ledger",
) -> LedgerAccount:
    """Open an account, or return the one that the organisation has under this code.

    `floor_minor` is the lowest balance less holds (0: no overdraft, -50_000: a credit limit of that much,
    None: none), credits counting as positive. `parent` is the code of the account above. A `shared`
    account may be touched by journals of every organisation; a `clearing` account should return to zero.
    Raises AccountDiffers if the code is in use for another kind of account, UnknownCurrency, Invalid.
    """
    exponent(currency)
    for field, text, length_max in (("code", code, 120), ("name", name, 200), ("actor", actor, 200)):
        if not text or len(text) > length_max or "\x00" in text:
            raise Invalid(field=field, length_max=length_max)
    _check_limits(floor_minor, ceiling_minor)
    account_id, outcome = rows(
        "SELECT account_id, outcome FROM ledger.open_account(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            organisation_id, code, name, AccountKind(kind).value, currency, actor, floor_minor, ceiling_minor,
            parent, shared, clearing,
        ],
    )[0]  # fmt: skip
    if outcome == "differs":
        raise AccountDiffers(code=code, account=account_id)
    if outcome == "unknown_parent":
        raise UnknownAccount(code=parent)
    if outcome == "bad_parent":
        raise Invalid(field="parent", reason="another kind of account, or too deep")
    return account(account_id)


def set_limits(*, account_id: int, floor_minor: int | None, ceiling_minor: int | None, actor: str) -> None:
    """Set both limits of an account. Raises InsufficientFunds or CeilingExceeded if the balance is beyond."""
    _check_limits(floor_minor, ceiling_minor)
    _change(account_id, "limited", actor, floor_minor, ceiling_minor)


def freeze_account(*, account_id: int, actor: str) -> None:
    """Let nothing move on an account until it is unfrozen; holds can still be released."""
    _change(account_id, "frozen", actor)


def unfreeze_account(*, account_id: int, actor: str) -> None:
    """End the freeze of an account."""
    _change(account_id, "unfrozen", actor)


def close_account(*, account_id: int, actor: str) -> None:
    """Close an account for good. Raises AccountNotEmpty unless balance and holds are zero."""
    _change(account_id, "closed", actor)


def close_period(*, organisation_id: UUID, through: date, actor: str) -> date:
    """Refuse effective dates through this day from now on, and return the latest closed day.

    It waits for every posting under way on the organisation's accounts. A period never opens again.
    """
    return rows("SELECT ledger.close_period(%s, %s, %s)", [organisation_id, through, actor])[0][0]


def _check_limits(floor_minor: int | None, ceiling_minor: int | None) -> None:
    for field, limit in (("floor_minor", floor_minor), ("ceiling_minor", ceiling_minor)):
        if limit is not None and (type(limit) is not int or abs(limit) >= 2**62):
            raise Invalid(field=field)


def _change(
    account_id: int, change: str, actor: str, floor_minor: int | None = None, ceiling_minor: int | None = None
) -> None:
    outcome, posted, held = rows(
        "SELECT outcome, posted, held FROM ledger.change_account(%s, %s, %s, %s, %s)",
        [known(account_id), change, actor, floor_minor, ceiling_minor],
    )[0]
    refusals: dict[str, type[Refusal]] = {
        "unknown_account": UnknownAccount,
        "account_closed": AccountClosed,
        "below_floor": InsufficientFunds,
        "above_ceiling": CeilingExceeded,
        "not_empty": AccountNotEmpty,
    }
    if outcome in refusals:
        facts = {} if outcome == "unknown_account" else {"posted": posted, "held": held}
        raise refusals[outcome](account=account_id, **facts)
