"""What payments tell the world. One event a transition, all with the same body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from apps.core.events import Event, event
from apps.payments.domain.lifecycle import State


@dataclass(frozen=True)
class PaymentChanged(Event):
    """The body of every payment event: which payment, what it is, and how it moved."""

    OBJECT: ClassVar[tuple[str, str]] = ("payment", "payment_id")

    payment_id: str
    kind: str
    rail: str
    amount: str  # decimal text
    currency: str
    account_id: str
    state: str
    previous_state: str
    end_to_end_id: str
    reference: str
    failure_code: str = ""
    batch_message_id: str = ""
    parent_id: str = ""
    quote_id: str = ""
    source_amount: str = ""  # what left the account, where that is another currency; decimal text
    source_currency: str = ""
    exchange_rate: str = ""  # units of `currency` for one of `source_currency`


@event("payments.payment_ordered", version=1)
@dataclass(frozen=True)
class PaymentOrdered(PaymentChanged):
    """A payment was ordered; its money is held."""


@event("payments.payment_approved", version=1)
@dataclass(frozen=True)
class PaymentApproved(PaymentChanged):
    """A payment was approved and waits for its batch."""


@event("payments.payment_withheld", version=1)
@dataclass(frozen=True)
class PaymentWithheld(PaymentChanged):
    """An approved payment was to leave, and its account is blocked or closed; its money stays on hold."""


@event("payments.payment_declined", version=1)
@dataclass(frozen=True)
class PaymentDeclined(PaymentChanged):
    """A second person declined a payment; its money is free again."""


@event("payments.payment_cancelled", version=1)
@dataclass(frozen=True)
class PaymentCancelled(PaymentChanged):
    """A payment was cancelled before it left; its money is free again."""


@event("payments.payment_batched", version=1)
@dataclass(frozen=True)
class PaymentBatched(PaymentChanged):
    """A payment was put into a file for the bank."""


@event("payments.payment_sent", version=1)
@dataclass(frozen=True)
class PaymentSent(PaymentChanged):
    """The file with the payment was handed to the bank."""


@event("payments.payment_accepted", version=1)
@dataclass(frozen=True)
class PaymentAccepted(PaymentChanged):
    """The bank accepted the payment."""


@event("payments.payment_rejected", version=1)
@dataclass(frozen=True)
class PaymentRejected(PaymentChanged):
    """The bank rejected the payment before settlement; its money is back."""


@event("payments.payment_received", version=1)
@dataclass(frozen=True)
class PaymentReceived(PaymentChanged):
    """A provider collected money for us; it is owed to us until the bank shows it."""


@event("payments.payment_settled", version=1)
@dataclass(frozen=True)
class PaymentSettled(PaymentChanged):
    """The payment is final in the books and, where a bank is part of it, on the bank's statement."""


@event("payments.payment_returned", version=1)
@dataclass(frozen=True)
class PaymentReturned(PaymentChanged):
    """The payment came back after settlement."""


@event("payments.payment_final", version=1)
@dataclass(frozen=True)
class PaymentFinal(PaymentChanged):
    """The time in which a settled payment could be taken back has passed; its money is free."""


@event("payments.payment_unknown", version=1)
@dataclass(frozen=True)
class PaymentUnknown(PaymentChanged):
    """The bank did not answer in time; the money stays reserved until an inquiry or a late answer tells."""


@event("payments.payment_in_review", version=1)
@dataclass(frozen=True)
class PaymentInReview(PaymentChanged):
    """What was told does not fit the payment; a person decides."""


@event("payments.payment_created", version=1)
@dataclass(frozen=True)
class PaymentCreated(PaymentChanged):
    """A card payment was created; nothing is authorised yet."""


@event("payments.payment_requires_action", version=1)
@dataclass(frozen=True)
class PaymentRequiresAction(PaymentChanged):
    """The payer must authenticate before the payment can go on."""


@event("payments.payment_authorised", version=1)
@dataclass(frozen=True)
class PaymentAuthorised(PaymentChanged):
    """The card's issuer has authorised the amount."""


@event("payments.payment_partially_captured", version=1)
@dataclass(frozen=True)
class PaymentPartiallyCaptured(PaymentChanged):
    """A part of the authorised amount was captured."""


@event("payments.payment_captured", version=1)
@dataclass(frozen=True)
class PaymentCaptured(PaymentChanged):
    """All that will be captured of the payment is captured."""


@event("payments.payment_failed", version=1)
@dataclass(frozen=True)
class PaymentFailed(PaymentChanged):
    """The card was declined, or could not be tried; another may be."""


