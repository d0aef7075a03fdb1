"""Mandates of SEPA direct debits: their life, and what may be collected under them (EPC016-06, EPC222-07)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from enum import StrEnum

from apps.core.errors import Conflict, Invalid
from apps.payments.domain.lifecycle import State
from apps.payments.domain.machine import Machine
from apps.payments.domain.months import add_months

LAPSES_AFTER_MONTHS = 36
"""A mandate under which nothing was collected for so long is no longer one."""

PRENOTIFICATION_DAYS = 14
"""How long before the collection its debtor is told, unless the mandate says otherwise."""

PRENOTIFICATION_DAYS_MAX = 60


class Scheme(StrEnum):
    """The two schemes of SEPA direct debit."""

    CORE = "core"  # from anybody; can be refunded for eight weeks without a reason
    B2B = "b2b"  # between companies; the debtor's bank knows the mandate, and there is no refund


ACH = "ach"
"""A mandate of the ACH: its rules are Nacha's, and no SEPA collection is made under it."""


class Recurrence(StrEnum):
    """How often a mandate lets its creditor collect."""

    RECURRING = "recurring"
    ONE_OFF = "one_off"


class SequenceType(StrEnum):
    """Which collection of a mandate one is (AT-21)."""

    FIRST = "FRST"  # optional since 2016: the first may be recurrent like the others
    RECURRENT = "RCUR"
    LAST = "FNAL"
    ONE_OFF = "OOFF"


class MandateState(StrEnum):
    """Where a mandate is in its life."""

    DRAFTED = "drafted"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class MandateEvent(StrEnum):
    """What can happen to a mandate."""

    DRAFT = "draft"
    SIGN = "sign"
    AMEND = "amend"
    SUSPEND = "suspend"
    RESUME = "resume"
    CANCEL = "cancel"
    DOUBT = "doubt"  # a bank says that nothing can be collected there now
    REVOKE = "revoke"  # a bank says that there is no mandate (any more)
    EXPIRE = "expire"


class MandateStep(StrEnum):
    """A mandate moves no money."""

    NOTHING = "nothing"


_M, _E, _N = MandateState, MandateEvent, MandateStep.NOTHING

MANDATE = Machine(
    (
        (None, _E.DRAFT, _M.DRAFTED, _N),
        (None, _E.SIGN, _M.ACTIVE, _N),
        (_M.DRAFTED, _E.SIGN, _M.ACTIVE, _N),
        (_M.DRAFTED, _E.CANCEL, _M.CANCELLED, _N),
        (_M.ACTIVE, _E.AMEND, _M.ACTIVE, _N),
        (_M.ACTIVE, _E.SUSPEND, _M.SUSPENDED, _N),
        (_M.ACTIVE, _E.DOUBT, _M.SUSPENDED, _N),
        (_M.ACTIVE, _E.CANCEL, _M.CANCELLED, _N),
        (_M.ACTIVE, _E.REVOKE, _M.CANCELLED, _N),
        (_M.ACTIVE, _E.EXPIRE, _M.EXPIRED, _N),
        (_M.SUSPENDED, _E.AMEND, _M.SUSPENDED, _N),
        (_M.SUSPENDED, _E.RESUME, _M.ACTIVE, _N),
        (_M.SUSPENDED, _E.CANCEL, _M.CANCELLED, _N),
        (_M.SUSPENDED, _E.REVOKE, _M.CANCELLED, _N),
        (_M.SUSPENDED, _E.EXPIRE, _M.EXPIRED, _N),
    ),
    told=frozenset({_E.DOUBT, _E.REVOKE, _E.EXPIRE}),
    nothing=_N,
)

SAYS_OF_THE_MANDATE: dict[str, MandateEvent] = {
    "mandate_missing": MandateEvent.REVOKE,
    "payer_deceased": MandateEvent.REVOKE,
    "account_closed": MandateEvent.DOUBT,
    "account_blocked": MandateEvent.DOUBT,
    "account_invalid": MandateEvent.DOUBT,
    "refused_by_customer": MandateEvent.DOUBT,
}
"""What a normalised reason of a return means for its mandate: an amendment can end a doubt."""

DEAD = frozenset({State.DECLINED, State.CANCELLED, State.REJECTED, State.RETURNED})
"""A collection in one of these states took nothing: it does not count as one under its mandate."""


class MandateNotUsable(Conflict):
    code = "mandate_not_usable"
    title = "Nothing can be collected under this mandate now."


def lapses_on(signed_on: date, last_used_on: date | None) -> date:
    """Return the day from which a mandate has lapsed, 36 months after its last use."""
    return add_months(last_used_on or signed_on, LAPSES_AFTER_MONTHS)


def sequence_type(
    recurrence: Recurrence, asked: str, earlier: Iterable[tuple[State, SequenceType]]
) -> SequenceType:
    """Say which collection of its mandate the next one is. `earlier` are all others under the mandate.

    Raises MandateNotUsable when the mandate is used up, Invalid for a sequence that cannot be.
    """
    living = [sequence for state, sequence in earlier if state not in DEAD]
    if recurrence is Recurrence.ONE_OFF:
        if asked not in ("", SequenceType.ONE_OFF):
            raise Invalid(field="sequence_type", reason="the mandate is for one collection", allowed=["OOFF"])
        if living:
            raise MandateNotUsable(reason="its one collection was made")
        return SequenceType.ONE_OFF
    if SequenceType.LAST in living:
        raise MandateNotUsable(reason="its last collection was made")
    if asked == SequenceType.ONE_OFF or (asked == SequenceType.FIRST and living):
        raise Invalid(field="sequence_type", reason="it is not the mandate's first or only collection")
    return SequenceType(asked or SequenceType.RECURRENT)
