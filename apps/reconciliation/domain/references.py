"""References and account numbers in the form in which they are compared."""

from __future__ import annotations

import re

LENGTH_MAX = 140
_SPACES = re.compile(r"\s+")
_IBAN = re.compile(r"(?<![A-Z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}")
NOT_PROVIDED = frozenset({"NOTPROVIDED", "NONREF", "NOREF"})


def compared(reference: str) -> str:
    """Fold a reference: banks change its case, put spaces in, and say "none" in several ways."""
    folded = _SPACES.sub("", reference).upper()[:LENGTH_MAX]
    return "" if folded in NOT_PROVIDED else folded


def account_number(text: str) -> str:
    """Fold an IBAN or another account number: capitals, no spaces."""
    return _SPACES.sub("", text).upper()


def ibans_in(text: str) -> tuple[str, ...]:
    """Find the valid IBANs (ISO 13616, mod 97) that a remittance text names, each once, in order."""
    found = []
    for match in _IBAN.finditer(text.upper()):
        written = _SPACES.sub("", match[0])
        # The text may go on after the number: take the longest beginning that checks.
        for length in range(min(len(written), 34), 14, -1):
            candidate = written[:length]
            if iban_checks(candidate):
                if candidate not in found:
                    found.append(candidate)
                break
    return tuple(found)


def iban_checks(text: str) -> bool:
    """Tell whether the check digits of an IBAN are right (ISO 7064, mod 97-10)."""
    turned = text[4:] + text[:4]
    return turned.isalnum() and int("".join(str(int(letter, 36)) for letter in turned)) % 97 == 1
