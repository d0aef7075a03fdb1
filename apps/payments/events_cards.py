"""What card payments tell the world below the intent: attempts, operations, disputes. One event a transition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from apps.core.events import Event, event
from apps.payments.domain.cards import AttemptState, DisputeState, OperationState


@dataclass(frozen=True)
class AttemptChanged(Event):
    """The body of every event of an attempt."""

    OBJECT: ClassVar[tuple[str, str]] = ("attempt", "attempt_id")

    attempt_id: str
    payment_id: str
    number: int
    amount: str  # decimal text
    currency: str
    state: str
    previous_state: str
    failure_code: str = ""


@dataclass(frozen=True)
class OperationChanged(Event):
    """The body of every event of a capture, void or refund."""

    OBJECT: ClassVar[tuple[str, str]] = ("operation", "operation_id")

    operation_id: str
    payment_id: str
    type: str
    amount: str  # decimal text
    currency: str
    state: str
    previous_state: str
    failure_code: str = ""


@dataclass(frozen=True)
class DisputeChanged(Event):
    """The body of every event of a dispute."""

    OBJECT: ClassVar[tuple[str, str]] = ("dispute", "dispute_id")

    dispute_id: str
    payment_id: str
    amount: str  # decimal text
    currency: str
    state: str
    previous_state: str
    reason: str = ""
    evidence_due_at: str = ""  # RFC 3339


@event("payments.attempt_prepared", version=1)
@dataclass(frozen=True)
class AttemptPrepared(AttemptChanged):
    """A try to authorise was recorded; nothing has left yet."""


@event("payments.attempt_sent", version=1)
@dataclass(frozen=True)
class AttemptSent(AttemptChanged):
    """The request for an authorisation goes to the processor."""


@event("payments.attempt_requires_action", version=1)
@dataclass(frozen=True)
class AttemptRequiresAction(AttemptChanged):
    """The payer must authenticate."""


@event("payments.attempt_unknown", version=1)
@dataclass(frozen=True)
class AttemptUnknown(AttemptChanged):
    """No answer came in time; the processor is asked what became of it."""


@event("payments.attempt_authorised", version=1)
@dataclass(frozen=True)
class AttemptAuthorised(AttemptChanged):
    """The issuer authorised the amount."""


@event("payments.attempt_declined", version=1)
@dataclass(frozen=True)
class AttemptDeclined(AttemptChanged):
    """The issuer declined."""


@event("payments.attempt_failed", version=1)
@dataclass(frozen=True)
class AttemptFailed(AttemptChanged):
    """The try failed before the issuer decided."""


@event("payments.operation_prepared", version=1)
@dataclass(frozen=True)
class OperationPrepared(OperationChanged):
    """A capture, void or refund was ordered; nothing has left yet."""


@event("payments.operation_sent", version=1)
@dataclass(frozen=True)
class OperationSent(OperationChanged):
    """A capture, void or refund goes to the processor."""


@event("payments.operation_pending", version=1)
@dataclass(frozen=True)
class OperationPending(OperationChanged):
    """The processor has taken it and will tell."""


@event("payments.operation_unknown", version=1)
@dataclass(frozen=True)
class OperationUnknown(OperationChanged):
    """No answer came in time; the processor is asked what became of it."""


@event("payments.operation_succeeded", version=1)
@dataclass(frozen=True)
class OperationSucceeded(OperationChanged):
    """The processor has done it."""


@event("payments.operation_settled", version=1)
@dataclass(frozen=True)
class OperationSettled(OperationChanged):
    """It is part of a payout of the processor."""


@event("payments.operation_failed", version=1)
@dataclass(frozen=True)
class OperationFailed(OperationChanged):
    """It will not come about."""


@event("payments.dispute_inquiry", version=1)
@dataclass(frozen=True)
class DisputeInquiry(DisputeChanged):
    """The issuer asks about a payment; no money has moved."""


@event("payments.dispute_opened", version=1)
@dataclass(frozen=True)
class DisputeOpened(DisputeChanged):
    """A cardholder disputes a payment; the scheme has taken the amount."""


@event("payments.dispute_contested", version=1)
@dataclass(frozen=True)
class DisputeContested(DisputeChanged):
    """Evidence was submitted."""


@event("payments.dispute_accepted", version=1)
@dataclass(frozen=True)
class DisputeAccepted(DisputeChanged):
    """The merchant does not contest the dispute."""


@event("payments.dispute_won", version=1)
@dataclass(frozen=True)
class DisputeWon(DisputeChanged):
    """The dispute was decided for the merchant; the amount is back."""


@event("payments.dispute_lost", version=1)
@dataclass(frozen=True)
class DisputeLost(DisputeChanged):
    """The dispute was decided for the cardholder."""


@event("payments.dispute_reversed", version=1)
@dataclass(frozen=True)
class DisputeReversed(DisputeChanged):
    """A lost dispute was given back after all."""


@event("payments.dispute_closed", version=1)
@dataclass(frozen=True)
class DisputeClosed(DisputeChanged):
    """An issuer's inquiry came to nothing."""


OF_ATTEMPT: dict[AttemptState, type[AttemptChanged]] = {
    AttemptState.PREPARED: AttemptPrepared,
    AttemptState.SENT: AttemptSent,
    AttemptState.REQUIRES_ACTION: AttemptRequiresAction,
    AttemptState.UNKNOWN: AttemptUnknown,
    AttemptState.AUTHORISED: AttemptAuthorised,
    AttemptState.DECLINED: AttemptDeclined,
    AttemptState.FAILED: AttemptFailed,
}
OF_OPERATION: dict[OperationState, type[OperationChanged]] = {
    OperationState.PREPARED: OperationPrepared,
    OperationState.SENT: OperationSent,
    OperationState.PENDING: OperationPending,
    OperationState.UNKNOWN: OperationUnknown,
    OperationState.SUCCEEDED: OperationSucceeded,
    OperationState.SETTLED: OperationSettled,
    OperationState.FAILED: OperationFailed,
}
OF_DISPUTE: dict[DisputeState, type[DisputeChanged]] = {
    DisputeState.INQUIRY: DisputeInquiry,
    DisputeState.OPENED: DisputeOpened,
    DisputeState.CONTESTED: DisputeContested,
    DisputeState.ACCEPTED: DisputeAccepted,
    DisputeState.WON: DisputeWon,
    DisputeState.LOST: DisputeLost,
    DisputeState.REVERSED: DisputeReversed,
    DisputeState.CLOSED: DisputeClosed,
}
