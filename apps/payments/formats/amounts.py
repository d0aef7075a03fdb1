"""Amounts as bank files write them: decimal text, with any number of trailing zeros."""

from __future__ import annotations

import re

from apps.core.money import EXPONENTS, MINOR_MAX, BadAmount, Money, UnknownCurrency, exponent
from apps.payments.formats.errors import FormatError

_DECIMAL = re.compile(r"\+?0*([0-9]{1,18}|(?=\.[0-9]))(?:\.([0-9]{0,17}))?", re.ASCII)


def read_amount(written: str, currency: str, *, line: int | None = None, place: str = "") -> Money:
    """Read an unsigned decimal in the currency, exactly.

    "5442.09000" is 5442.09 RON, since trailing zeros say nothing; "1.001" EUR is refused, since
    nobody can pay a tenth of a cent. Raises FormatError (bad_amount, unknown_currency, amount_decimals).
    """
    match = _DECIMAL.fullmatch(written)
    if match is None:
        raise FormatError("bad_amount", "This is not a plain decimal amount.", line, place)
    try:
        digits = exponent(currency)
        fraction = (match[2] or "").rstrip("0")
        if len(fraction) > digits:
            message = f"The amount has more significant decimals than the {digits} of {currency}."
            raise FormatError("amount_decimals", message, line, place)
        return Money(int((match[1] or "0") + fraction.ljust(digits, "0")), currency)
    except UnknownCurrency:
        raise FormatError("unknown_currency", "The currency is not one of ISO 4217.", line, place) from None
    except BadAmount:
        raise FormatError("bad_amount", "The amount is larger than can be booked.", line, place) from None


def is_currency(code: str) -> bool:
    """Tell whether the code is a currency that amounts can be kept in."""
    return code in EXPONENTS


def in_range(minor: int) -> bool:
    """Tell whether a sum can still be money; a forged file may add up to more than any book holds."""
    return abs(minor) <= MINOR_MAX


def sum_text(minor: int, currency: str) -> str:
    """Write a sum of amounts as decimal text, however large."""
    digits = exponent(currency)
    sign, whole = ("-" if minor < 0 else ""), str(abs(minor)).rjust(digits + 1, "0")
    return f"{sign}{whole[:-digits]}.{whole[-digits:]}" if digits else f"{sign}{whole}"
