"""Erasing a customer: the personal data goes for good, the money's history stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.accounts.events import CustomerErased as CustomerErasedEvent
from apps.accounts.models import Party, PaymentAccount
from apps.core import ids
from apps.core.commands import Command, Context, handles
from apps.core.crypto.erasure import destroy_subject_key
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.registries import ERASERS

REASON_MAX = 300


class AccountsOpen(Conflict):
    code = "accounts_open"
    title = "A customer whose accounts are open cannot be erased; close them first."


@dataclass(frozen=True)
class EraseCustomer(Command):
    """Destroy the key of a customer's personal data (GDPR, article 17), when a second person agrees."""

    customer_id: UUID
    reason: str

    def target(self) -> str:
        """Let one erasure of a customer wait at a time."""
        return f"erase:{self.customer_id}"


@handles(
    EraseCustomer, name="accounts.erase_customer", version=1, permission="retention.write", four_eyes=True
)
def erase_customer(command: EraseCustomer, context: Context) -> dict[str, Any]:
    """Run every context's eraser, then destroy the key. Raises NotFound, AccountsOpen, Invalid.

    Locks the customer's row first, so that nothing personal is added meanwhile. What is sealed becomes
    noise in every table and every backup; postings, statements and the audit record stay.
    """
    assert command.organisation_id is not None
    reason = " ".join(command.reason.split())
    if not reason or len(reason) > REASON_MAX:
        raise Invalid(field="reason", reason=f"between 1 and {REASON_MAX} characters")
    key = ids.public_id("pty", command.customer_id)
    customer = (
        Party.objects.select_for_update()
        .filter(pk=command.customer_id, organisation_id=command.organisation_id)
        .first()
    )
    if customer is None:
        raise NotFound(object="customer", id=key)
    open_accounts = PaymentAccount.objects.filter(party_id=customer.pk).exclude(status="closed").count()
    if open_accounts:
        raise AccountsOpen(id=key, accounts=open_accounts)
    emptied = sum(erase(command.organisation_id, command.customer_id) for erase in ERASERS.entries.values())
    alive = destroy_subject_key(
        organisation_id=command.organisation_id, subject_id=command.customer_id, at=context.at
    )
    context.note("customer", key, reason=reason, rows=emptied, key_destroyed=alive)
    context.emit(CustomerErasedEvent(key))
    return {"id": key, "erased": True}
