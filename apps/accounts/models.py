"""Organisations, the people who work here, and whose money the platform holds."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models



class Organisation(models.Model):
    """A tenant: a merchant, or a legal entity of the operator. Everything belongs to one."""

    class Kind(models.TextChoices):
        OPERATOR = "operator"
        MERCHANT = "merchant"

    id = models.UUIDField(primary_key=True, editable=False)
    name = models.CharField(max_length=140)
    kind = models.CharField(max_length=10, choices=Kind)
    country = models.CharField(max_length=2)
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


class UserManager(BaseUserManager["User"]):
    """Makes users; there is no create_superuser: nobody is above the four eyes."""

    def create_user(self, *, id: UUID, username: str, password: str, kind: str, **fields: Any) -> User:  # noqa: A002
        """Save a user with a hashed password."""
        user = self.model(id=id, username=self.model.normalize_username(username), kind=kind, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        """Find a user by the name they log in with."""
        return self.get(username=username)


class User(AbstractBaseUser, PermissionsMixin):
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
            models.CheckConstraint(condition=models.Q(kind__in=["staff", "customer"]), name="accounts_user_kind"),
            models.CheckConstraint(condition=models.Q(is_superuser=False), name="accounts_no_superuser"),
        ]

    def __str__(self) -> str:
        return self.username

    @property
    def is_staff(self) -> bool:
        """Tell whether the console is open to this user at all."""
        return self.kind == self.Kind.STAFF
