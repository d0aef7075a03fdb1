"""Verification of payee: does the name that the payer wrote belong to the account's holder?

(EU) 2024/886 and the EPC's scheme rulebook (EPC218-23): match, close match (the holder's name is told),
no match, or not possible, which is no answer and never counts as a negative one.
"""

from __future__ import annotations

import re
from enum import StrEnum

from rapidfuzz.distance import DamerauLevenshtein

from apps.payments.formats.epc import to_epc_text

NAME_MAX = 140


class Result(StrEnum):
    """What the verification found."""

    MATCH = "match"
    CLOSE_MATCH = "close_match"
    NO_MATCH = "no_match"
    NOT_POSSIBLE = "not_possible"


_TITLES = frozenset((
    "mr", "mrs", "ms", "miss", "dr", "prof", "herr", "frau", "mme", "mlle", "sig", "sra", "dhr", "mevr",
    "dipl",
))  # fmt: skip
_LEGAL_FORMS = frozenset((
    "ab", "ag", "as", "asa", "aps", "bv", "bvba", "cv", "eg", "ek", "ev", "gmbh", "inc", "kg", "kgaa",
    "llc", "lda", "llp", "ltd", "limited", "nv", "oy", "oyj", "plc", "sa", "sarl", "sas", "sca", "sl",
    "slu", "snc", "spa", "srl", "se", "ug", "vof", "co", "company",
))  # fmt: skip
_WORD = re.compile(r"[a-z0-9]+")
_DOTTED = re.compile(r"(?<=\b[a-z])[./](?=[a-z]\b|[a-z][./])")
CLOSE_LETTERS = 2
"""So many letters wrong, missing, doubled or swapped are a slip …"""
CLOSE_SHARE = 0.15
"""… unless they are more than this share of the name."""


def normalised(name: str) -> tuple[str, ...]:
    """Return a name's words as they are compared: basic Latin, lower case, without titles and legal forms.

    A name of nothing but such words keeps them.
    """
    plain = to_epc_text(name, chars_max=NAME_MAX).lower().replace("'", "")
    words = _WORD.findall(_DOTTED.sub("", plain).rstrip("."))
    telling = tuple(word for word in words if word not in _TITLES and word not in _LEGAL_FORMS)
    return telling or tuple(words)


def compare(requested: str, holder: str) -> Result:
    """Compare the name that the payer wrote with the account holder's."""
    asked, known = normalised(requested), normalised(holder)
    if not asked or not known:
        return Result.NOT_POSSIBLE
    if sorted(asked) == sorted(known) or "".join(asked) == "".join(known):
        return Result.MATCH
    if _is_slip("".join(sorted(asked)), "".join(sorted(known))) or _is_slip("".join(asked), "".join(known)):
        return Result.CLOSE_MATCH
    return Result.CLOSE_MATCH if _abbreviates(asked, known) or _abbreviates(known, asked) else Result.NO_MATCH


def _is_slip(one: str, other: str) -> bool:
    distance: int = DamerauLevenshtein.distance(one, other, score_cutoff=CLOSE_LETTERS)
    return distance <= CLOSE_LETTERS and distance <= CLOSE_SHARE * max(len(one), len(other))


def _abbreviates(short: tuple[str, ...], full: tuple[str, ...]) -> bool:
    """Tell whether each short word is one of the full name or its initial, the longest word standing out whole."""
    left = list(full)
    whole = 0
    for word in sorted(short, key=len, reverse=True):
        found = next((item for item in left if item == word), None)
        if found is not None:
            whole += len(word) > 1
        elif len(word) == 1:
            found = next((item for item in left if item.startswith(word)), None)
        if found is None:
            return False
        left.remove(found)
    return whole > 0 and len(short) >= 2
