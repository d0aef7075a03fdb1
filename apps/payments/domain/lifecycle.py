"""The life cycle of each kind of payment: one transition table, from which all else is derived.

A row says: in this state, this event leads to that state, and the ledger books this step. An event
that does not fit is one of two things. If it comes from outside and is late or repeated, it is
recorded and changes nothing; if a person or client asks for it, it is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from apps.core.errors import Conflict


class Kind(StrEnum):
    """What a payment is, seen from the account it is about."""

    TRANSFER = "transfer"  # between two accounts that we hold
    PAYOUT = "payout"  # to an account at another bank
    PAYIN = "payin"  # from outside to an account that we hold
    REFUND = "refund"  # back to who paid


class State(StrEnum):
    """Where a payment is in its life."""

    ORDERED = "ordered"
    APPROVED = "approved"
    BATCHED = "batched"
    SENT = "sent"
    ACCEPTED = "accepted"
    RECEIVED = "received"
    SETTLED = "settled"
    RETURNED = "returned"
    REJECTED = "rejected"
    DECLINED = "declined"
    CANCELLED = "cancelled"


class Event(StrEnum):
    """What can happen to a payment."""

    ORDER = "order"
    APPROVE = "approve"
    DECLINE = "decline"
    CANCEL = "cancel"
    BATCH = "batch"
    SEND = "send"
    ACCEPT = "accept"
    REJECT = "reject"
    RECEIVE = "receive"
    SETTLE = "settle"
    RETURN = "return"


class Step(StrEnum):
    """The ledger template of a transition; `payments.commands.steps` posts it."""

    NOTHING = "nothing"
    HOLD = "hold"  # available -> held
    RELEASE = "release"  # held -> available
    CAPTURE = "capture"  # held -> clearing out
    MOVE = "move"  # account -> account
    UNDO = "undo"  # clearing out -> account
    CASH_OUT = "cash_out"  # clearing out -> bank cash
    CASH_BACK = "cash_back"  # bank cash -> clearing in -> account
    RECEIVABLE = "receivable"  # provider receivable -> account
    CASH_IN = "cash_in"  # bank cash -> provider receivable, or straight to the account
    TAKE_BACK = "take_back"  # account -> clearing in -> bank cash


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of a table. `source` None is the beginning."""

    source: State | None
    event: Event
    target: State
    step: Step


def _rows(*rows: tuple[State | None, Event, State, Step]) -> tuple[Transition, ...]:
    return tuple(Transition(*row) for row in rows)


_BANK_TRANSFER = _rows(
    (None, Event.ORDER, State.ORDERED, Step.HOLD),
    (State.ORDERED, Event.APPROVE, State.APPROVED, Step.NOTHING),
    (State.ORDERED, Event.DECLINE, State.DECLINED, Step.RELEASE),
    (State.ORDERED, Event.CANCEL, State.CANCELLED, Step.RELEASE),
    (State.APPROVED, Event.CANCEL, State.CANCELLED, Step.RELEASE),
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

TABLES: dict[Kind, tuple[Transition, ...]] = {
    Kind.TRANSFER: _rows(
        (None, Event.ORDER, State.SETTLED, Step.MOVE),
    ),
    Kind.PAYOUT: _BANK_TRANSFER,
    # A refund of a pay-in leaves through a bank; one of a transfer is booked at once.
    Kind.REFUND: (
        *_BANK_TRANSFER,
        *_rows((None, Event.SETTLE, State.SETTLED, Step.MOVE)),
    ),
    Kind.PAYIN: _rows(
        (None, Event.RECEIVE, State.RECEIVED, Step.RECEIVABLE),
        (None, Event.SETTLE, State.SETTLED, Step.CASH_IN),
        (State.RECEIVED, Event.SETTLE, State.SETTLED, Step.CASH_IN),
        (State.SETTLED, Event.RETURN, State.RETURNED, Step.TAKE_BACK),
    ),
}

INQUIRING = frozenset({Event.ACCEPT, Event.REJECT, Event.SETTLE, Event.RETURN, Event.RECEIVE})
"""Events told by banks and providers: late and repeated ones are normal and never an error."""


class IllegalTransition(Conflict):
    code = "illegal_transition"
    title = "The payment is not in a state in which this can be done."


@dataclass(frozen=True, slots=True)
class Decision:
    """What an event does to a payment: a transition, or nothing, with the reason."""

    transition: Transition | None
    reason: str = ""


def decide(kind: Kind, state: State | None, event: Event) -> Decision:
    """Decide what an event does to a payment of this kind in this state.

    Raises IllegalTransition when somebody asks for what cannot be done now.
    """
    for transition in TABLES[kind]:
        if transition.source == state and transition.event == event:
            return Decision(transition)
    if event in INQUIRING and state is not None:
        return Decision(None, "repeated" if _leads_to(kind, event, state) else "late")
    raise IllegalTransition(
        state=state.value if state else "", event=event.value, allowed=allowed(kind, state)
    )


def _leads_to(kind: Kind, event: Event, state: State) -> bool:
    return any(row.event == event and row.target == state for row in TABLES[kind])


def allowed(kind: Kind, state: State | None) -> list[str]:
    """Return the events that a payment of this kind can meet in this state, in table order."""
    return [row.event.value for row in TABLES[kind] if row.source == state]


def is_final(kind: Kind, state: State) -> bool:
    """Tell whether nothing can happen to such a payment any more."""
    return not allowed(kind, state)


def fold(kind: Kind, events: Iterable[Event]) -> State | None:
    """Replay a history of applied events to the state it leads to. Raises IllegalTransition."""
    state: State | None = None
    for event in events:
        decision = decide(kind, state, event)
        if decision.transition is None:
            raise IllegalTransition(state=state.value if state else "", event=event.value)
        state = decision.transition.target
    return state


def diagram(kind: Kind) -> str:
    """Draw the table as a Mermaid state diagram, for the README."""
    lines = ["stateDiagram-v2"]
    for row in TABLES[kind]:
        source = row.source.value if row.source else "[*]"
        step = "" if row.step is Step.NOTHING else f" / {row.step.value}"
        lines.append(f"    {source} --> {row.target.value}: {row.event.value}{step}")
    lines += [f"    {state.value} --> [*]" for state in State if _is_end(kind, state)]
    return "\n".join(lines)


def _is_end(kind: Kind, state: State) -> bool:
    return any(row.target == state for row in TABLES[kind]) and is_final(kind, state)
