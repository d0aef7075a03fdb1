"""Status reports: what became of the payments of a file (pain.002) or of an interbank message (pacs.002).

Both are read into one model and can be written, the latter for the bank simulator and the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.core.money import Money

REJECTED = "RJCT"
ACCEPTED = frozenset({"ACTC", "ACCP", "ACSP", "ACSC", "ACCC", "ACWC", "ACWP", "ACFC"})
SETTLED = frozenset({"ACSC", "ACCC"})


@dataclass(frozen=True, slots=True)
class StatusReason:
    """Why: an ISO external code or the bank's own, and its sentence."""

    code: str = ""
    proprietary: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class TransactionStatus:
    """The status of one payment, found by the references it was sent with."""

    status: str
    end_to_end_id: str = ""
    instruction_id: str = ""
    tx_id: str = ""
    uetr: UUID | None = None
    status_id: str = ""
    reasons: tuple[StatusReason, ...] = ()
    accepted_at: datetime | None = None
    amount: Money | None = None
    original_message_id: str = ""


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """The status of one PmtInf and of those of its payments that the bank lists."""

    id: str
    status: str = ""
    reasons: tuple[StatusReason, ...] = ()
    transactions: tuple[TransactionStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class StatusReport:
    """One pain.002 or pacs.002. `groups` is used by the first, `transactions` by the second."""

    format: str
    message_id: str
    created_at: datetime
    original_message_id: str = ""
    original_message_name: str = ""
    status: str = ""
    reasons: tuple[StatusReason, ...] = ()
    groups: tuple[GroupStatus, ...] = ()
    transactions: tuple[TransactionStatus, ...] = ()

    def all_transactions(self) -> tuple[TransactionStatus, ...]:
        """Return every payment the report lists, in its order."""
        return tuple(tx for group in self.groups for tx in group.transactions) + self.transactions

    def status_of(self, end_to_end_id: str, *, group_id: str = "") -> tuple[str, tuple[StatusReason, ...]]:
        """Return the status of a payment and the reasons; an empty status if the report says nothing.

        The payment's own line decides; without one the status of its PmtInf, then of the file. A
        file or PmtInf that is PART lists what was rejected, so silence says nothing there.
        """
        for transaction in self.all_transactions():
            if transaction.end_to_end_id == end_to_end_id and transaction.status:
                return transaction.status, transaction.reasons
        for group in self.groups:
            if group.id == group_id and group.status and group.status != "PART":
                return group.status, group.reasons
        return (self.status, self.reasons) if self.status not in ("", "PART") else ("", ())
