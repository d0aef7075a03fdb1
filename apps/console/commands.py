"""What staff do at the console itself: log in, set up a second factor, look at personal data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.console.access import LOG_IN
from apps.core.commands import Command, Context, handles
from apps.core.errors import Denied, Invalid

REASON_MIN, REASON_MAX = 10, 300


@dataclass(frozen=True)
class RecordLogin(Command):
    """Somebody showed both factors."""

    user_id: str


@handles(RecordLogin, name="console.log_in", version=1, permission=LOG_IN)
def record_login(command: RecordLogin, context: Context) -> dict[str, Any]:
    """Write the login into the audit log. Raises Denied for anybody but the user themselves."""
    _only_oneself(command.user_id, context)
    context.note("user", command.user_id)
    return {"user_id": command.user_id}


@dataclass(frozen=True)
class RecordSecondFactor(Command):
    """Somebody set up the app that makes their one-time codes, and proved it with a code."""

    user_id: str


@handles(RecordSecondFactor, name="console.set_up_second_factor", version=1, permission=LOG_IN)
def record_second_factor(command: RecordSecondFactor, context: Context) -> dict[str, Any]:
    """Write the setting up into the audit log. Raises Denied for anybody but the user themselves."""
    _only_oneself(command.user_id, context)
    context.note("user", command.user_id, factor="totp")
    return {"user_id": command.user_id}


@dataclass(frozen=True)
class RevealPersonalData(Command):
    """Show one member of staff the personal data of one object, for a reason they give."""

    object_type: str  # customer, counterparty, account
    object_id: str  # its public id
    reason: str


@handles(
    RevealPersonalData, name="console.reveal_personal_data", version=1, permission="personal_data.reveal"
)
def reveal_personal_data(command: RevealPersonalData, context: Context) -> dict[str, Any]:
    """Write who looks at whom, and why, before anything is shown. Raises Invalid for a poor reason.

    The data itself is no part of the answer: answers are stored, and it must not be.
    """
    reason = " ".join(command.reason.split())
    if not REASON_MIN <= len(reason) <= REASON_MAX:
        raise Invalid(field="reason", shortest=REASON_MIN, longest=REASON_MAX)
    context.note(command.object_type, command.object_id, reason=reason)
    return {"object_id": command.object_id}


def _only_oneself(user_id: str, context: Context) -> None:
    if context.actor.id != user_id:
        raise Denied(reason="only for oneself")
