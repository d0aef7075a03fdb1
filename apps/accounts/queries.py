"""Reads of organisations, users, customers, payment accounts and beneficiaries, and how APIs show them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.accounts import domain
from apps.accounts.models import Beneficiary, CustomerLogin, Organisation, Party, PaymentAccount, User
from apps.accounts.roles import permissions_of
from apps.core import db, ids
from apps.core.actors import Actor
from apps.core.crypto import normalise
from apps.core.crypto.fields import matching
from apps.core.errors import Denied, NotFound

SEARCHED = {
    "email": ("email_index", normalise.email),
    "name": ("name_index", normalise.name),
    "phone": ("phone_index", normalise.phone),
}
"""What a customer can be found by: whole values only, through a blind index."""


class NoOperator(NotFound):
    code = "no_operator"
    title = "The operator's organisation has not been opened yet."


def organisation(organisation_id: UUID) -> Organisation:
    """Return an organisation that the scope shows. Raises NotFound."""
    return _found(Organisation.objects.filter(id=organisation_id), "organisation")


def operator() -> Organisation:
    """Return the one organisation of kind operator, which every scope shows. Raises NoOperator."""
    found = Organisation.objects.filter(kind=Organisation.Kind.OPERATOR).first()
    if found is None:
        raise NoOperator
    return found


def customer(customer_id: UUID) -> Party:
    """Return a customer that the scope shows. Raises NotFound."""
    return _found(Party.objects.filter(id=customer_id), "customer")


def customers(organisation_id: UUID) -> QuerySet[Party]:
    """Return an organisation's customers, unordered."""
    return Party.objects.filter(organisation_id=organisation_id)


def customers_matching(organisation_id: UUID, *, by: str, value: str) -> list[Party]:
    """Return the customers (200 at most) whose e-mail address, name or telephone number is this one.

    `by` is email, name or phone. The value is compared whole, without regard to case and spacing.
    """
    index, _ = SEARCHED[by]
    rows = Party.objects.filter(matching(Party, index, value, organisation_id=organisation_id))
    return list(rows.order_by("-id")[:200])


def payment_account(account_id: UUID) -> PaymentAccount:
    """Return a payment account that the scope shows. Raises NotFound."""
    return _found(PaymentAccount.objects.filter(id=account_id), "account")


def payment_accounts_by_id(account_ids: set[UUID]) -> dict[UUID, PaymentAccount]:
    """Return those of the payment accounts that the scope shows, by key, with one query."""
    return PaymentAccount.objects.in_bulk(account_ids)


def payment_account_by_iban(iban: str) -> PaymentAccount | None:
    """Return the payment account with this IBAN (electronic form), or None if the scope shows none."""
    return PaymentAccount.objects.filter(iban=iban).first()


def payment_account_by_ledger_account(ledger_account_id: int) -> PaymentAccount | None:
    """Return the payment account whose money the ledger account holds, or None."""
    return PaymentAccount.objects.filter(ledger_account_id=ledger_account_id).first()


def companion_code(public_id: str, part: str) -> str:
    """Return the code of a ledger account that stands beside a payment account's own: reserve or claim."""
    return f"{part}:{public_id}"


def payment_accounts(organisation_id: UUID, *, party_id: UUID | None = None) -> QuerySet[PaymentAccount]:
    """Return an organisation's payment accounts, or one customer's, unordered."""
    rows = PaymentAccount.objects.filter(organisation_id=organisation_id)
    return rows if party_id is None else rows.filter(party_id=party_id)


def lock_payment_account(account_id: UUID, *, for_change: bool = False) -> PaymentAccount:
    """Return a payment account and keep its status until the transaction ends.

    Shared by default: any number of payments go on at once, while a block or a closing waits for them
    and they for it. `for_change` takes the row alone. Needs an open transaction; comes before any
    ledger balance in the order of locks. Raises NotFound, RuntimeError outside of a transaction.
    """
    db.require_transaction()
    rows = PaymentAccount.objects.filter(id=account_id)
    if for_change:
        return _found(rows.select_for_update(no_key=True), "account")
    shared = PaymentAccount.objects.raw(
        "SELECT * FROM accounts_paymentaccount WHERE id = %s FOR SHARE", [account_id]
    )
    for account in shared:
        return account
    raise NotFound(object="account")


