"""Code tables of the Nacha Operating Rules: transaction codes, SEC codes, return and change codes."""

from __future__ import annotations

from dataclasses import dataclass

CREDIT, DEBIT = "credit", "debit"

_CREDIT_CODES = "21 22 23 24 31 32 33 34 41 42 43 44 51 52 53 54 81 83 85 87"
_DEBIT_CODES = "26 27 28 29 36 37 38 39 46 47 48 49 55 56 82 84 86 88"
DIRECTIONS: dict[str, str] = dict.fromkeys(_CREDIT_CODES.split(), CREDIT) | dict.fromkeys(
    _DEBIT_CODES.split(), DEBIT
)
"""Which way an entry with the transaction code moves money, seen from the receiver's account."""

PRENOTES = frozenset(["23", "28", "33", "38", "43", "48", "53"])
ZERO_DOLLAR = frozenset(["24", "29", "34", "39", "44", "49", "54"])
RETURN_OR_CHANGE = frozenset(["21", "26", "31", "36", "41", "46", "51", "56"])
ADVICE = frozenset(["81", "82", "83", "84", "85", "86", "87", "88"])

SERVICE_CLASSES = {"200": "mixed", "220": CREDIT, "225": DEBIT, "280": "advice"}


@dataclass(frozen=True, slots=True)
class StandardEntryClass:
    """What the rules allow an SEC code: direction, and how many addenda of which type."""

    addenda_max: int
    addenda_min: int = 0
    addenda_type: str = "05"
    debit_only: bool = False
    zero_dollar: bool = False
    name_required: bool = False
    counts_addenda: bool = False


SEC_CODES: dict[str, StandardEntryClass] = {
    "ACK": StandardEntryClass(1, zero_dollar=True),
    "ADV": StandardEntryClass(0),
    "ARC": StandardEntryClass(0, debit_only=True),
    "ATX": StandardEntryClass(9999, zero_dollar=True, counts_addenda=True),
    "BOC": StandardEntryClass(0, debit_only=True),
    "CCD": StandardEntryClass(1, zero_dollar=True, name_required=True),
    "CIE": StandardEntryClass(1),
    "COR": StandardEntryClass(1, 1, "98"),
    "CTX": StandardEntryClass(9999, zero_dollar=True, name_required=True, counts_addenda=True),
    "DNE": StandardEntryClass(1, 1),
    "ENR": StandardEntryClass(9999, 1),
    "IAT": StandardEntryClass(14, 7, "10"),
    "MTE": StandardEntryClass(1, 1, "02"),
    "POP": StandardEntryClass(0, debit_only=True),
    "POS": StandardEntryClass(1, 1, "02", debit_only=True),
    "PPD": StandardEntryClass(1, name_required=True),
    "RCK": StandardEntryClass(0, debit_only=True),
    "SHR": StandardEntryClass(1, 1, "02", debit_only=True),
    "TEL": StandardEntryClass(0, debit_only=True, name_required=True),
    "TRC": StandardEntryClass(0, debit_only=True),
    "TRX": StandardEntryClass(9999, debit_only=True, counts_addenda=True),
    "WEB": StandardEntryClass(1, name_required=True),
    "XCK": StandardEntryClass(0, debit_only=True),
}

DISHONOURED = frozenset(["R61", "R62", "R67", "R68", "R69", "R70"])
CONTESTED = frozenset(["R71", "R72", "R73", "R74", "R75", "R76", "R77"])
CHANGE_CODES = frozenset(["C01", "C02", "C03", "C04", "C05", "C06", "C07", "C08", "C09", "C13", "C14"])
REFUSED_CHANGE_CODES = frozenset(["C61", "C62", "C63", "C64", "C65", "C66", "C67", "C68", "C69"])


def _return_codes() -> frozenset[str]:
    numbers = [*range(1, 48), 50, 51, 52, 53, 61, 62, *range(67, 78), *range(80, 86), 90]
    return frozenset(f"R{number:02d}" for number in numbers)


RETURN_CODES = _return_codes()

IAT_TRANSACTION_TYPES = frozenset(
    [
        "ANN",
        "BUS",
        "DEP",
        "LOA",
        "MIS",
        "MOR",
        "PEN",
        "REM",
        "RLS",
        "SAL",
        "TAX",
        "TEL",
        "WEB",
        "ARC",
        "BOC",
        "MTE",
        "POP",
        "POS",
        "RCK",
        "SHR",
    ]
)

_UNAUTHORISED = frozenset(["R05", "R07", "R10", "R11", "R29", "R37", "R38", "R51", "R52", "R53"])
_OPERATOR = frozenset(["R13", "R18", "R19", "R25", "R26", "R27", "R28", "R32"])
_REPRESENTABLE = frozenset(["R01", "R09"])
_BLOCKING = frozenset(
    [
        "R02",
        "R03",
        "R04",
        "R05",
        "R07",
        "R08",
        "R10",
        "R11",
        "R12",
        "R14",
        "R15",
        "R16",
        "R20",
        "R29",
        "R37",
        "R38",
        "R51",
    ]
)


def classify_return(code: str) -> str:
    """Tell what a return code asks for.

    retry (R01, R09: may be presented again, at most twice in 180 days), unauthorised (60 days, the
    mandate ends), block (do not use the account again), operator (a fault of the file), contested,
    dishonoured, or administrative.
    """
    classes = (
        ("retry", _REPRESENTABLE),
        ("unauthorised", _UNAUTHORISED),
        ("block", _BLOCKING),
        ("operator", _OPERATOR),
        ("dishonoured", DISHONOURED),
        ("contested", CONTESTED),
    )
    return next((name for name, codes in classes if code in codes), "administrative")


def check_digit(routing8: str) -> str:
    """Return the ninth digit of an ABA routing number (weights 3, 7, 1, modulo 10)."""
    weights = (3, 7, 1, 3, 7, 1, 3, 7)
    total = sum(int(digit) * weight for digit, weight in zip(routing8, weights, strict=True))
    return str(-total % 10)


def is_routing(number: str) -> bool:
    """Tell whether nine digits are a routing number with a right check digit."""
    plain = len(number) == 9 and number.isascii() and number.isdigit() and number.strip("0") != ""
    return plain and check_digit(number[:8]) == number[8]
