"""Card payments below the intent: attempts, operations and disputes, and what can still be taken or given.

A processor's words come late, twice and in any order. What is `told` never raises; `unknown` is left
only by an inquiry or a late word. Refunds and disputes do not change the intent's state.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from apps.core.errors import Refusal
from apps.core.money import Money
from apps.payments.domain.lifecycle import Event, State
from apps.payments.domain.machine import Machine

ATTEMPTS_MAX, CAPTURES_MAX, REFUNDS_MAX = 5, 10, 30
"""How many of each one payment may have."""


class Capture(StrEnum):
    """When an authorised amount is captured: at once, or when the merchant says so."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


class CardStep(StrEnum):
    """The ledger template of a transition (`card_books`)."""

    NOTHING = "nothing"
    CAPTURE = "capture"  # scheme receivable -> merchant pending -> fee income
    PAY_OUT = "pay_out"  # clearing in + processor's costs -> scheme receivable
    RESERVE_REFUND = "reserve_refund"  # merchant -> refund clearing
    UNDO_REFUND = "undo_refund"  # refund clearing -> merchant
    PAY_REFUND = "pay_refund"  # refund clearing -> clearing in
    RESERVE = "reserve"  # merchant, or what the merchant owes -> dispute reserve
    GIVE_BACK = "give_back"  # dispute reserve -> merchant
    SPEND = "spend"  # dispute reserve -> scheme receivable
    RESTORE = "restore"  # scheme receivable -> merchant


class AttemptState(StrEnum):
    """Where one try to authorise is."""

    PREPARED = "prepared"  # recorded, nothing has left yet
    SENT = "sent"
    REQUIRES_ACTION = "requires_action"  # the payer must authenticate (3-D Secure)
    UNKNOWN = "unknown"  # it left and no answer came: only an inquiry or a late word tells
    AUTHORISED = "authorised"
    DECLINED = "declined"  # by the issuer
    FAILED = "failed"  # before it reached the issuer


class AttemptEvent(StrEnum):
    """What can happen to an attempt."""

    PREPARE = "prepare"
    SEND = "send"
    LOSE = "lose"  # no answer in time
    REQUIRE_ACTION = "require_action"
    AUTHORISE = "authorise"
    DECLINE = "decline"
    FAIL = "fail"


_A, _AE = AttemptState, AttemptEvent
_OPEN_ATTEMPT = (_A.SENT, _A.UNKNOWN)
ATTEMPT = Machine(
    (
        (None, _AE.PREPARE, _A.PREPARED, CardStep.NOTHING),
        (_A.PREPARED, _AE.SEND, _A.SENT, CardStep.NOTHING),
        (_A.PREPARED, _AE.FAIL, _A.FAILED, CardStep.NOTHING),
        (_A.SENT, _AE.LOSE, _A.UNKNOWN, CardStep.NOTHING),
        *((state, _AE.REQUIRE_ACTION, _A.REQUIRES_ACTION, CardStep.NOTHING) for state in _OPEN_ATTEMPT),
        *((state, _AE.AUTHORISE, _A.AUTHORISED, CardStep.NOTHING) for state in _OPEN_ATTEMPT),
        *((state, _AE.DECLINE, _A.DECLINED, CardStep.NOTHING) for state in _OPEN_ATTEMPT),
        *((state, _AE.FAIL, _A.FAILED, CardStep.NOTHING) for state in _OPEN_ATTEMPT),
        (_A.REQUIRES_ACTION, _AE.AUTHORISE, _A.AUTHORISED, CardStep.NOTHING),
        (_A.REQUIRES_ACTION, _AE.DECLINE, _A.DECLINED, CardStep.NOTHING),
        (_A.REQUIRES_ACTION, _AE.FAIL, _A.FAILED, CardStep.NOTHING),
    ),
    told=frozenset({_AE.LOSE, _AE.REQUIRE_ACTION, _AE.AUTHORISE, _AE.DECLINE, _AE.FAIL}),
    nothing=CardStep.NOTHING,
)


class OperationType(StrEnum):
    """What is done to an authorised amount."""

    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


class OperationState(StrEnum):
    """Where an operation is."""

    PREPARED = "prepared"
    SENT = "sent"
    PENDING = "pending"  # the processor has it and will tell
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    SETTLED = "settled"  # in a payout of the processor
    FAILED = "failed"


