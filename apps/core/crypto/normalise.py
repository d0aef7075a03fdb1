"""The one form of a value that its blind index is computed of, so that equal values are found equal."""

from __future__ import annotations

import re
import unicodedata

_SEPARATORS = re.compile(r"[\s().\-/]+")
_SPACES = re.compile(r"\s+")


def email(value: str) -> str:
    """Fold an e-mail address: compatibility forms and case. Its local part's dots and tags stay."""
    return _folded(value)


def phone(value: str) -> str:
    """Fold a telephone number to digits with its leading plus; 00 in front means plus."""
    compact = _SEPARATORS.sub("", unicodedata.normalize("NFKC", value))
    return "+" + compact[2:] if compact.startswith("00") else compact


def name(value: str) -> str:
    """Fold a name: compatibility forms, case, and runs of spaces."""
    return _SPACES.sub(" ", _folded(value))


def iban(value: str) -> str:
    """Fold an IBAN to its electronic form (ISO 13616): capitals, no spaces."""
    return identifier(value)


def identifier(value: str) -> str:
    """Fold a tax or registration number: no separators, capitals."""
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", value)).upper()


def _folded(value: str) -> str:
    # Case folding can undo the normal form, hence the second round (Unicode, section 3.13).
    once = unicodedata.normalize("NFKC", value).casefold()
    return unicodedata.normalize("NFKC", once).strip()
