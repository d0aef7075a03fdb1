"""Rates of a source of the test's own, and quotes from them.

Tests share a database, so each test exchanges in rates that it has just listed: the newest counts.
"""

from datetime import timedelta

from apps.core import clock, tenancy
from apps.core.ids import parse_public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments import public as payments
from tests import factories
from tests.factories import do


def list_rate(base="EUR", currency="USD", rate="1.0850", *, at=None, source="TEST", until=None):
    """List a rate, valid from a moment on (now, if none is given)."""
    moment = at or clock.database_now()
    one = payments.FileRate(source, base, currency, rate, moment, until)
    return do(payments.LoadFxRates(None, (one,), accept_jumps=True))


def quote(merchant, amount=None, currency="USD", fixed="sold", *, at=None):
    """Ask for a quote; its JSON."""
    asked = payments.QuoteExchange(merchant.id, amount or Money(10_000, "EUR"), currency, fixed)
    return do(asked, at=at)


def quote_id(answer):
    return parse_public_id("fxq", answer["id"])


def bought(answer):
    return Money.parse(answer["bought"]["amount"], answer["bought"]["currency"])


def add_account(merchant, currency):
    """Open one more account of the merchant, in another currency."""
    from apps.accounts import public as accounts

    answer = do(accounts.OpenPaymentAccount(merchant.id, currency=currency, label=f"{currency} account"))
    merchant.accounts.append(parse_public_id("acc", answer["id"]))
    return merchant.accounts[-1]


def transfer(merchant, answer, *, to=-1, amount=None, **options):
    """Move money from the first account to another one, by a quote."""
    return do(
        payments.CreateTransfer(
            merchant.id,
            merchant.accounts[0],
            merchant.accounts[to],
            amount or bought(answer),
            quote_id=quote_id(answer),
        ),
        **options,
    )


def journals(payment):
    with tenancy.scope(tenancy.PLATFORM):
        return ledger.journals_by_reference(payment["id"])


def sums(journal):
    """Return what a journal moves, per currency: debits less credits, which must be nothing."""
    moved = {}
    for line in journal.postings:
        for account, sign in ((line.debit_id, -1), (line.credit_id, 1)):
            moved[(account, line.currency)] = (
                moved.get((account, line.currency), 0) + sign * line.amount_minor
            )
    return moved


def merchant(**options):
    return factories.merchant(**({"funded_minor": 100_000, "limit_minor": 100_000} | options))


LATER = timedelta(seconds=61)
