"""What mandates, collections, returns and recalls tell the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from apps.core.events import Event, event


@dataclass(frozen=True)
class MandateChanged(Event):
    """The body of every mandate event. The debtor's name and account are behind `counterparty_id`."""

    OBJECT: ClassVar[tuple[str, str]] = ("mandate", "mandate_id")

    mandate_id: str
    reference: str
    scheme: str
    recurrence: str
    creditor_id: str
    counterparty_id: str
    state: str
    previous_state: str


@event("payments.mandate_created", version=1)
@dataclass(frozen=True)
class MandateCreated(MandateChanged):
    """A mandate was recorded; it is active, or drafted until it is signed."""


@event("payments.mandate_activated", version=1)
@dataclass(frozen=True)
class MandateActivated(MandateChanged):
    """A mandate was signed or taken up again: collections can be ordered under it."""


@event("payments.mandate_amended", version=1)
@dataclass(frozen=True)
class MandateAmended(MandateChanged):
    """A mandate was amended; the next collection tells the debtor's bank."""


@event("payments.mandate_suspended", version=1)
@dataclass(frozen=True)
class MandateSuspended(MandateChanged):
    """Nothing is collected under the mandate for now: by its creditor's wish, or because a bank said why not."""


@event("payments.mandate_cancelled", version=1)
@dataclass(frozen=True)
class MandateCancelled(MandateChanged):
    """A mandate was cancelled, or a bank said that there is none; what waited under it will not be collected."""


@event("payments.mandate_expired", version=1)
@dataclass(frozen=True)
class MandateExpired(MandateChanged):
    """A mandate lapsed: nothing was collected under it for 36 months."""


MANDATE_EVENT_OF_STATE: dict[str, type[MandateChanged]] = {
    "active": MandateActivated,
    "suspended": MandateSuspended,
    "cancelled": MandateCancelled,
    "expired": MandateExpired,
}


@event("payments.collection_prenotified", version=1)
@dataclass(frozen=True)
class CollectionPrenotified(Event):
    """The debtor has to be told now what will be collected, when, by whom and under which mandate."""

    OBJECT: ClassVar[tuple[str, str]] = ("payment", "payment_id")

    payment_id: str
    mandate_id: str
    mandate_reference: str
    creditor_id: str
    creditor_name: str
    counterparty_id: str
    amount: str  # decimal text
    currency: str
    collection_date: str
    sequence_type: str


@dataclass(frozen=True)
class ReturnChanged(Event):
    """The body of every event of what came back."""

    OBJECT: ClassVar[tuple[str, str]] = ("return", "return_id")

    return_id: str
    payment_id: str
    kind: str
    code: str
    reason: str  # the same on every rail
    action: str
    amount: str  # decimal text
    currency: str
    state: str


@event("payments.return_received", version=1)
@dataclass(frozen=True)
class ReturnReceived(ReturnChanged):
    """A bank rejected a payment or sent it back, and said why."""


@event("payments.return_settled", version=1)
@dataclass(frozen=True)
class ReturnSettled(ReturnChanged):
    """The bank's statement shows a return that it had told before."""


@dataclass(frozen=True)
class RecallChanged(Event):
    """The body of every recall event."""

    OBJECT: ClassVar[tuple[str, str]] = ("recall", "recall_id")

    recall_id: str
    payment_id: str
    reason: str
    answer_code: str
    state: str
    previous_state: str


@event("payments.recall_requested", version=1)
@dataclass(frozen=True)
class RecallRequested(RecallChanged):
    """Somebody wants a payment back that has left."""


@event("payments.recall_sent", version=1)
@dataclass(frozen=True)
class RecallSent(RecallChanged):
    """The request was handed to the bank."""


@event("payments.recall_pending", version=1)
@dataclass(frozen=True)
class RecallPending(RecallChanged):
    """The other bank has the request and has not decided."""


@event("payments.recall_refused", version=1)
@dataclass(frozen=True)
class RecallRefused(RecallChanged):
    """The other side keeps the money."""


@event("payments.recall_accepted", version=1)
@dataclass(frozen=True)
class RecallAccepted(RecallChanged):
    """The money comes back, by a return."""


RECALL_EVENT_OF_STATE: dict[str, type[RecallChanged]] = {
    "requested": RecallRequested,
    "sent": RecallSent,
    "pending": RecallPending,
    "refused": RecallRefused,
    "accepted": RecallAccepted,
}
