"""The ledger templates of card payments. The payment's row is locked by whoever calls.

A captured amount is first the merchant's pending, and what the merchant owes for disputes is asset `owed`.
Money for a refund or a dispute is taken from the payment's own pending first, then from the merchant's
account; for a dispute, where that is not enough, the rest is owed. What comes back pays what is owed first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from apps.accounts import public as accounts
from apps.core.commands import Context
from apps.core.ids import public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments.card_routing import ProcessorRoute
from apps.payments.domain.fees import in_force
from apps.payments.models import Payment
from apps.payments.models_cards import CardDetails, FeeRule

JOURNALS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Books:
    """The accounts that a card payment's journals touch."""

    payment: Payment
    pending_id: int
    owed_id: int
    available_id: int
    route: ProcessorRoute

    def post(self, kind: str, postings: Iterable[ledger.Posting], context: Context, step: str) -> int | None:
        """Post a journal of the payment's, or nothing when there is nothing to move. Returns its number."""
        lines = tuple(line for line in postings if line.amount.minor)
        if not lines:
            return None
        draft = ledger.JournalDraft(
            key=context.step_key(f"{kind}:{step}"),
            kind=kind,
            organisation_id=self.payment.organisation_id,
            postings=lines,
            effective_date=context.at.date(),
            actor=str(context.actor),
            reference=public_id("pay", self.payment.pk),
        )
        return ledger.post(draft).seq

    def capture(
        self, amount: Money, fees: Iterable[tuple[int, Money]], context: Context, step: str
    ) -> int | None:
        """Scheme receivable to merchant pending, and of it the fee to who shares it."""
        lines = [ledger.Posting(debit=self.route.receivable_id, credit=self.pending_id, amount=amount)]
        lines += [ledger.Posting(debit=self.pending_id, credit=one, amount=share) for one, share in fees]
        return self.post("card_capture", lines, context, step)

    def release(self, amount: Money, context: Context, step: str) -> int | None:
        """Make a captured amount the merchant's to spend, less what is owed."""
        return self._give(self.pending_id, amount, "card_release", context, step)

    def reserve_refund(self, amount: Money, context: Context, step: str) -> int | None:
        """Take a refund from the merchant. Raises the ledger's InsufficientFunds."""
        pending = self._of_pending(amount)
        lines = [
            ledger.Posting(debit=self.pending_id, credit=self.route.refunds_id, amount=pending),
            ledger.Posting(debit=self.available_id, credit=self.route.refunds_id, amount=amount - pending),
        ]
        return self.post("card_refund", lines, context, step)

    def undo_refund(self, amount: Money, context: Context, step: str) -> int | None:
        """Give the amount of a refund that failed back to the merchant."""
        return self._give(self.route.refunds_id, amount, "card_refund_failed", context, step)

    def reserve_dispute(self, amount: Money, context: Context, step: str) -> int | None:
        """Take a disputed amount: from pending, from the account, and what is missing as owed.

        The scheme has taken it whatever the merchant has, so an empty or frozen account does not refuse it.
        """
        pending = self._of_pending(amount)
        rest = amount - pending
        available = Money(
            max(0, min(rest.minor, ledger.balance(self.available_id).available)), amount.currency
        )
        try:
            return self._dispute(pending, available, rest - available, context, step)
        except ledger.LedgerRefusal:
            return self._dispute(pending, Money.zero(amount.currency), rest, context, f"{step}:owed")

    def give_back(self, amount: Money, context: Context, step: str) -> int | None:
        """Give a won dispute's amount back to the merchant."""
        return self._give(self.route.disputes_id, amount, "card_dispute_won", context, step)

    def spend(self, amount: Money, context: Context, step: str) -> int | None:
        """Let a lost dispute's amount go to the scheme."""
        lines = [ledger.Posting(debit=self.route.disputes_id, credit=self.route.receivable_id, amount=amount)]
        return self.post("card_dispute_lost", lines, context, step)

    def restore(self, amount: Money, context: Context, step: str) -> int | None:
        """Give back what a lost dispute had taken."""
        return self._give(self.route.receivable_id, amount, "card_dispute_reversed", context, step)

    def pending(self) -> Money:
        """Return what is left of this payment's own captures in the merchant's pending."""
        minor = 0
        for journal in ledger.journals_by_reference(public_id("pay", self.payment.pk), limit=JOURNALS_MAX):
            minor += sum(line.amount_minor for line in journal.postings if line.credit_id == self.pending_id)
            minor -= sum(line.amount_minor for line in journal.postings if line.debit_id == self.pending_id)
        return Money(minor, self.payment.currency)

    def _of_pending(self, amount: Money) -> Money:
        return min(amount, self.pending())

    def _dispute(
        self, pending: Money, available: Money, owed: Money, context: Context, step: str
    ) -> int | None:
        target = self.route.disputes_id
        lines = [
            ledger.Posting(debit=self.pending_id, credit=target, amount=pending),
            ledger.Posting(debit=self.available_id, credit=target, amount=available),
            ledger.Posting(debit=self.owed_id, credit=target, amount=owed),
        ]
        return self.post("card_dispute", lines, context, step)

    def _give(self, source: int, amount: Money, kind: str, context: Context, step: str) -> int | None:
        owed = Money(min(amount.minor, max(0, -ledger.balance(self.owed_id).posted)), amount.currency)
        lines = [
            ledger.Posting(debit=source, credit=self.owed_id, amount=owed),
            ledger.Posting(debit=source, credit=self.available_id, amount=amount - owed),
        ]
        try:
            return self.post(kind, lines, context, step)
        except ledger.CeilingExceeded:
            # Another payment has paid the debt in between.
            whole = [ledger.Posting(debit=source, credit=self.available_id, amount=amount)]
            return self.post(kind, whole, context, f"{step}:free")


def books_of(payment: Payment, details: CardDetails, route: ProcessorRoute) -> Books:
    """Return the accounts of a card payment."""
    available = accounts.payment_account(payment.account_id).ledger_account_id
    return Books(payment, details.pending_id, details.owed_id, available, route)


def open_merchant_accounts(payment_account: accounts.PaymentAccount, actor: str) -> tuple[int, int]:
    """Open, or find, the pending account and the owed account beside a merchant's account; return their ids."""
    name, owner = public_id("acc", payment_account.pk), payment_account.organisation_id
    with contextlib.suppress(ledger.UnknownAccount):
        return (
            ledger.account_by_code(owner, f"card_pending:{name}").id,
            ledger.account_by_code(owner, f"card_owed:{name}").id,
        )
    pending = ledger.open_account(
        organisation_id=payment_account.organisation_id,
        code=f"card_pending:{name}",
        name=f"Captured, not yet available, {name}",
        kind="liability",
        currency=payment_account.currency,
        floor_minor=0,
        actor=actor,
    )
    owed = ledger.open_account(
        organisation_id=payment_account.organisation_id,
        code=f"card_owed:{name}",
        name=f"Owed for disputes, {name}",
        kind="asset",
        currency=payment_account.currency,
        ceiling_minor=0,
        actor=actor,
    )
    return pending.id, owed.id


def fees_for(organisation_id: UUID, amount: Money, day: date) -> list[tuple[int, Money]]:
    """Return the fee of a capture on a day as (income account, amount) pairs; none where no rule holds."""
    rules = FeeRule.objects.filter(organisation_id=organisation_id, currency=amount.currency)
    rule = in_force(rules.order_by("version"), day)
    if rule is None:
        return []
    accounts_of = {name: account_id for name, _, account_id in rule.shares}
    return [(accounts_of[name], share) for name, share in rule.fee.split(rule.fee.of(amount))]
