"""Personal data as staff see it before they give a reason: recognisable, of no use to anybody else."""

from __future__ import annotations

from typing import Any

from apps.core.crypto.sealed import ERASED


def masked_name(text: str) -> str:
    """Write a name as initials; how long it is does not show."""
    if text == ERASED:
        return text
    return " ".join(f"{word[0]}…" for word in text.split()[:3])


def masked_iban(text: str) -> str:
    """Write an IBAN as its country, check digits and last four."""
    return text if text == ERASED else f"{text[:4]} … {text[-4:]}"


def masked_account(text: str) -> str:
    """Write an account at another bank: an IBAN as above, a bank's own number as its last four."""
    if text == ERASED or text[:2].isalpha():
        return masked_iban(text)
    return f"… {text[-4:]}" if len(text) > 6 else "…"


def masked_contact(text: str) -> str:
    """Write an address or number as its first and last sign."""
    return text if text == ERASED else f"{text[:1]}…{text[-1:]}"


def shown(sealed: Any, mask: Any = None) -> str:
    """Open a sealed value and, unless it is revealed, mask it; nothing stays nothing."""
    if sealed is None:
        return ""
    text = sealed.shown()
    return mask(text) if mask else text
