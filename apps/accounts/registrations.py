"""What accounts registers at start-up: how a customer is erased, and what a maker may still do."""

from __future__ import annotations

from uuid import UUID

from apps.accounts.models import CustomerLogin, Party, User
from apps.accounts.queries import staff_actor, user_by_public_id
from apps.compliance.public import MAKER_PERMISSIONS
from apps.core.errors import Denied, NotFound
from apps.core.ids import BadId
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


def permissions_of_maker(kind: str, actor_id: str) -> frozenset[str] | None:
    """Tell what a member of staff may do now, when a request of theirs is approved; nothing once they left."""
    if kind != "staff":
        return None
    try:
        return staff_actor(user_by_public_id(actor_id)).permissions
    except BadId:  # no user of ours, such as a process that acts as staff
        return None
    except (Denied, NotFound):
        return frozenset()


MAKER_PERMISSIONS.append(permissions_of_maker)
