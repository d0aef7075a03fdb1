"""What the codes of ACH returns mean: their class, since when they may come, and what to do about them.

Nacha Operating Rules, Appendix Four (returns), Appendix Five (changes).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from apps.payments.rails.base import Action, Classified

RETRIES_MAX, RETRY_WITHIN_DAYS = 2, 180
"""An entry returned for lack of funds may be presented again twice, within 180 days of its settlement."""
RETRY_DESCRIPTION = "RETRY PYMT"
REVERSAL_DESCRIPTION, REVERSAL_BANKING_DAYS = "REVERSAL", 5
"""A wrong file or entry may be taken back within five banking days of its settlement."""

_DAY_S = 86_400


class ReturnClass(StrEnum):
    """By when a return must come, which tells who answers for it."""

    ADMINISTRATIVE = "administrative"  # within two banking days
    UNAUTHORISED = "unauthorised"  # within sixty calendar days of settlement
    OPERATOR = "operator"  # by the operator or our own bank, with its next delivery
    DISHONOURED = "dishonoured"  # by our bank: the return itself was wrong
    CONTESTED = "contested"  # by theirs: the dishonour was wrong


@dataclass(frozen=True, slots=True)
class ReturnCode:
    """One code: its class, and its meaning in words that are the same on every rail."""

    group: ReturnClass
    meaning: str
    action: Action
    retry_after_s: int | None = None


_A, _U, _O, _D, _C = (
    ReturnClass.ADMINISTRATIVE,
    ReturnClass.UNAUTHORISED,
    ReturnClass.OPERATOR,
    ReturnClass.DISHONOURED,
    ReturnClass.CONTESTED,
)
_FIX, _STOP, _OTHER, _NOTHING = Action.FIX, Action.STOP, Action.OTHER_RAIL, Action.NOTHING

RETURNS: dict[str, ReturnCode] = {
    "R01": ReturnCode(_A, "insufficient_funds", Action.RETRY, 2 * _DAY_S),
    "R02": ReturnCode(_A, "account_closed", _STOP),
    "R03": ReturnCode(_A, "account_invalid", _STOP),
    "R04": ReturnCode(_A, "account_invalid", _STOP),
    "R05": ReturnCode(_U, "mandate_missing", _STOP),
    "R06": ReturnCode(_A, "returned_at_our_request", _NOTHING),
    "R07": ReturnCode(_U, "mandate_missing", _STOP),
    "R08": ReturnCode(_A, "payment_stopped", _STOP),
    "R09": ReturnCode(_A, "insufficient_funds", Action.RETRY, 2 * _DAY_S),
    "R10": ReturnCode(_U, "mandate_missing", _STOP),
    "R11": ReturnCode(_U, "order_differs_from_authorisation", _FIX),
    "R12": ReturnCode(_A, "branch_sold", _STOP),
    "R13": ReturnCode(_O, "bank_unknown", _FIX),
    "R14": ReturnCode(_A, "payer_deceased", _STOP),
    "R15": ReturnCode(_A, "payer_deceased", _STOP),
    "R16": ReturnCode(_A, "account_blocked", _STOP),
    "R17": ReturnCode(_A, "format_invalid", _FIX),
    "R18": ReturnCode(_O, "date_invalid", _FIX),
    "R19": ReturnCode(_O, "amount_invalid", _FIX),
    "R20": ReturnCode(_A, "account_type_invalid", _OTHER),
    "R21": ReturnCode(_A, "company_invalid", _FIX),
    "R22": ReturnCode(_A, "individual_invalid", _FIX),
    "R23": ReturnCode(_A, "refused_by_customer", _STOP),
    "R24": ReturnCode(_A, "duplicate", _NOTHING),
    "R25": ReturnCode(_O, "format_invalid", _FIX),
    "R26": ReturnCode(_O, "format_invalid", _FIX),
    "R27": ReturnCode(_O, "format_invalid", _FIX),
    "R28": ReturnCode(_O, "bank_unknown", _FIX),
    "R29": ReturnCode(_A, "mandate_missing", _STOP),
    "R30": ReturnCode(_A, "payment_type_forbidden", _OTHER),
    "R31": ReturnCode(_A, "returned_by_agreement", _NOTHING),
    "R32": ReturnCode(_O, "bank_unreachable", _OTHER),
    "R33": ReturnCode(_U, "check_entry_refused", _STOP),
    "R34": ReturnCode(_O, "bank_unreachable", _OTHER),
    "R35": ReturnCode(_O, "payment_type_forbidden", _FIX),
    "R36": ReturnCode(_O, "payment_type_forbidden", _FIX),
    "R37": ReturnCode(_U, "check_entry_refused", _STOP),
    "R38": ReturnCode(_U, "payment_stopped", _STOP),
    "R39": ReturnCode(_A, "check_entry_refused", _STOP),
    **{f"R{number}": ReturnCode(_A, "enrolment_refused", _FIX) for number in range(40, 48)},
    "R50": ReturnCode(_A, "payment_type_forbidden", _OTHER),
    "R51": ReturnCode(_U, "mandate_missing", _STOP),
    "R52": ReturnCode(_U, "payment_stopped", _STOP),
    "R53": ReturnCode(_U, "duplicate", _STOP),
    "R61": ReturnCode(_D, "return_misrouted", _FIX),
    "R62": ReturnCode(_D, "reversal_went_wrong", _FIX),
    "R67": ReturnCode(_D, "return_repeated", _NOTHING),
    "R68": ReturnCode(_D, "return_late", _FIX),
    "R69": ReturnCode(_D, "return_malformed", _FIX),
    "R70": ReturnCode(_D, "return_not_agreed", _FIX),
    **{f"R{number}": ReturnCode(_C, "dishonour_contested", _FIX) for number in range(71, 78)},
    **{f"R{number}": ReturnCode(_O, "payment_type_forbidden", _OTHER) for number in range(80, 86)},
    "R90": ReturnCode(_A, "other", _FIX),
}
"""Every return code in use; those between them have never been given out."""

CHANGES: dict[str, str] = {
    "C01": "account_number",
    "C02": "routing_number",
    "C03": "routing_and_account_number",
    "C04": "name",
    "C05": "account_kind",
    "C06": "account_number_and_kind",
    "C07": "routing_and_account_number_and_kind",
    "C08": "international",
    "C09": "identification",
    "C13": "addenda_format",
    "C14": "entry_class",
}
"""What a notification of change corrects."""


def retries() -> dict[str, int]:
    """Return the codes after which an entry may be presented again, and after how many seconds."""
    return {
        code: known.retry_after_s
        for code, known in RETURNS.items()
        if known.action is Action.RETRY and known.retry_after_s is not None
    }


def classify(code: str) -> Classified:
    """Say what a return or change code means and what to do; one that is not known is its owner's to fix."""
    known = RETURNS.get(code)
    if known is not None:
        return Classified(known.meaning, known.action, known.retry_after_s)
    if code in CHANGES:
        return Classified("account_changed", Action.NOTHING)
    return Classified("other", Action.FIX)
