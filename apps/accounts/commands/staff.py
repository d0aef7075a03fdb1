"""Staff: created, given another role, disabled. Commands of the platform; administrators give them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.accounts.commands.customers import new_user
from apps.accounts.events import StaffRoleChanged, StaffUserCreated, UserDisabled
from apps.accounts.models import User
from apps.accounts.roles import checked_role
from apps.core import ids
from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict, Denied, NotFound


class OwnAccount(Denied):
    code = "own_account"
    title = "Nobody changes their own role or disables themselves."


class AlreadySo(Conflict):
    code = "already_so"
    title = "It is so already."


@dataclass(frozen=True)
class CreateStaffUser(Command):
    """Let somebody work in the console. `password_hash` is made by the caller: no command holds a password."""

    username: str
    password_hash: str
    role: str


@handles(CreateStaffUser, name="accounts.create_staff_user", version=1, permission="staff.write")
def create_staff_user(command: CreateStaffUser, context: Context) -> dict[str, Any]:
    """Save the user. Raises Invalid, NameTaken, Denied for an actor bound to an organisation."""
    _only_platform(command, context)
    user = new_user(
        key=context.new_id(),
        username=command.username,
        password_hash=command.password_hash,
        kind=User.Kind.STAFF,
        role=checked_role(command.role),
    )
    context.emit(StaffUserCreated(user.public_id, user.role))
    context.note("user", user.public_id, role=user.role)
    return {"id": user.public_id, "role": user.role}


@dataclass(frozen=True)
class ChangeStaffRole(Command):
    """Give a member of staff another role."""

    user_id: UUID
    role: str

    def target(self) -> str:
        """Name the user: one waiting request about each."""
        return ids.public_id("usr", self.user_id)


@handles(ChangeStaffRole, name="accounts.change_staff_role", version=1, permission="staff.write")
def change_staff_role(command: ChangeStaffRole, context: Context) -> dict[str, Any]:
    """Save the role; it counts from the user's next request. Raises NotFound, Invalid, OwnAccount, AlreadySo."""
    _only_platform(command, context)
    user = _locked_staff(command.user_id, context)
    former, user.role = user.role, checked_role(command.role)
    if user.role == former:
        raise AlreadySo(role=former)
    user.save(update_fields=["role"])
    context.emit(StaffRoleChanged(user.public_id, former, user.role))
    context.note("user", user.public_id, former_role=former, role=user.role)
    return {"id": user.public_id, "role": user.role}


@dataclass(frozen=True)
class DisableUser(Command):
    """End somebody's access, of staff or of a customer, at once: open sessions stop working too."""

    user_id: UUID

    def target(self) -> str:
        """Name the user: one waiting request about each."""
        return ids.public_id("usr", self.user_id)


DisableStaffUser = DisableUser


@handles(DisableUser, name="accounts.disable_user", version=1, permission="staff.write")
def disable_user(command: DisableUser, context: Context) -> dict[str, Any]:
    """Mark the user inactive. Raises NotFound, OwnAccount, AlreadySo."""
    _only_platform(command, context)
    user = _locked(command.user_id, context)
    if not user.is_active:
        raise AlreadySo(active=False)
    user.is_active = False
    user.save(update_fields=["is_active"])
    context.emit(UserDisabled(user.public_id))
    context.note("user", user.public_id)
    return {"id": user.public_id, "active": False}


def _only_platform(command: Command, context: Context) -> None:
    if command.organisation_id is not None or context.actor.organisation_id is not None:
        raise Denied(reason="staff belong to the operator, not to an organisation")


def _locked(user_id: UUID, context: Context) -> User:
    user = User.objects.select_for_update(no_key=True).filter(id=user_id).first()
    if user is None:
        raise NotFound(object="user")
    if user.public_id in (context.actor.id, context.approved_by):
        raise OwnAccount
    return user


def _locked_staff(user_id: UUID, context: Context) -> User:
    user = _locked(user_id, context)
    if user.kind != User.Kind.STAFF:
        raise NotFound(object="user")
    return user
