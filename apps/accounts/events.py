"""What happened to organisations, customers, payment accounts and staff. No personal data: ids tell who."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from apps.core.events import Event, event


@event("accounts.organisation_opened", version=1)
@dataclass(frozen=True)
class OrganisationOpened(Event):
    """An organisation was opened."""

    OBJECT: ClassVar = ("organisation", "organisation_id")
    organisation_id: str
    kind: str


@event("accounts.customer_created", version=1)
@dataclass(frozen=True)
class CustomerCreated(Event):
    """A customer was created."""

    OBJECT: ClassVar = ("customer", "customer_id")
    customer_id: str
    kind: str


@event("accounts.customer_changed", version=1)
@dataclass(frozen=True)
class CustomerChanged(Event):
    """Data of a customer changed; `fields` names which, not to what."""

    OBJECT: ClassVar = ("customer", "customer_id")
    customer_id: str
    fields: tuple[str, ...]


@event("accounts.customer_erased", version=1)
@dataclass(frozen=True)
class CustomerErased(Event):
    """A customer's personal data was destroyed; drop what you hold of it too."""

    OBJECT: ClassVar = ("customer", "customer_id")
    customer_id: str


@event("accounts.account_opened", version=1)
@dataclass(frozen=True)
class AccountOpened(Event):
    """A payment account was opened; without a customer it holds the organisation's own money."""

    OBJECT: ClassVar = ("account", "account_id")
    account_id: str
    customer_id: str | None
    currency: str


@event("accounts.account_blocked", version=1)
@dataclass(frozen=True)
class AccountBlocked(Event):
    """A payment account was blocked: nothing may be paid from it."""

    OBJECT: ClassVar = ("account", "account_id")
    account_id: str
    reason: str


@event("accounts.account_unblocked", version=1)
@dataclass(frozen=True)
class AccountUnblocked(Event):
    """The block of a payment account was lifted."""

    OBJECT: ClassVar = ("account", "account_id")
    account_id: str


@event("accounts.account_closed", version=1)
@dataclass(frozen=True)
class AccountClosed(Event):
    """A payment account was closed, empty and for good."""

    OBJECT: ClassVar = ("account", "account_id")
    account_id: str


@event("accounts.beneficiary_added", version=1)
@dataclass(frozen=True)
class BeneficiaryAdded(Event):
    """A payee was put on a customer's list of trusted beneficiaries, or on the organisation's own."""

    OBJECT: ClassVar = ("beneficiary", "beneficiary_id")
    beneficiary_id: str
    customer_id: str | None


@event("accounts.staff_user_created", version=1)
@dataclass(frozen=True)
class StaffUserCreated(Event):
    """Somebody may log in to the console."""

    OBJECT: ClassVar = ("user", "user_id")
    user_id: str
    role: str


@event("accounts.staff_role_changed", version=1)
@dataclass(frozen=True)
class StaffRoleChanged(Event):
    """A member of staff has another role from now on."""

    OBJECT: ClassVar = ("user", "user_id")
    user_id: str
    former_role: str
    role: str


@event("accounts.user_disabled", version=1)
@dataclass(frozen=True)
class UserDisabled(Event):
    """Somebody can no longer log in."""

    OBJECT: ClassVar = ("user", "user_id")
    user_id: str


@event("accounts.customer_login_created", version=1)
@dataclass(frozen=True)
class CustomerLoginCreated(Event):
    """A customer can log in."""

    OBJECT: ClassVar = ("customer", "customer_id")
    customer_id: str
    user_id: str
