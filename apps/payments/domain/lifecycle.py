"""The life cycle of each kind of payment, as a table of transitions (see `machine`)."""

from __future__ import annotations

from enum import StrEnum

from apps.payments.domain.machine import Machine


class Kind(StrEnum):
    """What a payment is, seen from the account it is about."""

    TRANSFER = "transfer"  # between two accounts that we hold
    PAYOUT = "payout"  # to an account at another bank
    PAYIN = "payin"  # from outside to an account that we hold
    REFUND = "refund"  # back to who paid
    COLLECTION = "collection"  # pulled from an account at another bank, under a mandate
    CARD = "card"  # a card's, through a processor: what is owed, while attempts and operations move it


class State(StrEnum):
    """Where a payment is in its life."""

    ORDERED = "ordered"
    APPROVED = "approved"
    WITHHELD = "withheld"  # approved, and its account is not open: it leaves once the account is
    BATCHED = "batched"
    SENT = "sent"
    ACCEPTED = "accepted"
    RECEIVED = "received"
    SETTLED = "settled"
    RETURNED = "returned"
    REJECTED = "rejected"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"  # sent, and no answer came in time: only an inquiry or a late status tells
    REVIEW = "review"  # what was told does not fit; a person decides
    FINAL = "final"  # settled, and no longer to be taken back
    CREATED = "created"
    REQUIRES_ACTION = "requires_action"  # the payer must authenticate
    AUTHORISED = "authorised"
    PARTIALLY_CAPTURED = "partially_captured"
    CAPTURED = "captured"
    FAILED = "failed"
    EXPIRED = "expired"


class Event(StrEnum):
    """What can happen to a payment."""

    ORDER = "order"
    APPROVE = "approve"
    DECLINE = "decline"
    CANCEL = "cancel"
    WITHHOLD = "withhold"  # its account was found blocked or closed when it was to leave
    LET_GO = "let_go"  # the account is open again
    BATCH = "batch"
    SEND = "send"
    ACCEPT = "accept"
    REJECT = "reject"
    RECEIVE = "receive"
    SETTLE = "settle"
    RETURN = "return"
    FINALISE = "finalise"  # the time in which it could be taken back has passed
    TIME_OUT = "time_out"  # no answer came within the rail's limit
    RETRY = "retry"  # it certainly did not go through: again, on this rail or another one
    DOUBT = "doubt"  # what was told does not fit what was sent
    CONFIRM = "confirm"  # a person found that the money left
    DENY = "deny"  # a person found that it did not
    AUTHORISE = "authorise"
    REQUIRE_ACTION = "require_action"
    CAPTURE_PART = "capture_part"
    CAPTURE = "capture"
    VOID = "void"
    FAIL = "fail"
    EXPIRE = "expire"
    REVIEW = "review"
    RESUME_CREATED = "resume_created"
    RESUME_AUTHORISED = "resume_authorised"
    RESUME_PARTLY_CAPTURED = "resume_partly_captured"
    RESUME_CAPTURED = "resume_captured"
    RESUME_SETTLED = "resume_settled"
    ABANDON = "abandon"


class Step(StrEnum):
    """The ledger template of a transition; `payments.commands.steps` posts it."""

    NOTHING = "nothing"
    HOLD = "hold"  # available -> held
    RELEASE = "release"  # held -> available
    CAPTURE = "capture"  # held -> clearing out
    MOVE = "move"  # account -> account
    UNDO = "undo"  # clearing out -> account
    HOLD_AGAIN = "hold_again"  # clearing out -> account, and held there anew
    CASH_OUT = "cash_out"  # clearing out -> bank cash
    CASH_BACK = "cash_back"  # bank cash -> clearing in -> account
    RECEIVABLE = "receivable"  # provider receivable -> account
    CASH_IN = "cash_in"  # bank cash -> provider receivable, or straight to the account
    TAKE_BACK = "take_back"  # account -> clearing in -> bank cash
    RESERVE = "reserve"  # bank cash -> clearing in -> reserve
    FREE = "free"  # reserve -> account
    TAKE_RESERVE = "take_reserve"  # reserve -> clearing in -> bank cash
    CLAIM = "claim"  # account, and what it lacks from a claim on the customer -> clearing in -> bank cash


_Row = tuple[State | None, Event, State, Step]

