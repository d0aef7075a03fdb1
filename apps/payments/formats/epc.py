"""The rules of the European Payments Council that the schemas do not hold.

Character set (EPC217-08), identifiers, postal addresses by date, IBAN and creditor references.
Scheme rulebooks change; what changes with time is in `SepaProfile`, chosen per bank.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from apps.core.money import Money
from apps.payments.formats.errors import FormatError

NAME_CHARS_MAX, REMITTANCE_CHARS_MAX, IDENTIFIER_CHARS_MAX = 70, 140, 35

_ALLOWED = re.compile(r"[A-Za-z0-9/\-?:().,'+ ]*", re.ASCII)
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", re.ASCII)
_REFERENCE = re.compile(r"RF[0-9]{2}[A-Z0-9]{1,21}", re.ASCII)
_CREDITOR_ID = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{3}[A-Z0-9]{1,28}", re.ASCII)
# Letters that Unicode does not decompose, and signs with a customary substitute.
_SUBSTITUTES = str.maketrans(
    {
        "ß": "ss", "Æ": "AE", "æ": "ae", "Œ": "OE", "œ": "oe", "Ø": "O", "ø": "o", "Ð": "D", "ð": "d",
        "Þ": "TH", "þ": "th", "Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "ı": "i", "&": "+", "@": "(at)",
        "_": "-", "–": "-", "—": "-", "’": "'", "‘": "'", "`": "'", "“": "'", "”": "'", '"': "'",
        "\t": " ", "\n": " ", "\r": " ", ";": ",", "!": ".", "*": ".", "#": ".", "[": "(", "]": ")",
        "{": "(", "}": ")", "<": "(", ">": ")", "=": "-", "|": "/", "\\": "/", "€": "EUR", "%": ".",
        "ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "$": ".", "~": "-", "^": ".",
    }
)  # fmt: skip


def is_epc_text(text: str) -> bool:
    """Tell whether every character is in the EPC basic Latin set."""
    return _ALLOWED.fullmatch(text) is not None


def to_epc_text(text: str, *, chars_max: int) -> str:
    """Transliterate into the EPC basic Latin set, then cut to the length.

    The order matters: one letter may become two. What has no counterpart becomes a full stop, so
    that nothing vanishes unseen.
    """
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", text).translate(_SUBSTITUTES))
    plain = "".join(ch for ch in decomposed if not unicodedata.combining(ch)).translate(_SUBSTITUTES)
    allowed = "".join(ch if is_epc_text(ch) else "." for ch in plain)
    return re.sub(r" +", " ", allowed).strip()[:chars_max].rstrip()


def check_identifier(text: str, place: str) -> str:
    """Return an identifier that the EPC rules allow. Raises FormatError (identifier).

    At most 35 characters of the basic set; no slash at either end and no two slashes in a row.
    """
    slashes = text.startswith("/") or text.endswith("/") or "//" in text
    if (
        not text
        or len(text) > IDENTIFIER_CHARS_MAX
        or not is_epc_text(text)
        or slashes
        or text != text.strip()
    ):
        raise FormatError("identifier", "The identifier breaks the EPC rules for identifiers.", None, place)
    return text


def _mod97(text: str) -> int:
    return int("".join(str(int(ch, 36)) for ch in text)) % 97


@lru_cache(maxsize=65536)
def is_iban(text: str) -> bool:
    """Tell whether the text is an IBAN with right check digits (ISO 13616, ISO 7064 mod 97-10)."""
    return _IBAN.fullmatch(text) is not None and _mod97(text[4:] + text[:4]) == 1


def check_iban(text: str, place: str) -> str:
    """Return the IBAN. Raises FormatError (iban)."""
    if not is_iban(text):
        raise FormatError("iban", "This is not an IBAN, or its check digits are wrong.", None, place)
    return text


def is_creditor_reference(text: str) -> bool:
    """Tell whether the text is an RF creditor reference (ISO 11649)."""
    return _REFERENCE.fullmatch(text) is not None and _mod97(text[4:] + text[:4]) == 1


def creditor_reference(reference: str) -> str:
    """Make the RF creditor reference of an own reference of at most 21 letters and digits (ISO 11649)."""
    own = reference.upper()
    if re.fullmatch(r"[A-Z0-9]{1,21}", own, re.ASCII) is None:
        raise FormatError("reference", "A creditor reference has 1 to 21 letters and digits.", None, "Ref")
    return f"RF{98 - _mod97(own + 'RF00'):02d}{own}"


def is_creditor_identifier(text: str) -> bool:
    """Tell whether the text is a SEPA creditor identifier (AT-02); positions 5 to 7 are not checked."""
    return _CREDITOR_ID.fullmatch(text) is not None and _mod97(text[7:] + text[:4]) == 1


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address. `lines` are unstructured; town and country are always structured."""

    town: str = ""
    country: str = ""
    postcode: str = ""
    street: str = ""
    building: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SepaProfile:
    """What one bank accepts, with the dates from which rules hold.

    `address`: "none" (left out), "structured" (no lines) or "hybrid" (town, country and up to two
    lines). Fully unstructured addresses are refused for execution from `unstructured_until` on.
    `amount_max` is in cents; None means no cap beyond the scheme's field length.
    """

    name: str = "default"
    address: str = "hybrid"
    unstructured_until: date = date(2026, 11, 22)
    credit_amount_max: int | None = 99_999_999_999
    instant_amount_max: int | None = None
    creditor_bic_required: bool = False


DEFAULT_PROFILE = SepaProfile()


def check_amount(value: Money, place: str, *, amount_max: int | None) -> Money:
    """Return a SEPA amount: positive euro up to the cap. Raises FormatError (currency, amount)."""
    if value.currency != "EUR":
        raise FormatError("currency", "A SEPA payment is in euro.", None, place)
    if value.minor < 1 or (amount_max is not None and value.minor > amount_max):
        raise FormatError("amount", "The amount is outside what the scheme or the bank allows.", None, place)
    return value


def check_address(address: Address | None, place: str, *, profile: SepaProfile, on: date) -> Address | None:
    """Return the address as the profile lets it leave. Raises FormatError (address)."""
    if address is None or profile.address == "none":
        return None
    structured = bool(address.town and address.country)
    if not structured and (on >= profile.unstructured_until or address.country == ""):
        raise FormatError(
            "address", "An address needs its town and country in fields of their own.", None, place
        )
    if len(address.lines) > 2 or (profile.address == "structured" and address.lines):
        raise FormatError(
            "address", "The bank does not take so many unstructured address lines.", None, place
        )
    return address