@event("payments.payment_expired", version=1)
@dataclass(frozen=True)
class PaymentExpired(PaymentChanged):
    """The payment was not completed, or not captured, in time."""


@dataclass(frozen=True)
class BulkOrderChanged(Event):
    """The body of every event of a bulk order. Each of its payments tells its own events besides."""

    OBJECT: ClassVar[tuple[str, str]] = ("bulk_order", "bulk_order_id")

    bulk_order_id: str
    account_id: str
    payments: int
    total: str  # decimal text
    currency: str
    state: str
    previous_state: str
    reference: str


@event("payments.bulk_order_ordered", version=1)
@dataclass(frozen=True)
class BulkOrderOrdered(BulkOrderChanged):
    """Many payments were ordered at once; their money is held."""


@event("payments.bulk_order_approved", version=1)
@dataclass(frozen=True)
class BulkOrderApproved(BulkOrderChanged):
    """All payments of the order were approved and wait for their batch."""


@event("payments.bulk_order_declined", version=1)
@dataclass(frozen=True)
class BulkOrderDeclined(BulkOrderChanged):
    """A second person declined the order; the money of all its payments is free again."""


@event("payments.bulk_order_cancelled", version=1)
@dataclass(frozen=True)
class BulkOrderCancelled(BulkOrderChanged):
    """Whatever of the order had not gone into a file was taken back."""


@dataclass(frozen=True)
class StandingOrderChanged(Event):
    """The body of every event of a standing order."""

    OBJECT: ClassVar[tuple[str, str]] = ("standing_order", "standing_order_id")

    standing_order_id: str
    kind: str
    account_id: str
    amount: str  # decimal text
    currency: str
    state: str
    previous_state: str
    reference: str
    due_on: str  # the next day, or the one that this is about; empty when there is none
    payment_id: str = ""  # what a run made
    reason: str = ""  # why a run was not made


@event("payments.standing_order_ordered", version=1)
@dataclass(frozen=True)
class StandingOrderOrdered(StandingOrderChanged):
    """A standing order was given."""


@event("payments.standing_order_activated", version=1)
@dataclass(frozen=True)
class StandingOrderActivated(StandingOrderChanged):
    """A standing order was approved, or resumed; its runs are made when they are due."""


@event("payments.standing_order_declined", version=1)
@dataclass(frozen=True)
class StandingOrderDeclined(StandingOrderChanged):
    """A second person declined the standing order."""


@event("payments.standing_order_paused", version=1)
@dataclass(frozen=True)
class StandingOrderPaused(StandingOrderChanged):
    """No run is made until the order is resumed."""


@event("payments.standing_order_cancelled", version=1)
@dataclass(frozen=True)
class StandingOrderCancelled(StandingOrderChanged):
    """No run is made any more; payments made before go their way."""


@event("payments.standing_order_executed", version=1)
@dataclass(frozen=True)
class StandingOrderExecuted(StandingOrderChanged):
    """A run was due and has made its payment."""


@event("payments.standing_order_failed", version=1)
@dataclass(frozen=True)
class StandingOrderFailed(StandingOrderChanged):
    """A run could not be made, for good; the order goes on with the next."""


@event("payments.standing_order_completed", version=1)
@dataclass(frozen=True)
class StandingOrderCompleted(StandingOrderChanged):
    """The last run of the order is over."""


EVENT_OF_STATE: dict[State, type[PaymentChanged]] = {
    State.ORDERED: PaymentOrdered,
    State.APPROVED: PaymentApproved,
    State.WITHHELD: PaymentWithheld,
    State.DECLINED: PaymentDeclined,
    State.CANCELLED: PaymentCancelled,
    State.BATCHED: PaymentBatched,
    State.SENT: PaymentSent,
    State.ACCEPTED: PaymentAccepted,
    State.REJECTED: PaymentRejected,
    State.RECEIVED: PaymentReceived,
    State.SETTLED: PaymentSettled,
    State.RETURNED: PaymentReturned,
    State.FINAL: PaymentFinal,
    State.UNKNOWN: PaymentUnknown,
    State.REVIEW: PaymentInReview,
    State.CREATED: PaymentCreated,
    State.REQUIRES_ACTION: PaymentRequiresAction,
    State.AUTHORISED: PaymentAuthorised,
    State.PARTIALLY_CAPTURED: PaymentPartiallyCaptured,
    State.CAPTURED: PaymentCaptured,
    State.FAILED: PaymentFailed,
    State.EXPIRED: PaymentExpired,
}