_BANK_TRANSFER: tuple[_Row, ...] = (
    (None, Event.ORDER, State.ORDERED, Step.HOLD),
    (State.ORDERED, Event.APPROVE, State.APPROVED, Step.NOTHING),
    (State.ORDERED, Event.DECLINE, State.DECLINED, Step.RELEASE),
    (State.ORDERED, Event.CANCEL, State.CANCELLED, Step.RELEASE),
    (State.APPROVED, Event.CANCEL, State.CANCELLED, Step.RELEASE),
    # A block that came after the approval: the money stays on hold until it is lifted.
    (State.APPROVED, Event.WITHHOLD, State.WITHHELD, Step.NOTHING),
    (State.WITHHELD, Event.LET_GO, State.APPROVED, Step.NOTHING),
    (State.WITHHELD, Event.CANCEL, State.CANCELLED, Step.RELEASE),
    (State.APPROVED, Event.BATCH, State.BATCHED, Step.NOTHING),
    (State.BATCHED, Event.SEND, State.SENT, Step.CAPTURE),
    (State.SENT, Event.ACCEPT, State.ACCEPTED, Step.NOTHING),
    (State.SENT, Event.REJECT, State.REJECTED, Step.UNDO),
    (State.ACCEPTED, Event.REJECT, State.REJECTED, Step.UNDO),
    # The bank's statement can come before its status report, and is the stronger word.
    (State.SENT, Event.SETTLE, State.SETTLED, Step.CASH_OUT),
    (State.ACCEPTED, Event.SETTLE, State.SETTLED, Step.CASH_OUT),
    (State.SETTLED, Event.RETURN, State.RETURNED, Step.CASH_BACK),
)

_COLLECTION: tuple[_Row, ...] = (
    # Nothing is booked before the bank has paid: until then a collection is a wish.
    (None, Event.ORDER, State.ORDERED, Step.NOTHING),
    (State.ORDERED, Event.APPROVE, State.APPROVED, Step.NOTHING),
    (State.ORDERED, Event.DECLINE, State.DECLINED, Step.NOTHING),
    (State.ORDERED, Event.CANCEL, State.CANCELLED, Step.NOTHING),
    (State.APPROVED, Event.CANCEL, State.CANCELLED, Step.NOTHING),
    (State.APPROVED, Event.BATCH, State.BATCHED, Step.NOTHING),
    (State.BATCHED, Event.SEND, State.SENT, Step.NOTHING),
    (State.SENT, Event.ACCEPT, State.ACCEPTED, Step.NOTHING),
    (State.SENT, Event.REJECT, State.REJECTED, Step.NOTHING),
    (State.ACCEPTED, Event.REJECT, State.REJECTED, Step.NOTHING),
    (State.SENT, Event.SETTLE, State.SETTLED, Step.RESERVE),
    (State.ACCEPTED, Event.SETTLE, State.SETTLED, Step.RESERVE),
    (State.SETTLED, Event.FINALISE, State.FINAL, Step.FREE),
    (State.SETTLED, Event.RETURN, State.RETURNED, Step.TAKE_RESERVE),
    # A refund after the return window is a new claim on the creditor (EPC016-06), never refused.
    (State.FINAL, Event.RETURN, State.RETURNED, Step.CLAIM),
)

_INSTANT: tuple[_Row, ...] = (
    (State.APPROVED, Event.SEND, State.SENT, Step.CAPTURE),
    # Silence is not a rejection: the money stays in clearing until somebody knows.
    (State.SENT, Event.TIME_OUT, State.UNKNOWN, Step.NOTHING),
    (State.UNKNOWN, Event.ACCEPT, State.ACCEPTED, Step.NOTHING),
    (State.UNKNOWN, Event.REJECT, State.REJECTED, Step.UNDO),
    (State.UNKNOWN, Event.SETTLE, State.SETTLED, Step.CASH_OUT),
    (State.SENT, Event.RETRY, State.APPROVED, Step.HOLD_AGAIN),
    (State.UNKNOWN, Event.RETRY, State.APPROVED, Step.HOLD_AGAIN),
    (State.SENT, Event.DOUBT, State.REVIEW, Step.NOTHING),
    (State.UNKNOWN, Event.DOUBT, State.REVIEW, Step.NOTHING),
    (State.ACCEPTED, Event.DOUBT, State.REVIEW, Step.NOTHING),
    # An attempt that the bank had rejected was accepted after all, before the next one left.
    (State.APPROVED, Event.DOUBT, State.REVIEW, Step.CAPTURE),
    (State.WITHHELD, Event.DOUBT, State.REVIEW, Step.CAPTURE),
    (State.REVIEW, Event.SETTLE, State.SETTLED, Step.CASH_OUT),
    (State.REVIEW, Event.CONFIRM, State.ACCEPTED, Step.NOTHING),
    (State.REVIEW, Event.DENY, State.REJECTED, Step.UNDO),
)
"""What is more on the rails that answer in seconds."""

