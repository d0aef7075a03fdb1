"""What may stand against the closing of a payment account: asked of whoever has registered an answer.

The contexts above know what is still under way on an account; accounts know none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from apps.core.errors import Conflict
from apps.core.registries import Registry

Guard = Callable[[UUID], dict[str, int]]

CLOSING_GUARDS: Registry[Guard] = Registry("closing guard")
"""Functions from an account's key to what is under way on it, by name; called with the account locked."""


class AccountInUse(Conflict):
    code = "account_in_use"
    title = "Something is still under way on the account."


def under_way(account_id: UUID) -> dict[str, int]:
    """Return what stands against closing the account, by name; nothing if it can be closed as far as this goes."""
    return {
        name: count
        for guard in CLOSING_GUARDS.entries.values()
        for name, count in guard(account_id).items()
        if count
    }


def check_closing(account_id: UUID) -> None:
    """Raise AccountInUse, with the numbers, if anything is still under way on the account."""
    found = under_way(account_id)
    if found:
        raise AccountInUse(under_way=found)
