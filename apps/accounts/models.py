"""Organisations, the people who work here, and whose money the platform holds."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models

from apps.core import ids
from apps.core.crypto import normalise
from apps.core.crypto.fields import BlindIndexField, EncryptedTextField
from apps.core.fields import CurrencyField
from apps.core.models import TenantModel


class Organisation(models.Model):
    """A tenant: a merchant, or a legal entity of the operator. Everything belongs to one."""

    class Kind(models.TextChoices):
        OPERATOR = "operator"
        MERCHANT = "merchant"

    id = models.UUIDField(primary_key=True, editable=False)
    name = models.CharField(max_length=140)
    kind = models.CharField(max_length=10, choices=Kind)
    country = models.CharField(max_length=2)
    bank_code = models.CharField(max_length=12, default="")
    """The operator's national bank code, of which the IBANs of payment accounts are made."""
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            # One deployment serves one operator.
            models.UniqueConstraint(
                fields=["kind"], condition=models.Q(kind="operator"), name="accounts_one_operator"
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=["operator", "merchant"]), name="accounts_org_kind"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        """Return the id outsiders know the organisation by."""
        return ids.public_id("org", self.id)


class UserManager(BaseUserManager["User"]):
    """Makes users; there is no create_superuser: nobody is above the four eyes."""

    def create_user(self, *, id: UUID, username: str, password: str, kind: str, **fields: Any) -> User:
        """Save a user with a hashed password."""
        user = self.model(id=id, username=self.model.normalize_username(username), kind=kind, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        """Find a user by the name they log in with."""
        return self.get(username=username)


class User(AbstractBaseUser, PermissionsMixin):  # type: ignore[django-manager-missing]  # made by relations from above
    """Somebody who logs in: staff of the operator, or a customer. Only staff reach the console."""

    class Kind(models.TextChoices):
        STAFF = "staff"
        CUSTOMER = "customer"

    id = models.UUIDField(primary_key=True, editable=False)
    username = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=10, choices=Kind)
    role = models.CharField(max_length=30, default="")
    is_active = models.BooleanField(default=True)
    joined_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()
    USERNAME_FIELD = "username"

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=["staff", "customer"]), name="accounts_user_kind"
            ),
            models.CheckConstraint(condition=models.Q(is_superuser=False), name="accounts_no_superuser"),
            models.CheckConstraint(
                condition=models.Q(kind="staff") | models.Q(role=""), name="accounts_roles_are_staffs"
            ),
        ]

    def __str__(self) -> str:
        return self.username

    @property
    def public_id(self) -> str:
        """Return the id that records name the user by."""
        return ids.public_id("usr", self.id)

    @property
    def is_staff(self) -> bool:
        """Tell whether the console is open to this user at all."""
        return self.kind == self.Kind.STAFF


class Party(TenantModel):
    """A customer: a person or company an organisation deals with.

    What is personal is sealed under the party's own key, so that destroying the key erases the person.
    """

    class Kind(models.TextChoices):
        PERSON = "person"
        COMPANY = "company"

    kind = models.CharField(max_length=10, choices=Kind)
    name = EncryptedTextField(purpose="party", subject="id", max_length=140)
    name_index = BlindIndexField(source="name", normalise=normalise.name)
    email = EncryptedTextField(purpose="party", subject="id", max_length=254, null=True)
    email_index = BlindIndexField(source="email", normalise=normalise.email)
    phone = EncryptedTextField(purpose="party", subject="id", max_length=16, null=True)
    phone_index = BlindIndexField(source="phone", normalise=normalise.phone)
    country = models.CharField(max_length=2)
    reference = models.CharField(max_length=100, default="")
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(kind__in=["person", "company"]), name="accounts_party_kind"
            ),
        ]
        indexes = [
            # Exact search by what a caller knows of a customer; the index values tell nothing else.
            models.Index(fields=["organisation_id", "email_index"], name="accounts_party_email"),
            models.Index(fields=["organisation_id", "name_index"], name="accounts_party_name"),
            models.Index(fields=["organisation_id", "phone_index"], name="accounts_party_phone"),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        """Return the id outsiders know the customer by."""
        return ids.public_id("pty", self.id)


class PaymentAccount(TenantModel):
    """Where a customer's money is held, or the organisation's own: an IBAN outside, a ledger account inside."""

    class Status(models.TextChoices):
        OPEN = "open"
        BLOCKED = "blocked"
        CLOSED = "closed"

    party_id = models.UUIDField(null=True)  # none: the organisation's own money
    iban = models.CharField(max_length=34, unique=True)
    currency = CurrencyField()
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN)
    block_reason = models.CharField(max_length=30, default="")
    label = models.CharField(max_length=70, default="")
    ledger_account_id = models.BigIntegerField(unique=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(status__in=["open", "blocked", "closed"]), name="accounts_account_status"
            ),
            models.CheckConstraint(
                condition=models.Q(status="blocked", block_reason__gt="")
                | (~models.Q(status="blocked") & models.Q(block_reason="")),
                name="accounts_block_has_reason",
            ),
            models.CheckConstraint(
                condition=models.Q(status="closed", closed_at__isnull=False)
                | (~models.Q(status="closed") & models.Q(closed_at__isnull=True)),
                name="accounts_closed_has_time",
            ),
        ]
        indexes = [
            # A customer's accounts.
            models.Index(fields=["organisation_id", "party_id"], name="accounts_by_party")
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        """Return the id outsiders know the account by."""
        return ids.public_id("acc", self.id)

    @property
    def is_open(self) -> bool:
        """Tell whether the account's holder may pay from it."""
        return self.status == self.Status.OPEN


class Beneficiary(TenantModel):
    """Somebody outside whom a customer, or the organisation itself, trusts as a payee (RTS Art. 13).

    The name is sealed under the key of the customer who keeps the list, or under its own.
    """

    party_id = models.UUIDField(null=True)
    subject_id = models.UUIDField()
    name = EncryptedTextField(purpose="beneficiary", subject="subject_id", max_length=140)
    iban = models.CharField(max_length=34)
    added_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            # One entry per payee on each list; the organisation's own list has no party.
            models.UniqueConstraint(
                fields=["organisation_id", "party_id", "iban"],
                name="accounts_beneficiary_once",
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        """Return the id outsiders know the beneficiary by."""
        return ids.public_id("ben", self.id)


class CustomerLogin(TenantModel):
    """Which customer of which organisation a user logs in as."""

    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="+")
    party_id = models.UUIDField()

    class Meta(TenantModel.Meta):
        constraints = [*TenantModel.Meta.constraints]

    def __str__(self) -> str:
        return str(self.id)
