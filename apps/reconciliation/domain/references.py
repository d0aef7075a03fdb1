"""References and account numbers in the form in which they are compared."""

from __future__ import annotations

import re

LENGTH_MAX = 140
_SPACES = re.compile(r"\s+")
_BEGINNING = re.compile(r"(?<![A-Z0-9])[A-Z]{2}[0-9]{2}(?= ?[A-Z0-9])")
_GROUPS = re.compile(r"[A-Z0-9](?: ?[A-Z0-9]){14,33}")
IBAN_MIN, IBAN_MAX, TEXT_MAX = 15, 34, 2_000
NOT_PROVIDED = frozenset({"NOTPROVIDED", "NONREF", "NOREF"})


def compared(reference: str) -> str:
    """Fold a reference: banks change its case, put spaces in, and say "none" in several ways."""
    folded = _SPACES.sub("", reference).upper()[:LENGTH_MAX]
    return "" if folded in NOT_PROVIDED else folded


def account_number(text: str) -> str:
    """Fold an IBAN or another account number: capitals, no spaces."""
    return _SPACES.sub("", text).upper()


def ibans_in(text: str) -> tuple[str, ...]:
    """Find what may be an IBAN (ISO 13616, mod 97) in a remittance text, each once, in order.

    The text may go on after a number without a mark: every beginning whose check digits are right is
    given, and whoever looks the accounts up knows which one is real.
    """
    upper, found = text.upper()[:TEXT_MAX], []
    for start in _BEGINNING.finditer(upper):
        written = _GROUPS.match(upper, start.start())
        compact = written[0].replace(" ", "") if written else ""
        for length in range(IBAN_MIN, min(len(compact), IBAN_MAX) + 1):
            if iban_checks(compact[:length]) and compact[:length] not in found:
                found.append(compact[:length])
    return tuple(found)


def iban_checks(text: str) -> bool:
    """Tell whether the check digits of an IBAN are right (ISO 7064, mod 97-10)."""
    turned = text[4:] + text[:4]
    if not (turned.isascii() and turned.isalnum() and len(text) >= IBAN_MIN):
        return False
    return int("".join(str(int(letter, 36)) for letter in turned)) % 97 == 1
