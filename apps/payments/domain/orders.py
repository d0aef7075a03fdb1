"""The life cycles of orders that make payments: bulk orders and standing orders."""

from __future__ import annotations

from enum import StrEnum

from apps.payments.domain.machine import Machine


class OrderState(StrEnum):
    """Where an order is in its life."""

    ORDERED = "ordered"  # waits for a second person
    APPROVED = "approved"
    ACTIVE = "active"
    PAUSED = "paused"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    COMPLETED = "completed"


class OrderEvent(StrEnum):
    """What can happen to an order."""

    ORDER = "order"
    APPROVE = "approve"
    DECLINE = "decline"
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    RUN = "run"
    FAIL = "fail"
    COMPLETE = "complete"


class OrderStep(StrEnum):
    """What an order's transition does to the books, through its payments."""

    NOTHING = "nothing"
    HOLD = "hold"
    RELEASE = "release"
    PAY = "pay"


_S, _E, _B = OrderState, OrderEvent, OrderStep

BULK = Machine(
    (
        (None, _E.ORDER, _S.ORDERED, _B.HOLD),
        (_S.ORDERED, _E.APPROVE, _S.APPROVED, _B.NOTHING),
        (_S.ORDERED, _E.DECLINE, _S.DECLINED, _B.RELEASE),
        (_S.ORDERED, _E.CANCEL, _S.CANCELLED, _B.RELEASE),
        # What has gone into a file by then goes its way; the rest is taken back.
        (_S.APPROVED, _E.CANCEL, _S.CANCELLED, _B.RELEASE),
    ),
    told=frozenset(),
    nothing=_B.NOTHING,
)

STANDING = Machine(
    (
        (None, _E.ORDER, _S.ORDERED, _B.NOTHING),
        (_S.ORDERED, _E.APPROVE, _S.ACTIVE, _B.NOTHING),
        (_S.ORDERED, _E.DECLINE, _S.DECLINED, _B.NOTHING),
        (_S.ORDERED, _E.CANCEL, _S.CANCELLED, _B.NOTHING),
        (_S.ACTIVE, _E.RUN, _S.ACTIVE, _B.PAY),
        (_S.ACTIVE, _E.FAIL, _S.ACTIVE, _B.NOTHING),
        (_S.ACTIVE, _E.COMPLETE, _S.COMPLETED, _B.NOTHING),
        (_S.ACTIVE, _E.PAUSE, _S.PAUSED, _B.NOTHING),
        (_S.PAUSED, _E.RESUME, _S.ACTIVE, _B.NOTHING),
        (_S.ACTIVE, _E.CANCEL, _S.CANCELLED, _B.NOTHING),
        (_S.PAUSED, _E.CANCEL, _S.CANCELLED, _B.NOTHING),
    ),
    told=frozenset(),
    nothing=_B.NOTHING,
)

ORDER_MACHINES = {"bulk order": BULK, "standing order": STANDING}
