"""Arguments between banks about a return in the ACH: dishonoured by ours, contested by theirs.

Neither books anything here: the bank's statement shows what it means for the money, and people decide.
"""

from __future__ import annotations

from enum import StrEnum

from apps.payments.domain.machine import Machine


class DisputeState(StrEnum):
    """How far the argument has come."""

    DISHONOURED = "dishonoured"  # our bank sent the return back (R61, R62, R67 to R70)
    CONTESTED = "contested"  # their bank stands by it (R71 to R77)
    CLOSED = "closed"  # a person has drawn the consequence


class DisputeEvent(StrEnum):
    """What can happen to it."""

    DISHONOUR = "dishonour"
    CONTEST = "contest"
    CLOSE = "close"


class DisputeStep(StrEnum):
    """An argument moves no money."""

    NOTHING = "nothing"


_S, _E, _N = DisputeState, DisputeEvent, DisputeStep.NOTHING

RETURN_DISPUTE = Machine(
    (
        (None, _E.DISHONOUR, _S.DISHONOURED, _N),
        (None, _E.CONTEST, _S.CONTESTED, _N),
        (_S.DISHONOURED, _E.CONTEST, _S.CONTESTED, _N),
        (_S.DISHONOURED, _E.CLOSE, _S.CLOSED, _N),
        (_S.CONTESTED, _E.CLOSE, _S.CLOSED, _N),
    ),
    told=frozenset({_E.DISHONOUR, _E.CONTEST}),
    nothing=_N,
)