class OperationEvent(StrEnum):
    """What can happen to an operation."""

    PREPARE = "prepare"
    SEND = "send"
    LOSE = "lose"
    PEND = "pend"
    SUCCEED = "succeed"
    FAIL = "fail"
    SETTLE = "settle"


_O, _OE = OperationState, OperationEvent


def _operation(*, prepare: CardStep, succeed: CardStep, fail: CardStep, settle: CardStep | None) -> Machine:
    return Machine(
        (
            (None, _OE.PREPARE, _O.PREPARED, prepare),
            (_O.PREPARED, _OE.SEND, _O.SENT, CardStep.NOTHING),
            (_O.PREPARED, _OE.FAIL, _O.FAILED, fail),
            (_O.SENT, _OE.LOSE, _O.UNKNOWN, CardStep.NOTHING),
            (_O.SENT, _OE.PEND, _O.PENDING, CardStep.NOTHING),
            (_O.UNKNOWN, _OE.PEND, _O.PENDING, CardStep.NOTHING),
            *((state, _OE.SUCCEED, _O.SUCCEEDED, succeed) for state in (_O.SENT, _O.UNKNOWN, _O.PENDING)),
            *((state, _OE.FAIL, _O.FAILED, fail) for state in (_O.SENT, _O.UNKNOWN, _O.PENDING)),
            *([(_O.SUCCEEDED, _OE.SETTLE, _O.SETTLED, settle)] if settle else []),
        ),
        told=frozenset({_OE.LOSE, _OE.PEND, _OE.SUCCEED, _OE.FAIL, _OE.SETTLE}),
        nothing=CardStep.NOTHING,
    )


OPERATIONS: dict[OperationType, Machine] = {
    OperationType.CAPTURE: _operation(
        prepare=CardStep.NOTHING, succeed=CardStep.CAPTURE, fail=CardStep.NOTHING, settle=CardStep.PAY_OUT
    ),
    OperationType.VOID: _operation(
        prepare=CardStep.NOTHING, succeed=CardStep.NOTHING, fail=CardStep.NOTHING, settle=None
    ),
    OperationType.REFUND: _operation(
        prepare=CardStep.RESERVE_REFUND,
        succeed=CardStep.NOTHING,
        fail=CardStep.UNDO_REFUND,
        settle=CardStep.PAY_REFUND,
    ),
}


class DisputeState(StrEnum):
    """Where a cardholder's dispute is."""

    INQUIRY = "inquiry"  # the issuer asks; no money has moved
    OPENED = "opened"  # the scheme has taken the amount
    CONTESTED = "contested"  # evidence was submitted
    ACCEPTED = "accepted"  # the merchant does not contest it
    WON = "won"
    LOST = "lost"
    REVERSED = "reversed"  # lost, and given back after all
    CLOSED = "closed"  # an inquiry that came to nothing


class DisputeEvent(StrEnum):
    """What can happen to a dispute."""

    INQUIRE = "inquire"
    OPEN = "open"
    SUBMIT = "submit"
    ACCEPT = "accept"
    WIN = "win"
    LOSE = "lose"
    REVERSE = "reverse"
    CLOSE = "close"


_D, _DE = DisputeState, DisputeEvent
_UNDECIDED = (_D.OPENED, _D.CONTESTED, _D.ACCEPTED)
DISPUTE = Machine(
    (
        (None, _DE.INQUIRE, _D.INQUIRY, CardStep.NOTHING),
        (None, _DE.OPEN, _D.OPENED, CardStep.RESERVE),
        (_D.INQUIRY, _DE.OPEN, _D.OPENED, CardStep.RESERVE),
        (_D.INQUIRY, _DE.CLOSE, _D.CLOSED, CardStep.NOTHING),
        (_D.OPENED, _DE.SUBMIT, _D.CONTESTED, CardStep.NOTHING),
        (_D.OPENED, _DE.ACCEPT, _D.ACCEPTED, CardStep.NOTHING),
        *((state, _DE.WIN, _D.WON, CardStep.GIVE_BACK) for state in _UNDECIDED),
        *((state, _DE.LOSE, _D.LOST, CardStep.SPEND) for state in _UNDECIDED),
        (_D.LOST, _DE.REVERSE, _D.REVERSED, CardStep.RESTORE),
    ),
    told=frozenset({_DE.INQUIRE, _DE.OPEN, _DE.WIN, _DE.LOSE, _DE.REVERSE, _DE.CLOSE}),
    nothing=CardStep.NOTHING,
)