TOLD = frozenset(
    {
        Event.ACCEPT,
        Event.REJECT,
        Event.SETTLE,
        Event.RETURN,
        Event.RECEIVE,
        Event.FINALISE,
        Event.TIME_OUT,
        Event.DOUBT,
    }
)
"""Events told by banks, providers and clocks: late and repeated ones are normal and never an error."""
# A card's intent posts nothing itself: its operations do (`domain.cards`).
_CARD: tuple[_Row, ...] = (
    (None, Event.ORDER, State.CREATED, Step.NOTHING),
    (State.CREATED, Event.REQUIRE_ACTION, State.REQUIRES_ACTION, Step.NOTHING),
    (State.CREATED, Event.AUTHORISE, State.AUTHORISED, Step.NOTHING),
    (State.CREATED, Event.FAIL, State.FAILED, Step.NOTHING),
    (State.CREATED, Event.CANCEL, State.CANCELLED, Step.NOTHING),
    (State.CREATED, Event.EXPIRE, State.EXPIRED, Step.NOTHING),
    (State.CREATED, Event.REVIEW, State.REVIEW, Step.NOTHING),
    (State.REQUIRES_ACTION, Event.AUTHORISE, State.AUTHORISED, Step.NOTHING),
    (State.REQUIRES_ACTION, Event.FAIL, State.FAILED, Step.NOTHING),
    (State.REQUIRES_ACTION, Event.CANCEL, State.CANCELLED, Step.NOTHING),
    (State.REQUIRES_ACTION, Event.EXPIRE, State.EXPIRED, Step.NOTHING),
    (State.REQUIRES_ACTION, Event.REVIEW, State.REVIEW, Step.NOTHING),
    (State.FAILED, Event.RETRY, State.CREATED, Step.NOTHING),
    (State.AUTHORISED, Event.CAPTURE_PART, State.PARTIALLY_CAPTURED, Step.NOTHING),
    (State.AUTHORISED, Event.CAPTURE, State.CAPTURED, Step.NOTHING),
    (State.AUTHORISED, Event.VOID, State.CANCELLED, Step.NOTHING),
    (State.AUTHORISED, Event.EXPIRE, State.EXPIRED, Step.NOTHING),
    (State.AUTHORISED, Event.REVIEW, State.REVIEW, Step.NOTHING),
    (State.PARTIALLY_CAPTURED, Event.CAPTURE_PART, State.PARTIALLY_CAPTURED, Step.NOTHING),
    (State.PARTIALLY_CAPTURED, Event.CAPTURE, State.CAPTURED, Step.NOTHING),
    # What was not captured is given up; what was captured stands.
    (State.PARTIALLY_CAPTURED, Event.VOID, State.CAPTURED, Step.NOTHING),
    (State.PARTIALLY_CAPTURED, Event.EXPIRE, State.CAPTURED, Step.NOTHING),
    (State.PARTIALLY_CAPTURED, Event.REVIEW, State.REVIEW, Step.NOTHING),
    (State.CAPTURED, Event.SETTLE, State.SETTLED, Step.NOTHING),
    (State.CAPTURED, Event.REVIEW, State.REVIEW, Step.NOTHING),
    (State.SETTLED, Event.REVIEW, State.REVIEW, Step.NOTHING),
    # Only a person leads out of a review, back to what attempts and operations say.
    (State.REVIEW, Event.RESUME_CREATED, State.CREATED, Step.NOTHING),
    (State.REVIEW, Event.RESUME_AUTHORISED, State.AUTHORISED, Step.NOTHING),
    (State.REVIEW, Event.RESUME_PARTLY_CAPTURED, State.PARTIALLY_CAPTURED, Step.NOTHING),
    (State.REVIEW, Event.RESUME_CAPTURED, State.CAPTURED, Step.NOTHING),
    (State.REVIEW, Event.RESUME_SETTLED, State.SETTLED, Step.NOTHING),
    (State.REVIEW, Event.ABANDON, State.CANCELLED, Step.NOTHING),
)

TOLD_OF_CARDS = frozenset(
    {
        Event.AUTHORISE,
        Event.REQUIRE_ACTION,
        Event.CAPTURE_PART,
        Event.CAPTURE,
        Event.VOID,
        Event.FAIL,
        Event.REVIEW,
        Event.SETTLE,
    }
)
"""What a processor's words about attempts and operations mean for the intent; as late as they like."""


def _machine(*rows: _Row) -> Machine:
    return Machine(rows, told=TOLD, nothing=Step.NOTHING)


MACHINES: dict[Kind, Machine] = {
    Kind.TRANSFER: _machine(
        (None, Event.ORDER, State.SETTLED, Step.MOVE),
    ),
    Kind.PAYOUT: _machine(*_BANK_TRANSFER, *_INSTANT),
    # A refund of a pay-in leaves through a bank; one of a transfer is booked at once.
    Kind.REFUND: _machine(*_BANK_TRANSFER, *_INSTANT, (None, Event.SETTLE, State.SETTLED, Step.MOVE)),
    Kind.PAYIN: _machine(
        (None, Event.RECEIVE, State.RECEIVED, Step.RECEIVABLE),
        (None, Event.SETTLE, State.SETTLED, Step.CASH_IN),
        (State.RECEIVED, Event.SETTLE, State.SETTLED, Step.CASH_IN),
        (State.SETTLED, Event.RETURN, State.RETURNED, Step.TAKE_BACK),
    ),
    Kind.COLLECTION: _machine(*_COLLECTION),
    Kind.CARD: Machine(_CARD, told=TOLD_OF_CARDS, nothing=Step.NOTHING),
}
