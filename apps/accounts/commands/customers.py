"""Customers: created, changed, and given a login.

Answers hold the id alone: a stored answer is kept for days, and would keep a name past its erasure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import identify_hasher
from django.db import IntegrityError

from apps.accounts import domain
from apps.accounts.events import CustomerChanged, CustomerCreated, CustomerLoginCreated
from apps.accounts.models import CustomerLogin, Party, User
from apps.core import ids
from apps.core.commands import Command, Context, handles
from apps.core.crypto.errors import KeyDestroyed
from apps.core.errors import Conflict, Invalid, NotFound


class CustomerErased(Conflict):
    code = "customer_erased"
    title = "The customer's personal data was erased, and nothing can be added to it."


class NameTaken(Conflict):
    code = "username_taken"
    title = "Somebody else logs in with this name."


@dataclass(frozen=True)
class CreateCustomer(Command):
    """Create a customer: a person or a company. Empty text means: not known."""

    kind: str
    name: str
    country: str
    email: str = ""
    phone: str = ""
    reference: str = ""


@handles(CreateCustomer, name="accounts.create_customer", version=1, permission="customers.write")
def create_customer(command: CreateCustomer, context: Context) -> dict[str, Any]:
    """Save the customer, sealed under a key of its own. Raises Invalid naming the field."""
    assert command.organisation_id is not None
    if command.kind not in Party.Kind.values:
        raise Invalid(field="kind", known=Party.Kind.values)
    row = Party(
        id=context.new_id(),
        organisation_id=command.organisation_id,
        kind=command.kind,
        name=domain.clean_name(command.name),
        country=domain.clean_country(command.country),
        email=domain.clean_email(command.email) or None,
        phone=domain.clean_phone(command.phone) or None,
        reference=_reference(command.reference),
        created_at=context.at,
        changed_at=context.at,
    )
    row.save(force_insert=True)
    context.emit(CustomerCreated(row.public_id, str(row.kind)))
    context.note("customer", row.public_id, kind=str(row.kind))
    return {"id": row.public_id}


@dataclass(frozen=True)
class ChangeCustomer(Command):
    """Change what is given and leave what is None; empty text removes an e-mail address, a number."""

    customer_id: UUID
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    country: str | None = None
    reference: str | None = None


@handles(ChangeCustomer, name="accounts.change_customer", version=1, permission="customers.write")
def change_customer(command: ChangeCustomer, context: Context) -> dict[str, Any]:
    """Save the changes. Raises NotFound, Invalid, CustomerErased. Locks the customer's row."""
    row = _locked(command.customer_id)
    changes = _changes(command)
    if not changes:
        raise Invalid(field="customer", reason="nothing to change")
    for field, value in changes.items():
        setattr(row, field, value)
    row.changed_at = context.at
    try:
        row.save()
    except KeyDestroyed:
        raise CustomerErased from None
    context.emit(CustomerChanged(row.public_id, tuple(changes)))
    context.note("customer", row.public_id, fields=sorted(changes))
    return {"id": row.public_id}


def _changes(command: ChangeCustomer) -> dict[str, Any]:
    cleaners: dict[str, Any] = {
        "name": domain.clean_name,
        "email": lambda text: domain.clean_email(text) or None,
        "phone": lambda text: domain.clean_phone(text) or None,
        "country": domain.clean_country,
        "reference": _reference,
    }
    return {
        field: clean(getattr(command, field))
        for field, clean in cleaners.items()
        if getattr(command, field) is not None
    }


@dataclass(frozen=True)
class CreateCustomerLogin(Command):
    """Let a customer log in. `password_hash` is made by the caller: no command holds a password."""

    customer_id: UUID
    username: str
    password_hash: str


@handles(CreateCustomerLogin, name="accounts.create_customer_login", version=1, permission="customers.write")
def create_customer_login(command: CreateCustomerLogin, context: Context) -> dict[str, Any]:
    """Save a user of kind customer. Raises NotFound, Invalid, NameTaken."""
    party = _locked(command.customer_id)
    user = new_user(
        key=context.new_id(),
        username=command.username,
        password_hash=command.password_hash,
        kind=User.Kind.CUSTOMER,
        role="",
    )
    CustomerLogin.objects.create(
        id=context.new_id(), organisation_id=party.organisation_id, user=user, party_id=party.id
    )
    context.emit(CustomerLoginCreated(party.public_id, user.public_id))
    context.note("customer", party.public_id, user_id=user.public_id)
    return {"id": user.public_id, "customer_id": party.public_id}


def new_user(*, key: UUID, username: str, password_hash: str, kind: str, role: str) -> User:
    """Save a user with a password that is hashed already. Raises Invalid, NameTaken."""
    name = User.normalize_username(domain.clean_text(username, field="username", chars_max=100))
    try:
        identify_hasher(password_hash)
    except ValueError:
        raise Invalid(field="password_hash", reason="not a password hash") from None
    if User.objects.filter(username=name).exists():
        raise NameTaken
    user = User(id=key, username=name, password=password_hash, kind=kind, role=role)
    try:
        user.save(force_insert=True)
    except IntegrityError:  # somebody else was first, at this very moment
        raise NameTaken from None
    return user


def _locked(customer_id: UUID) -> Party:
    row = Party.objects.select_for_update(no_key=True).filter(id=customer_id).first()
    if row is None:
        raise NotFound(object="customer")
    return row


def _reference(text: str) -> str:
    return domain.clean_text(text, field="reference", chars_max=domain.REFERENCE_CHARS_MAX, required=False)


def customer_key(public_id: str) -> UUID:
    """Read a customer's public id. Raises BadId."""
    return ids.parse_public_id("pty", public_id)
