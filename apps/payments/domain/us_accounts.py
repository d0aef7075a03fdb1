"""Accounts at banks in the United States: a routing number, an account number, and what kind it is."""

from __future__ import annotations

import re

from apps.core.errors import Invalid
from apps.payments.formats.nacha import is_routing

ACCOUNT_NUMBER_MAX, ROUTING_NUMBER_LENGTH = 17, 9
ACCOUNT_KINDS = ("checking", "savings")
HOLDERS = ("person", "company")

_ACCOUNT_NUMBER = re.compile(r"[0-9A-Z-]{1,17}")


def clean_routing_number(text: str, *, field: str = "routing_number") -> str:
    """Return an ABA routing number: nine digits whose check digit (3-7-1) is right. Raises Invalid."""
    digits = text.strip() if len(text) <= 2 * ROUTING_NUMBER_LENGTH else ""
    if not is_routing(digits):
        raise Invalid(field=field, reason="not nine digits with a right check digit")
    return digits


def clean_account_number(text: str, *, field: str = "account_number") -> str:
    """Return an account number without its spaces: at most 17 digits, letters and hyphens. Raises Invalid.

    Its zeros in front are part of it.
    """
    compact = text.replace(" ", "").upper() if len(text) <= 3 * ACCOUNT_NUMBER_MAX else ""
    if _ACCOUNT_NUMBER.fullmatch(compact) is None or not compact.strip("-0"):
        raise Invalid(field=field, reason="not 1 to 17 digits, letters and hyphens")
    return compact


def one_of(text: str, known: tuple[str, ...], *, field: str) -> str:
    """Return the word if it is a known one. Raises Invalid."""
    if text not in known:
        raise Invalid(field=field, allowed=list(known))
    return text
