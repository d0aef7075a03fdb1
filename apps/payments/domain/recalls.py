"""Asking a payment back that has left: why, until when, and what is answered (EPC125-05, camt.056/029)."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from apps.core.errors import Conflict
from apps.payments.domain.calendars import Calendar
from apps.payments.domain.machine import Machine
from apps.payments.domain.months import add_months

RECALL_BUSINESS_DAYS = 10
REQUEST_MONTHS = 13


class RecallReason(StrEnum):
    """Why a payment is asked back (ISO 20022 cancellation reasons that the scheme takes)."""

    DUPLICATE = "DUPL"
    TECHNICAL = "TECH"
    FRAUD = "FRAD"
    CUSTOMER = "CUST"
    WRONG_AMOUNT = "AM09"
    WRONG_ACCOUNT = "AC03"


class RecallState(StrEnum):
    """Where a recall is."""

    REQUESTED = "requested"
    SENT = "sent"
    PENDING = "pending"
    REFUSED = "refused"
    ACCEPTED = "accepted"


class RecallEvent(StrEnum):
    """What can happen to a recall."""

    REQUEST = "request"
    SEND = "send"
    WAIT = "wait"
    REFUSE = "refuse"
    ACCEPT = "accept"


class RecallStep(StrEnum):
    """A recall moves no money: the return that follows it does."""

    NOTHING = "nothing"


_S, _E, _N = RecallState, RecallEvent, RecallStep.NOTHING

RECALL = Machine(
    (
        (None, _E.REQUEST, _S.REQUESTED, _N),
        (_S.REQUESTED, _E.SEND, _S.SENT, _N),
        # The money can come back while the request still lies here, by a return of its own.
        (_S.REQUESTED, _E.ACCEPT, _S.ACCEPTED, _N),
        (_S.SENT, _E.WAIT, _S.PENDING, _N),
        (_S.SENT, _E.REFUSE, _S.REFUSED, _N),
        (_S.SENT, _E.ACCEPT, _S.ACCEPTED, _N),
        (_S.PENDING, _E.REFUSE, _S.REFUSED, _N),
        (_S.PENDING, _E.ACCEPT, _S.ACCEPTED, _N),
        # Money that comes back after a refusal is the stronger word.
        (_S.REFUSED, _E.ACCEPT, _S.ACCEPTED, _N),
    ),
    told=frozenset({_E.SEND, _E.WAIT, _E.REFUSE, _E.ACCEPT}),
    nothing=_N,
)


class TooLateToRecall(Conflict):
    code = "too_late_to_recall"
    title = "The time in which this payment could be asked back has passed."


def latest_day(reason: RecallReason, executed_on: date, calendar: Calendar) -> date:
    """Return the last day on which a payment executed on a day can be asked back for this reason.

    Ten business days for duplicates and technical problems, 13 months for fraud and at the payer's wish.
    """
    if reason in (RecallReason.DUPLICATE, RecallReason.TECHNICAL):
        return calendar.add(executed_on, RECALL_BUSINESS_DAYS)
    return add_months(executed_on, REQUEST_MONTHS)


def check_time(reason: RecallReason, *, executed_on: date, today: date, calendar: Calendar) -> None:
    """Raise TooLateToRecall after the last day."""
    latest = latest_day(reason, executed_on, calendar)
    if today > latest:
        raise TooLateToRecall(reason=reason.value, latest=latest.isoformat())