DIAGRAMS: dict[str, Machine] = {
    "attempt": ATTEMPT,
    **{f"operation: {kind.value}": machine for kind, machine in OPERATIONS.items()},
    "dispute": DISPUTE,
}

TOOK_MONEY = frozenset({_O.SUCCEEDED, _O.SETTLED})
GONE = frozenset({_D.OPENED, _D.CONTESTED, _D.ACCEPTED, _D.LOST})
"""Disputes whose amount the scheme has, or may keep: it cannot be refunded too."""


class ExceedsAuthorised(Refusal):
    code = "exceeds_authorised"
    title = "This is more than can still be captured."


@dataclass(frozen=True, slots=True)
class Done:
    """An operation or a dispute as the totals see it."""

    type: str  # capture, void, refund or dispute
    state: str
    amount: Money
    final: bool = False

    @property
    def is_open(self) -> bool:
        """Tell whether it is under way and may still come about."""
        return self.type != "dispute" and self.state not in {*TOOK_MONEY, _O.FAILED}


def captured(all_done: Iterable[Done], currency: str) -> Money:
    """Return what was captured, which is what the scheme owes or has paid."""
    return _sum((one for one in all_done if one.type == "capture" and one.state in TOOK_MONEY), currency)


def refunded(all_done: Iterable[Done], currency: str) -> Money:
    """Return what was given back, not counting what is under way."""
    return _sum((one for one in all_done if one.type == "refund" and one.state in TOOK_MONEY), currency)


def capturable(authorised: Money, all_done: Iterable[Done]) -> Money:
    """Return what can still be captured: what is authorised less what is, or is being, captured.

    Nothing any more once a capture is the final one, or a void is under way or has succeeded.
    """
    done = [one for one in all_done if one.state != _O.FAILED]
    if any(one.type == "void" or one.final for one in done):
        return Money.zero(authorised.currency)
    return authorised - _sum((one for one in done if one.type == "capture"), authorised.currency)


def refundable(all_done: Iterable[Done], currency: str) -> Money:
    """Return captured less refunded, less refunds under way, less open and lost disputes; never below zero."""
    done = list(all_done)
    left = captured(done, currency)
    left -= _sum((one for one in done if one.type == "refund" and one.state != _O.FAILED), currency)
    left -= disputed(done, currency)
    return max(left, Money.zero(currency))


def disputed(all_done: Iterable[Done], currency: str) -> Money:
    """Return what open and lost disputes have taken."""
    return _sum((one for one in all_done if one.type == "dispute" and one.state in GONE), currency)


def after_capture(authorised: Money, all_done: Iterable[Done]) -> Event:
    """Say what the captures that succeeded mean for the intent: all of it, or a part."""
    done = [one for one in all_done if one.type == "capture" and one.state in TOOK_MONEY]
    whole = any(one.final for one in done) or captured(done, authorised.currency) >= authorised
    return Event.CAPTURE if whole else Event.CAPTURE_PART


def resume(authorised: Money, all_done: Iterable[Done], *, is_authorised: bool) -> Event:
    """Say where a payment under review goes on, as its attempt and its operations stand."""
    done = list(all_done)
    captures = [one for one in done if one.type == "capture" and one.state in TOOK_MONEY]
    if not captures:
        return Event.RESUME_AUTHORISED if is_authorised else Event.RESUME_CREATED
    given_up = any(one.type == "void" and one.state == _O.SUCCEEDED for one in done)
    if after_capture(authorised, done) is Event.CAPTURE_PART and not given_up:
        return Event.RESUME_PARTLY_CAPTURED
    settled = all(one.state == _O.SETTLED for one in captures)
    return Event.RESUME_SETTLED if settled else Event.RESUME_CAPTURED


TAKES_MONEY = frozenset({State.PARTIALLY_CAPTURED, State.CAPTURED, State.SETTLED})
"""States of an intent from which there is something to refund."""


def _sum(items: Iterable[Done], currency: str) -> Money:
    total = Money.zero(currency)
    for one in items:
        total += one.amount
    return total
