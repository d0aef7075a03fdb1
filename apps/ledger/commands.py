"""What people may do to the books by hand. What moves or bounds money waits for a second person.

Contexts above post through `public`, inside commands of their own; these are for the accountant alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from apps.core.commands import Command, Context, handles
from apps.core.errors import Invalid
from apps.core.ids import public_id
from apps.core.money import Money
from apps.ledger import books
from apps.ledger.domain import JournalDraft, Posting

PERMISSION = "ledger.write"
REASON_MAX, POSTINGS_MAX = 300, 100
MANUAL = "ledger.manual"


@dataclass(frozen=True)
class ManualPosting:
    """One line of a journal written by hand: from an account, to an account."""

    debit_id: int
    credit_id: int
    amount: Money


@dataclass(frozen=True)
class PostManualJournal(Command):
    """Post a journal that no business object explains. `reason` says why; it stays with the journal."""

    postings: tuple[ManualPosting, ...]
    effective_date: date
    reason: str
    reference: str = ""


@dataclass(frozen=True)
class ReverseJournal(Command):
    """Undo what is left of a journal by a journal of its own."""

    seq: int
    reason: str

    def target(self) -> str:
        """Let one reversal of a journal wait at a time."""
        return f"journal:{self.seq}"


@dataclass(frozen=True)
class ClosePeriod(Command):
    """Refuse effective dates through a day from now on. A period never opens again."""

    through: date

    def target(self) -> str:
        """Let one closing of an organisation's books wait at a time."""
        return f"period:{self.organisation_id}"


@dataclass(frozen=True)
class SetAccountLimits(Command):
    """Set both limits of an account, in minor units, credits counting as positive; None is no limit."""

    account_id: int
    floor_minor: int | None
    ceiling_minor: int | None
    reason: str

    def target(self) -> str:
        """Let one change of an account's limits wait at a time."""
        return f"limits:{self.account_id}"


@dataclass(frozen=True)
class FreezeAccount(Command):
    """Let nothing move on an account until it is unfrozen."""

    account_id: int
    reason: str


@dataclass(frozen=True)
class UnfreezeAccount(Command):
    """End the freeze of an account."""

    account_id: int
    reason: str


@handles(
    PostManualJournal, name="ledger.post_manual_journal", version=1, permission=PERMISSION, four_eyes=True
)
def post_manual_journal(command: PostManualJournal, context: Context) -> dict[str, Any]:
    """Post the journal. Raises Invalid and every refusal of the books."""
    organisation_id, reason = _organisation(command), _reason(command.reason)
    if not 1 <= len(command.postings) <= POSTINGS_MAX:
        raise Invalid(field="postings", reason=f"between 1 and {POSTINGS_MAX}")
    posted = books.post(
        JournalDraft(
            key=context.step_key("manual"),
            kind=MANUAL,
            organisation_id=organisation_id,
            postings=tuple(
                Posting(debit=line.debit_id, credit=line.credit_id, amount=line.amount)
                for line in command.postings
            ),
            effective_date=command.effective_date,
            actor=str(context.actor),
            reference=command.reference,
            metadata={"reason": reason, "approved_by": context.approved_by},
        )
    )
    return _told(context, posted.seq, reason)


@handles(ReverseJournal, name="ledger.reverse_journal", version=1, permission=PERMISSION, four_eyes=True)
def reverse_journal(command: ReverseJournal, context: Context) -> dict[str, Any]:
    """Post the reversal, effective on the day of the command. Raises UnknownJournal, ReversalExceeded."""
    organisation_id, reason = _organisation(command), _reason(command.reason)
    posted = books.reverse(
        key=context.step_key("reverse"),
        organisation_id=organisation_id,
        seq=command.seq,
        effective_date=context.at.date(),
        actor=str(context.actor),
        metadata={"reason": reason, "approved_by": context.approved_by},
    )
    return _told(context, posted.seq, reason, reverses=command.seq)


@handles(ClosePeriod, name="ledger.close_period", version=1, permission=PERMISSION, four_eyes=True)
def close_period(command: ClosePeriod, context: Context) -> dict[str, Any]:
    """Close the books of an organisation through a day that is over. Raises Invalid for one that is not."""
    organisation_id = _organisation(command)
    if command.through >= context.at.date():
        raise Invalid(field="through", reason="a day that is over")
    closed = books.close_period(
        organisation_id=organisation_id, through=command.through, actor=str(context.actor)
    )
    context.note("organisation", public_id("org", organisation_id), closed_through=closed.isoformat())
    return {"closed_through": closed.isoformat()}


@handles(SetAccountLimits, name="ledger.set_account_limits", version=1, permission=PERMISSION, four_eyes=True)
def set_account_limits(command: SetAccountLimits, context: Context) -> dict[str, Any]:
    """Set the limits. Raises InsufficientFunds or CeilingExceeded when the balance is beyond them."""
    reason = _reason(command.reason)
    books.set_limits(
        account_id=command.account_id,
        floor_minor=command.floor_minor,
        ceiling_minor=command.ceiling_minor,
        actor=str(context.actor),
    )
    limits = {"floor_minor": command.floor_minor, "ceiling_minor": command.ceiling_minor}
    context.note("ledger_account", str(command.account_id), reason=reason, limits=limits)
    return {"account": command.account_id, **limits}


@handles(FreezeAccount, name="ledger.freeze_account", version=1, permission=PERMISSION)
def freeze_account(command: FreezeAccount, context: Context) -> dict[str, Any]:
    """Freeze at once: to stop money needs no second person, to let it flow again another command."""
    return _change(command.account_id, command.reason, "frozen", books.freeze_account, context)


@handles(UnfreezeAccount, name="ledger.unfreeze_account", version=1, permission=PERMISSION, four_eyes=True)
def unfreeze_account(command: UnfreezeAccount, context: Context) -> dict[str, Any]:
    """Unfreeze, when a second person agrees."""
    return _change(command.account_id, command.reason, "unfrozen", books.unfreeze_account, context)


def _change(
    account_id: int, reason: str, change: str, work: Callable[..., None], context: Context
) -> dict[str, Any]:
    reason = _reason(reason)
    work(account_id=account_id, actor=str(context.actor))
    context.note("ledger_account", str(account_id), change=change, reason=reason)
    return {"account": account_id, "change": change}


def _organisation(command: Command) -> UUID:
    if command.organisation_id is None:
        raise Invalid(field="organisation_id", reason="a journal belongs to an organisation")
    return command.organisation_id


def _reason(text: str) -> str:
    tidy = " ".join(text.split())
    if not tidy or len(tidy) > REASON_MAX:
        raise Invalid(field="reason", reason=f"between 1 and {REASON_MAX} characters")
    return tidy


def _told(context: Context, seq: int, reason: str, *, reverses: int | None = None) -> dict[str, Any]:
    context.note("journal", str(seq), reason=reason, reverses=reverses)
    return {"journal": seq} if reverses is None else {"journal": seq, "reverses": reverses}