def lock_payment_accounts(account_ids: set[UUID]) -> dict[UUID, PaymentAccount]:
    """Return those of the payment accounts that the scope shows, by key, and keep their status.

    As `lock_payment_account`, shared, for many: with one query, in the order of their keys. Raises
    RuntimeError outside of a transaction.
    """
    db.require_transaction()
    rows = PaymentAccount.objects.raw(
        "SELECT * FROM accounts_paymentaccount WHERE id = ANY(%s::uuid[]) ORDER BY id FOR SHARE",
        [sorted(account_ids)],
    )
    return {row.id: row for row in rows}


def beneficiaries(organisation_id: UUID, *, party_id: UUID | None) -> QuerySet[Beneficiary]:
    """Return a customer's list of trusted beneficiaries, or the organisation's own (None), unordered."""
    return Beneficiary.objects.filter(organisation_id=organisation_id, party_id=party_id)


def beneficiary(beneficiary_id: UUID) -> Beneficiary:
    """Return a beneficiary that the scope shows. Raises NotFound."""
    return _found(Beneficiary.objects.filter(id=beneficiary_id), "beneficiary")


def is_trusted(*, organisation_id: UUID, party_id: UUID | None, iban: str) -> bool:
    """Tell whether the IBAN is on the list of trusted beneficiaries (RTS on SCA, Article 13)."""
    return beneficiaries(organisation_id, party_id=party_id).filter(iban=iban).exists()


def staff_actor(user: Any) -> Actor:
    """Return a member of staff as an actor with the permissions of their role.

    Bound to no organisation: staff work for the operator, across all. Raises Denied for anybody else.
    """
    if not isinstance(user, User) or user.kind != User.Kind.STAFF or not user.is_active:
        raise Denied(reason="not an active member of staff")
    return Actor("staff", user.public_id, None, permissions_of(user.role))


def user_by_public_id(text: str) -> User:
    """Return a user by public id (`usr_…`). Raises BadId, NotFound."""
    return _found(User.objects.filter(id=ids.parse_public_id("usr", text)), "user")


def customer_login(user: User) -> CustomerLogin | None:
    """Return which customer of which organisation a user is; needs a scope that shows it."""
    return CustomerLogin.objects.filter(user=user).first()


def organisation_data(row: Organisation) -> dict[str, Any]:
    """Write an organisation as APIs show it."""
    return {
        "id": row.public_id,
        "name": row.name,
        "kind": str(row.kind),
        "country": row.country,
        "created_at": row.created_at.isoformat(),
    }


def customer_data(row: Party) -> dict[str, Any]:
    """Write a customer as APIs show it; `erased` stands for what was erased."""
    return {
        "id": row.public_id,
        "kind": str(row.kind),
        "name": row.name.shown(),
        "email": row.email.shown() if row.email else None,
        "phone": row.phone.shown() if row.phone else None,
        "country": row.country,
        "reference": row.reference,
        "created_at": row.created_at.isoformat(),
        "changed_at": row.changed_at.isoformat(),
    }


def account_data(row: PaymentAccount) -> dict[str, Any]:
    """Write a payment account as APIs show it."""
    return {
        "id": row.public_id,
        "customer_id": ids.public_id("pty", row.party_id) if row.party_id else None,
        "iban": row.iban,
        "currency": row.currency,
        "status": str(row.status),
        "block_reason": row.block_reason or None,
        "label": row.label,
        "opened_at": row.opened_at.isoformat(),
        "closed_at": row.closed_at.isoformat() if row.closed_at else None,
    }


def beneficiary_data(row: Beneficiary) -> dict[str, Any]:
    """Write a beneficiary as APIs show it."""
    return {
        "id": row.public_id,
        "customer_id": ids.public_id("pty", row.party_id) if row.party_id else None,
        "name": row.name.shown(),
        "iban": row.iban,
        "added_at": row.added_at.isoformat(),
    }


def masked_iban(iban: str) -> str:
    """Write an IBAN so that it can be recognised but not used: DE89 … 3000."""
    clean = domain.clean_iban(iban)
    return f"{clean[:4]} … {clean[-4:]}"


def _found(rows: QuerySet[Any], what: str) -> Any:
    row = rows.first()
    if row is None:
        raise NotFound(object=what)
    return row
