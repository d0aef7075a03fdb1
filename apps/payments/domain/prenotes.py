"""Prenotes of the ACH: an entry without money that asks whether an account exists (Nacha, 2.6)."""

from __future__ import annotations

from enum import StrEnum

from apps.payments.domain.machine import Machine

AUTHORISED_BY = ("paper", "internet", "phone")
"""How a debtor let us debit: it decides the entry class (PPD, WEB, TEL)."""


class PrenoteState(StrEnum):
    """Where a prenote is. Three banking days after a sent one, without an answer, money may follow."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


class PrenoteEvent(StrEnum):
    """What can happen to a prenote."""

    ORDER = "order"
    SEND = "send"
    FAIL = "fail"


class PrenoteStep(StrEnum):
    """A prenote moves no money."""

    NOTHING = "nothing"


_S, _E, _N = PrenoteState, PrenoteEvent, PrenoteStep.NOTHING

PRENOTE = Machine(
    (
        (None, _E.ORDER, _S.WAITING, _N),
        (_S.WAITING, _E.SEND, _S.SENT, _N),
        (_S.SENT, _E.FAIL, _S.FAILED, _N),
    ),
    told=frozenset({_E.FAIL}),
    nothing=_N,
)
