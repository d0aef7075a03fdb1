"""References a bank carries for us, and what a customer may write to the payee."""

from __future__ import annotations

import re
from uuid import UUID

from apps.core.errors import Invalid

NAME_MAX, REMITTANCE_MAX = 70, 140
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")


def end_to_end_id(payment_id: UUID) -> str:
    """Make the end-to-end reference of a payment (ISO 20022 Max35Text): its key without hyphens."""
    return payment_id.hex.upper()


_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ach_reference(payment_id: UUID) -> str:
    """Make the reference of an ACH payment, its identification number: 15 signs of the key's random end."""
    number = payment_id.int
    return "".join(_CROCKFORD[(number >> 5 * place) & 31] for place in reversed(range(15)))


def clean_text(text: str, *, field: str, length_max: int, required: bool = False) -> str:
    """Return the text with its spaces tidied. Raises Invalid for control characters and excess length."""
    if _CONTROL.search(text):
        raise Invalid(field=field, reason="control characters")
    tidy = " ".join(text.split())
    if len(tidy) > length_max:
        raise Invalid(field=field, reason=f"more than {length_max} characters")
    if required and not tidy:
        raise Invalid(field=field, reason="empty")
    return tidy
