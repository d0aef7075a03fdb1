"""Trusted beneficiaries: payees that a customer, or the organisation itself, keeps on a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError

from apps.accounts import domain, queries
from apps.accounts.events import BeneficiaryAdded
from apps.accounts.models import Beneficiary
from apps.core.commands import Command, Context, handles
from apps.core.crypto.errors import KeyDestroyed
from apps.core.errors import Conflict, NotFound


class BeneficiaryExists(Conflict):
    code = "beneficiary_exists"
    title = "This IBAN is on the list already."


@dataclass(frozen=True)
class AddBeneficiary(Command):
    """Put a payee on a customer's list, or on the organisation's own list (no customer)."""

    name: str
    iban: str
    customer_id: UUID | None = None


@handles(AddBeneficiary, name="accounts.add_beneficiary", version=1, permission="customers.write")
def add_beneficiary(command: AddBeneficiary, context: Context) -> dict[str, Any]:
    """Save the payee. Raises BadIban, Invalid, NotFound, BeneficiaryExists; Conflict for an erased customer."""
    assert command.organisation_id is not None
    if command.customer_id is not None:
        queries.customer(command.customer_id)
    iban, key = domain.clean_iban(command.iban), context.new_id()
    listed = Beneficiary.objects.filter(
        organisation_id=command.organisation_id, party_id=command.customer_id, iban=iban
    )
    if listed.exists():
        raise BeneficiaryExists
    row = Beneficiary(
        id=key,
        organisation_id=command.organisation_id,
        party_id=command.customer_id,
        subject_id=command.customer_id or key,
        name=domain.clean_name(command.name),
        iban=iban,
        added_at=context.at,
    )
    try:
        row.save(force_insert=True)
    except KeyDestroyed:
        raise Conflict(reason="the customer was erased") from None
    except IntegrityError:  # somebody else was first, at this very moment
        raise BeneficiaryExists from None
    customer = queries.beneficiary_data(row)["customer_id"]
    context.emit(BeneficiaryAdded(row.public_id, customer))
    context.note("beneficiary", row.public_id, customer_id=customer)
    return {"id": row.public_id}


@dataclass(frozen=True)
class RemoveBeneficiary(Command):
    """Take a payee off the list."""

    beneficiary_id: UUID


@handles(RemoveBeneficiary, name="accounts.remove_beneficiary", version=1, permission="customers.write")
def remove_beneficiary(command: RemoveBeneficiary, context: Context) -> dict[str, Any]:
    """Delete the row; the audit log keeps that it was there. Raises NotFound."""
    row = Beneficiary.objects.select_for_update().filter(id=command.beneficiary_id).first()
    if row is None:
        raise NotFound(object="beneficiary")
    removed_id = row.public_id
    row.delete()
    context.note("beneficiary", removed_id)
    return {"id": removed_id, "removed": True}
