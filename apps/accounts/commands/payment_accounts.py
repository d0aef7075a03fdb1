"""Payment accounts: opened with an IBAN outside and a ledger account inside, blocked, unblocked, closed."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from apps.accounts import domain, queries
from apps.accounts.closing import check_closing
from apps.accounts.domain import AccountChange
from apps.accounts.events import AccountBlocked, AccountClosed, AccountOpened, AccountUnblocked
from apps.accounts.models import PaymentAccount
from apps.core import ids, money
from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict, Denied, Invalid
from apps.core.events import Event
from apps.ledger import public as ledger

NUMBERS_TRIED_MAX = 200
COMPANIONS = ("reserve", "claim", "bought:EUR", "bought:USD")
"""Ledger accounts that may stand beside a payment account's own (`companion_code`).

What is bought is what payouts travel in."""


class IbanTaken(Conflict):
    code = "iban_taken"
    title = "There is an account with this IBAN already."


@dataclass(frozen=True)
class OpenPaymentAccount(Command):
    """Open an account in one currency, of a customer or (no party) of the organisation itself.

    The IBAN is the operator's next one. Only the operator's own staff and processes may give another,
    for an account that existed before: anybody else could claim a number that is not theirs.
    """

    currency: str
    party_id: UUID | None = None
    label: str = ""
    iban: str = ""


@handles(OpenPaymentAccount, name="accounts.open_payment_account", version=1, permission="accounts.write")
def open_payment_account(command: OpenPaymentAccount, context: Context) -> dict[str, Any]:
    """Open the ledger account, save the payment account.

    Raises NotFound for an unknown customer, UnknownCurrency, Invalid, BadIban, IbanTaken, NoOperator.
    """
    organisation_id = command.organisation_id
    assert organisation_id is not None
    money.exponent(command.currency)
    if command.party_id is not None:
        queries.customer(command.party_id)
    label = domain.clean_text(command.label, field="label", chars_max=domain.LABEL_CHARS_MAX, required=False)
    key, iban = context.new_id(), _iban(command, context)
    inside = ledger.open_account(
        organisation_id=organisation_id,
        code=f"customer:{ids.public_id('acc', key)}",
        name=f"Payment account {ids.public_id('acc', key)}",
        kind="liability",
        currency=command.currency,
        floor_minor=0,
        actor=str(context.actor),
    )
    row = PaymentAccount.objects.create(
        id=key,
        organisation_id=organisation_id,
        party_id=command.party_id,
        iban=iban,
        currency=command.currency,
        label=label,
        ledger_account_id=inside.id,
        opened_at=context.at,
    )
    answer = queries.account_data(row)
    context.emit(AccountOpened(row.public_id, answer["customer_id"], row.currency))
    context.note("account", row.public_id, customer_id=answer["customer_id"], currency=row.currency)
    return answer


def _iban(command: OpenPaymentAccount, context: Context) -> str:
    if not command.iban:
        return _issued_iban()
    if context.actor.organisation_id is not None:
        raise Denied(reason="the operator gives the IBANs")
    iban = domain.clean_iban(command.iban)
    if PaymentAccount.objects.filter(iban=iban).exists():
        raise IbanTaken
    return iban


def _issued_iban() -> str:
    """Return the operator's next IBAN, passing over numbers that its bank's check digits do not allow.

    Some banks keep the check digit inside the number, so that only one number in ten can be had.
    Raises NoSuchNumber when none of many fits.
    """
    operator = queries.operator()
    for attempt in range(1, NUMBERS_TRIED_MAX + 1):
        try:
            return domain.issue_iban(operator.country, operator.bank_code, _next_number())
        except domain.NoSuchNumber:
            if attempt == NUMBERS_TRIED_MAX:
                raise
    raise AssertionError("unreachable")


def _next_number() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('accounts_iban_number')")
        return int(cursor.fetchone()[0])


@dataclass(frozen=True)
class BlockPaymentAccount(Command):
    """Let nothing be paid from an account; money may still come in. `reason` is one of BLOCK_REASONS."""

    account_id: UUID
    reason: str


@handles(BlockPaymentAccount, name="accounts.block_payment_account", version=1, permission="accounts.write")
def block_payment_account(command: BlockPaymentAccount, context: Context) -> dict[str, Any]:
    """Block the account once the payments under way have ended. Raises NotFound, AccountStateConflict, Invalid."""
    if command.reason not in domain.BLOCK_REASONS:
        raise Invalid(field="reason", known=sorted(domain.BLOCK_REASONS))
    row = _changed(command.account_id, AccountChange.BLOCK, block_reason=command.reason)
    return _told(row, AccountBlocked(row.public_id, command.reason), context, reason=command.reason)


@dataclass(frozen=True)
class UnblockPaymentAccount(Command):
    """Lift the block of an account."""

    account_id: UUID

    def target(self) -> str:
        """Name the account: one waiting request about each."""
        return ids.public_id("acc", self.account_id)


@handles(
    UnblockPaymentAccount, name="accounts.unblock_payment_account", version=1, permission="accounts.write"
)
def unblock_payment_account(command: UnblockPaymentAccount, context: Context) -> dict[str, Any]:
    """Open the account again. Raises NotFound, AccountStateConflict, Denied.

    A client of the API lifts only what its own customer asked for: a block by law, for fraud or by
    compliance is the operator's to lift.
    """
    row = queries.lock_payment_account(command.account_id, for_change=True)
    if context.actor.organisation_id is not None and row.block_reason not in ("", "customer_request"):
        raise Denied(reason="the operator lifts this block", block_reason=row.block_reason)
    row = _changed(command.account_id, AccountChange.UNBLOCK, block_reason="")
    return _told(row, AccountUnblocked(row.public_id), context)


@dataclass(frozen=True)
class ClosePaymentAccount(Command):
    """Close an empty account for good."""

    account_id: UUID


@handles(ClosePaymentAccount, name="accounts.close_payment_account", version=1, permission="accounts.write")
def close_payment_account(command: ClosePaymentAccount, context: Context) -> dict[str, Any]:
    """Close the account and its ledger account.

    Raises NotFound, AccountStateConflict, AccountInUse while payments or orders are under way, and the
    ledger's AccountNotEmpty with balance and holds, also while collected money is reserved or the holder
    owes us some.
    """
    row = _changed(command.account_id, AccountChange.CLOSE, closed_at=context.at)
    for part in COMPANIONS:
        with contextlib.suppress(ledger.UnknownAccount):
            beside = ledger.account_by_code(row.organisation_id, queries.companion_code(row.public_id, part))
            ledger.close_account(account_id=beside.id, actor=str(context.actor))
    ledger.close_account(account_id=row.ledger_account_id, actor=str(context.actor))
    check_closing(command.account_id)
    return _told(row, AccountClosed(row.public_id), context)


def _changed(account_id: UUID, change: AccountChange, **fields: Any) -> PaymentAccount:
    """Lock the account, decide, save. The account comes before the ledger's balances in the order of locks."""
    row = queries.lock_payment_account(account_id, for_change=True)
    row.status = domain.status_after(row.status, change)
    for name, value in fields.items():
        setattr(row, name, value)
    row.save(update_fields=["status", *fields])
    return row


def _told(row: PaymentAccount, event: Event, context: Context, reason: str = "") -> dict[str, Any]:
    context.emit(event)
    context.note("account", row.public_id, reason=reason)
    return queries.account_data(row)
