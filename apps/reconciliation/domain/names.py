"""Whether two names are likely one: written by two banks, with other accents, order and punctuation."""

from __future__ import annotations

import unicodedata

from rapidfuzz import fuzz

RATIO_MIN = 90
"""How alike two names must be, of 100, whatever the order of their words."""

SHORT = 4
"""A name of fewer letters says too little: it is like nothing."""

CUT_AT = 18
"""A name this long that the other begins with was cut by a bank's field."""


def comparable(name: str) -> str:
    """Write a name as it is compared: small letters and digits, no accents, its words in order."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    spaced = "".join(c if c.isalnum() else "" if c in ".'’" else " " for c in plain)
    return " ".join(spaced.split())


def are_alike(one: str, other: str) -> bool:
    """Tell whether two comparable names are likely the same."""
    if min(len(one), len(other)) < SHORT:
        return False
    shorter, longer = sorted((one, other), key=len)
    cut = len(shorter) >= CUT_AT and longer.startswith(shorter)
    return cut or fuzz.token_sort_ratio(one, other) >= RATIO_MIN
