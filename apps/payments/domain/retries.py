"""What to do after a payment certainly did not go through: the policy as a table, and its limits.

Keys are the normalised codes that rail adapters give (`classify`). A code without a row is not tried
again: its owner must change the order, or the payee cannot be paid this way.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

ATTEMPTS_MAX = 4
"""The most attempts of one payment, on all rails together."""


class Step(StrEnum):
    """What becomes of the payment."""

    AGAIN = "again"  # on the same rail, after a wait, with a new message
    OTHER_RAIL = "other_rail"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Rule:
    """`waits_s`: before each further attempt on the same rail; then another rail, if `other_rail`."""

    waits_s: tuple[int, ...] = ()
    other_rail: bool = False


RULES: dict[str, Rule] = {
    "not_sent": Rule((5, 60), other_rail=True),  # nothing reached the bank
    "not_received": Rule((0,), other_rail=True),  # the answer to an inquiry: the bank never had it
    "timeout": Rule((0,), other_rail=True),  # rejected for it, as the answer to an inquiry says
    "bank_unavailable": Rule((60,), other_rail=True),
    "clearing_failed": Rule((60,), other_rail=True),
    "insufficient_funds": Rule((3_600, 86_400)),  # on our account at the bank
    "bank_failed": Rule(other_rail=True),
    "not_reachable": Rule(other_rail=True),
    "not_registered": Rule(other_rail=True),
    "payment_type_forbidden": Rule(other_rail=True),
    "account_type_invalid": Rule(other_rail=True),
    "amount_over_limit": Rule(other_rail=True),
}


@dataclass(frozen=True, slots=True)
class Next:
    """The step, and for AGAIN how long to wait, in seconds."""

    step: Step
    wait_s: int = 0


STOP = Next(Step.STOP)


def next_step(code: str, *, on_this_rail: int, in_all: int, may_change_rail: bool) -> Next:
    """Say what follows an attempt that failed with the code.

    `on_this_rail` and `in_all` count the attempts made, this one included. `may_change_rail` is False
    when the order names its rail.
    """
    rule = RULES.get(code)
    if rule is None or in_all >= ATTEMPTS_MAX:
        return STOP
    if on_this_rail <= len(rule.waits_s):
        return Next(Step.AGAIN, rule.waits_s[on_this_rail - 1])
    return Next(Step.OTHER_RAIL) if rule.other_rail and may_change_rail else STOP
