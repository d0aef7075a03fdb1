"""What every order is checked for before anything is written."""

from __future__ import annotations

from uuid import UUID

from apps.accounts import public as accounts
from apps.core.errors import Conflict, NotFound, Refusal
from apps.core.ids import public_id
from apps.core.money import CurrencyMismatch, Money

AMOUNT_MAX_MINOR = 99_999_999_999
"""The most one payment moves: 999,999,999.99 EUR, the scheme's own limit (EPC, AT-04)."""

PAYS = frozenset({"open"})
RECEIVES = frozenset({"open", "blocked"})
"""A block stops what goes out, not what comes in."""


class AmountOutOfRange(Refusal):
    code = "amount_out_of_range"
    title = "A payment moves more than nothing and at most 99,999,999,999 minor units."


class AccountNotUsable(Conflict):
    code = "account_not_usable"
    title = "The account is blocked or closed."


def check_amount(amount: Money) -> None:
    """Raise AmountOutOfRange unless the amount is positive and within what one payment may move."""
    if not 0 < amount.minor <= AMOUNT_MAX_MINOR:
        raise AmountOutOfRange(amount_minor=amount.minor, maximum_minor=AMOUNT_MAX_MINOR)


def usable_account(
    organisation_id: UUID,
    account_id: UUID,
    currency: str,
    *,
    field: str = "account",
    incoming: bool = False,
) -> accounts.PaymentAccount:
    """Return an open account of the organisation in the currency, whose status stays until the end.

    `incoming` money comes to a blocked account too. Locks the account's row, shared, before any balance.
    Raises NotFound (also for another organisation's account), AccountNotUsable, CurrencyMismatch.
    """
    known = accounts.lock_payment_accounts({account_id})
    return check_account(
        known.get(account_id), organisation_id, account_id, currency, field=field, incoming=incoming
    )


def check_account(
    account: accounts.PaymentAccount | None,
    organisation_id: UUID,
    account_id: UUID,
    currency: str,
    *,
    field: str = "account",
    incoming: bool = False,
) -> accounts.PaymentAccount:
    """Return the account if it is the organisation's, usable and in the currency; raise as usable_account."""
    if account is None or account.organisation_id != organisation_id:
        raise NotFound(object=field, id=public_id("acc", account_id))
    if account.status not in (RECEIVES if incoming else PAYS):
        raise AccountNotUsable(field=field, status=account.status)
    if account.currency != currency:
        raise CurrencyMismatch(field=field, expected=account.currency, given=currency)
    return account
