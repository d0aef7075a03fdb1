"""What an exchange posts: one journal through position accounts, and its reversal when a payment ends badly.

A payout in another currency than its account's buys the money first: it lies in the account's pocket of
that currency, which no order names, and everything else of the payout's life is posted there.
"""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID, uuid5

from apps.accounts import public as accounts
from apps.core import tenancy
from apps.core.commands import Context
from apps.core.errors import Conflict, NotFound, Refusal
from apps.core.ids import public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments.domain.fx import shown_rate
from apps.payments.domain.lifecycle import Kind, State
from apps.payments.models import Payment
from apps.payments.models_fx import FxQuote

ENDED_BADLY = frozenset({State.DECLINED, State.CANCELLED, State.REJECTED, State.RETURNED})
"""Where a payment's money is back with us and is exchanged back."""

_PARTS = (
    # (part, kind, what it is)
    ("position", "equity", "Currency position"),
    ("spread", "income", "Spreads of exchanges"),
    ("fees", "income", "Fees of exchanges"),
)


class QuoteExpired(Conflict):
    code = "quote_expired"
    title = "The quote has expired; ask for another one."


class QuoteUsed(Conflict):
    code = "quote_used"
    title = "The quote has been used; ask for another one."


class QuoteDiffers(Refusal):
    code = "quote_differs"
    title = "The payment's amount is not what the quote buys."


def operators_account(part: str, currency: str, *, actor: str) -> int:
    """Open, or find, the operator's ledger account of a currency: position, spread or fees."""
    _, kind, purpose = next(item for item in _PARTS if item[0] == part)
    with tenancy.scope(tenancy.PLATFORM):
        return ledger.open_account(
            organisation_id=accounts.operator().pk,
            code=f"fx_{part}:{currency}",
            name=f"{purpose}, {currency}",
            kind=kind,
            currency=currency,
            shared=True,
            actor=actor,
        ).id


def usable_quote(organisation_id: UUID, quote_id: UUID, amount: Money, *, at: datetime) -> FxQuote:
    """Return a quote of the organisation that buys this amount and is good now.

    Whether two use it at once is decided by the ledger and by a unique constraint.
    Raises NotFound (also for another organisation's), QuoteUsed, QuoteExpired, QuoteDiffers.
    """
    quote = FxQuote.objects.filter(pk=quote_id, organisation_id=organisation_id).first()
    if quote is None:
        raise NotFound(object="fx_quote", id=public_id("fxq", quote_id))
    if Payment.objects.filter(quote_id=quote_id).exists():
        raise QuoteUsed(id=public_id("fxq", quote_id))
    if at >= quote.expires_at:
        raise QuoteExpired(id=public_id("fxq", quote_id), expired_at=quote.expires_at.isoformat())
    bought = quote.exchange.bought
    if bought != amount:
        raise QuoteDiffers(
            bought=bought.decimal_text(),
            bought_currency=bought.currency,
            given=amount.decimal_text(),
            given_currency=amount.currency,
        )
    return quote


def note_exchange(payment: Payment, quote: FxQuote) -> None:
    """Write on a new payment what it costs in the other currency."""
    exchange = quote.exchange
    payment.quote_id = quote.pk
    payment.source_minor, payment.source_currency = exchange.total.minor, exchange.total.currency
    payment.exchange_rate = shown_rate(exchange.sold, exchange.bought)


def exchange_draft(
    payment: Payment, quote: FxQuote, *, source_id: int, target_id: int, context: Context
) -> ledger.JournalDraft:
    """Draft the journal of an exchange: what is sold, the spread out of it, the fee, what is bought.

    Its key is the quote's: a second use finds the journal of the first, and is refused.
    """
    exchange = quote.exchange
    charges = []
    if exchange.spread.minor:
        charges.append(
            ledger.Posting(debit=quote.position_sold_id, credit=quote.spread_id, amount=exchange.spread)
        )
    if exchange.fee.minor:
        charges.append(ledger.Posting(debit=source_id, credit=quote.fee_id, amount=exchange.fee))
    return ledger.exchange_draft(
        key=uuid5(quote.pk, "exchange"),
        organisation_id=payment.organisation_id,
        sold=exchange.sold,
        bought=exchange.bought,
        source_id=source_id,
        target_id=target_id,
        position_sold_id=quote.position_sold_id,
        position_bought_id=quote.position_bought_id,
        charges=tuple(charges),
        effective_date=context.at.date(),
        actor=str(context.actor),
        reference=public_id("pay", payment.pk),
    )


def exchanged(result: ledger.Result, quote: FxQuote) -> int:
    """Return the number of the exchange's journal. Raises QuoteUsed, and the ledger's other refusals."""
    if result.code in (ledger.ResultCode.EXISTS, ledger.ResultCode.KEY_CONFLICT):
        raise QuoteUsed(id=public_id("fxq", quote.pk))
    if not result.ok or result.seq is None:
        raise ledger.refusal_of(result)
    return result.seq


def buy_for(payment: Payment, quote: FxQuote, account: accounts.PaymentAccount, *, context: Context) -> int:
    """Exchange into the account's pocket for a new payout. Returns the pocket's ledger account.

    Raises QuoteUsed, and what the ledger refuses, such as insufficient funds.
    """
    pocket = pocket_of(account, payment.currency)
    draft = exchange_draft(
        payment, quote, source_id=account.ledger_account_id, target_id=pocket, context=context
    )
    (result,) = ledger.post_many([draft])
    payment.exchange_seq = exchanged(result, quote)
    note_exchange(payment, quote)
    return pocket


def pocket_of(account: accounts.PaymentAccount, currency: str) -> int:
    """Return the ledger account where money bought for an account's payouts lies until it has left."""
    return ledger.open_account(
        organisation_id=account.organisation_id,
        code=accounts.companion_code(account.public_id, f"bought:{currency}"),
        name=f"{currency} bought for {account.public_id}",
        kind="liability",
        currency=currency,
        floor_minor=0,
    ).id


def pays_from(payment: Payment, account: accounts.PaymentAccount) -> int:
    """Return the ledger account that a bank payment's steps are posted to: the account's own, or its pocket."""
    if payment.quote_id is not None and payment.kind == Kind.PAYOUT:
        return pocket_of(account, payment.currency)
    return account.ledger_account_id


def exchange_back(payment: Payment, context: Context, *, effective: date | None = None) -> int:
    """Undo the exchange of a payout whose money is back, at its own rate: source amount, spread and fee.

    Returns the journal's number. Raises the ledger's refusals, such as a closed account.
    """
    assert payment.exchange_seq is not None, "what was exchanged has a journal"
    return ledger.reverse(
        key=context.step_key(f"exchange_back:{payment.pk}"),
        organisation_id=payment.organisation_id,
        seq=payment.exchange_seq,
        effective_date=effective or context.at.date(),
        actor=str(context.actor),
        reference=public_id("pay", payment.pk),
    ).seq
