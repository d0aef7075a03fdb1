"""What accounts registers at start-up: how a customer's traces are removed when the customer is erased."""

from __future__ import annotations

from uuid import UUID

from apps.accounts.models import CustomerLogin, Party, User
from apps.core.registries import ERASERS


def erase_customer(organisation_id: UUID, subject_id: UUID) -> int:
    """Empty the customer's blind indexes and reference, and end its login; return how many rows changed.

    The sealed values stay as they are: destroying the customer's key, which the caller does last, makes
    them noise, those of its beneficiaries too. Needs the organisation's scope.
    """
    customers = Party.objects.filter(organisation_id=organisation_id, id=subject_id)
    changed = customers.update(name_index=None, email_index=None, phone_index=None, reference="")
    logins = CustomerLogin.objects.filter(organisation_id=organisation_id, party_id=subject_id)
    users = User.objects.filter(id__in=logins.values("user_id"))
    for user in users:
        user.username, user.is_active = f"erased-{user.id}", False
        user.set_unusable_password()
        user.save(update_fields=["username", "is_active", "password"])
    return changed + len(users)


ERASERS.register("accounts", erase_customer)
