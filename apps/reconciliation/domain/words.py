"""The words reconciliation speaks: states, methods, reasons. Each is stored and shown as it stands here."""

from __future__ import annotations

from enum import StrEnum


class Proof(StrEnum):
    """Whether a statement proves its day: opening + booked entries = closing, in one currency."""

    PROVEN = "proven"
    UNPROVEN = "unproven"


class LineState(StrEnum):
    """What became of a line of a statement."""

    OPEN = "open"
    MATCHED = "matched"  # explained: by what we expected, or by a booking of its own
    PROVISIONAL = "provisional"  # pending, intraday or advice: told, but no proof of cash


class ExpectationState(StrEnum):
    """What became of something we expect at the bank."""

    OPEN = "open"
    MATCHED = "matched"
    CANCELLED = "cancelled"  # the payment was rejected or cancelled before the bank booked it
    WRITTEN_OFF = "written_off"


class Method(StrEnum):
    """How a match was found; the passes run in this order."""

    REFERENCE = "reference"  # a reference that we issued
    BATCH = "batch"  # one entry for a whole file of payments
    CREDITOR_REFERENCE = "creditor_reference"  # ISO 11649 or an invoice's reference
    RETURN = "return"  # money that comes back
    SETTLEMENT = "settlement"  # gross less fees, refunds and disputes
    COUNTERPARTY = "counterparty"  # amount, who, and a window of business days
    ONE_TO_MANY = "one_to_many"  # one line pays several expectations, to the cent
    MANY_TO_ONE = "many_to_one"  # several lines pay one expectation, to the cent
    CHARGE = "charge"  # what the bank itself charges: booked, nothing was expected
    PAYIN = "payin"  # money that names one of our accounts: booked as a pay-in
    SUSPENSE = "suspense"  # booked between cash and suspense until somebody explains it
    WRITE_OFF = "write_off"  # two persons gave it up
    MANUAL = "manual"  # a person said so, and the sums agree
    WITHIN_TOLERANCE = "within_tolerance"  # a person accepted a difference that the account's rules allow
    FORCED = "forced"  # two persons said so, and the sums differ


class MatchState(StrEnum):
    """Where a match is: made by a run, applied to payments and books, or taken back."""

    MADE = "made"
    APPLIED = "applied"
    UNDONE = "undone"


class Reason(StrEnum):
    """Why something is a break."""

    OVER = "over"  # the bank booked more than we expected
    UNDER = "under"  # the bank booked less
    CURRENCY = "currency"
    DATA = "data"  # it is the same money, and something about it disagrees
    DUPLICATE = "duplicate"  # the bank booked it more than once
    AMBIGUOUS = "ambiguous"  # several candidates, and nothing to choose by
    MISSING = "missing"  # expected, and past its time
    UNEXPLAINED = "unexplained"  # booked, and nothing of ours is like it
    LATE_EFFECT = "late_effect"  # matched, and the payment or the books refused the effect


class BreakState(StrEnum):
    """Where a break is."""

    OPEN = "open"
    RESOLVED = "resolved"


class Resolution(StrEnum):
    """How a break ended."""

    EXPLAINED = "explained"  # a later run matched it, or its reason went away
    MATCHED = "matched"  # by hand
    WITHIN_TOLERANCE = "within_tolerance"
    SUSPENSE = "suspense"
    WRITTEN_OFF = "written_off"
    CHARGE = "charge"


class Reversals(StrEnum):
    """How a bank signs the entries it marks as reversals (RvslInd)."""

    AS_WRITTEN = "as_written"  # the direction is the booking's, as ISO 20022 has it
    SUSPECTED = "suspected"  # a statement did not foot, and would with its reversals the other way round
    FLIPPED = "flipped"  # it keeps the direction of the original: a person said so


class AccountRole(StrEnum):
    """Why we follow a bank account."""

    SETTLEMENT = "settlement"  # our own money moves over it, and the books mirror it
    OBSERVED = "observed"  # we only read its statements


CARD_PAYOUT = "card_payout"
"""The kind of an expectation that is a card processor's payout."""

OPEN_LINE, OPEN_EXPECTATION = LineState.OPEN, ExpectationState.OPEN
