"""What comes back, or is told of what went out: rejects, returns, refunds, reversals, changes.

A return has two sides. The customer's side is booked when the bank tells of it, into clearing; the
bank's side when the statement shows it, out of clearing. Either may come first.
"""

from __future__ import annotations

from enum import StrEnum

from apps.payments.domain.machine import Machine


class ReturnKind(StrEnum):
    """Which R-transaction it is."""

    REJECT = "reject"  # before settlement: no money moved
    RETURN = "return"  # after settlement, by a bank
    REFUND = "refund"  # after settlement, asked for by the debtor
    REVERSAL = "reversal"  # after settlement, by who had collected
    CHANGE = "change"  # the account's details are others: no money moved


class ReturnState(StrEnum):
    """How far a return has come."""

    NOTED = "noted"  # no money moves
    WAITING = "waiting"  # told before its payment had settled
    TOLD = "told"  # the customer's side is booked
    SETTLED = "settled"  # the bank's statement shows it


class ReturnEvent(StrEnum):
    """What can happen to a return."""

    NOTE = "note"
    WAIT = "wait"
    TELL = "tell"
    BOOK = "book"


class ReturnStep(StrEnum):
    """What a return books by itself; the customer's side is a step of its payment."""

    NOTHING = "nothing"
    CASH = "cash"  # between clearing in and cash at the bank


_S, _E, _T = ReturnState, ReturnEvent, ReturnStep

RETURN = Machine(
    (
        (None, _E.NOTE, _S.NOTED, _T.NOTHING),
        (None, _E.WAIT, _S.WAITING, _T.NOTHING),
        (None, _E.TELL, _S.TOLD, _T.NOTHING),
        (_S.WAITING, _E.TELL, _S.TOLD, _T.NOTHING),
        (_S.WAITING, _E.BOOK, _S.SETTLED, _T.NOTHING),
        (_S.TOLD, _E.BOOK, _S.SETTLED, _T.CASH),
        # The statement came first: the payment's own step booked both sides.
        (None, _E.BOOK, _S.SETTLED, _T.NOTHING),
    ),
    told=frozenset({_E.TELL, _E.BOOK}),
    nothing=_T.NOTHING,
)

MOVES_MONEY = frozenset({ReturnKind.RETURN, ReturnKind.REFUND, ReturnKind.REVERSAL})
"""A payment comes back once by one of these; what only tells something may stand beside it."""


def kind_of(reason_class: str, *, collected: bool, after_return_window: bool = True) -> ReturnKind:
    """Tell a return by a bank from a refund that the debtor asked for, by its normalised reason.

    Only what was collected can be refunded (EPC016-06): MD06 always is, MD01 once the debtor's bank can
    no longer have returned it by itself.
    """
    if not collected:
        return ReturnKind.RETURN
    unauthorised = reason_class == "mandate_missing" and after_return_window
    return ReturnKind.REFUND if unauthorised or reason_class == "refund_requested" else ReturnKind.RETURN
