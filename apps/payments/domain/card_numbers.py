"""Knowing a card number when it is typed where it does not belong (PCI DSS 4.0, 3.3 and 3.5).

Nothing here ever stores or tells one: cards reach this platform as a processor's tokens.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from apps.core.errors import Refusal

DIGITS_MIN, DIGITS_MAX = 12, 19
"""The lengths of card numbers (ISO/IEC 7812-1)."""

DEPTH_MAX = 20
_RUN = re.compile(r"[0-9](?:[ ./_-]?[0-9])*")
_GROUP = re.compile(r"[0-9]+")
_TOKEN = re.compile(r"tok_[A-Za-z0-9_]{1,96}")


class CardNumberRefused(Refusal):
    code = "card_number_refused"
    title = "This looks like a card number. Send the processor's token instead."


class BadCardToken(Refusal):
    code = "bad_card_token"
    title = "A card is given as the processor's token, tok_… with letters, digits and underscores."


def looks_like_card_number(text: str) -> bool:
    """Tell whether 12 to 19 digits in the text, however grouped, pass the check of card numbers (Luhn)."""
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(
        str(unicodedata.digit(letter, letter)) if letter.isdigit() else letter for letter in plain
    )
    return any(_holds_number(run) for run in _RUN.findall(plain))


def _holds_number(run: str) -> bool:
    groups = _GROUP.findall(run)
    for first in range(len(groups)):
        digits = ""
        for group in groups[first:]:
            digits += group
            if len(digits) > DIGITS_MAX:
                break
            if len(digits) >= DIGITS_MIN and luhn(digits):
                return True
    return False


def luhn(digits: str) -> bool:
    """Tell whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0 and any(digit != "0" for digit in digits)


def refuse_card_number(text: str, *, field: str) -> str:
    """Return the text. Raises CardNumberRefused, naming the field and never the text."""
    if looks_like_card_number(text):
        raise CardNumberRefused(field=field)
    return text


def refuse_card_numbers(data: object, *, field: str = "body", depth: int = 0) -> None:
    """Walk JSON-able data and refuse a card number in any name or value. Raises CardNumberRefused."""
    if depth > DEPTH_MAX:
        raise CardNumberRefused(field=field, reason="nested too deep to look through")
    if isinstance(data, Mapping):
        for name, value in data.items():
            refuse_card_number(str(name), field=field)
            refuse_card_numbers(value, field=str(name)[:40], depth=depth + 1)
    elif isinstance(data, (list, tuple)):
        for value in data:
            refuse_card_numbers(value, field=field, depth=depth + 1)
    elif isinstance(data, (str, int)) and not isinstance(data, bool):
        refuse_card_number(str(data), field=field)


def check_card_token(text: str) -> str:
    """Return a processor's token. Raises CardNumberRefused for a number, BadCardToken for anything else."""
    refuse_card_number(text, field="card_token")
    if _TOKEN.fullmatch(text) is None:
        raise BadCardToken(field="card_token")
    return text
