"""Writes ISO 20022 XML as text: the same values give the same bytes, and empty elements vanish."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from xml.sax.saxutils import escape

from apps.core.money import Money
from apps.payments.formats.errors import FormatError
from apps.payments.formats.messages import ISO_PREFIX, read_message, require_valid

_ATTRIBUTE = {'"': "&quot;"}


def leaf(name: str, value: object, **attributes: str) -> str:
    """Write an element that holds a value; nothing at all if the value is None or an empty text."""
    if value is None or value == "":
        return ""
    written = "".join(f' {key}="{escape(text, _ATTRIBUTE)}"' for key, text in attributes.items())
    return f"<{name}{written}>{escape(_as_text(value))}</{name}>"


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds" if value.microsecond else "seconds")
    return value.isoformat() if isinstance(value, date) else str(value)


def node(name: str, *parts: str) -> str:
    """Write an element around other elements; nothing at all if they are all empty."""
    inner = "".join(parts)
    return f"<{name}>{inner}</{name}>" if inner else ""


def amount(name: str, value: Money | None) -> str:
    """Write an unsigned amount with its currency."""
    return "" if value is None else leaf(name, abs_text(value), Ccy=value.currency)


def abs_text(value: Money) -> str:
    """Write an amount without its sign."""
    return (-value if value.minor < 0 else value).decimal_text()


def direction(value: Money) -> str:
    """Write the credit or debit indicator of a signed amount."""
    return leaf("CdtDbtInd", "DBIT" if value.minor < 0 else "CRDT")


def total_text(values: Iterable[Money]) -> str:
    """Write the control sum: amounts added whatever their currency, with the most decimals any has."""
    decimals, amounts = 0, list(values)
    for value in amounts:
        decimals = max(decimals, len(value.decimal_text().partition(".")[2]))
    total = sum(_scaled(value, decimals) for value in amounts)
    digits = str(total).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits


def _scaled(value: Money, decimals: int) -> int:
    own: int = len(value.decimal_text().partition(".")[2])
    scaled: int = abs(value.minor) * 10 ** (decimals - own)
    return scaled


def account(name: str, identification: str) -> str:
    """Write a cash account: an IBAN as such, anything else as a proprietary identification."""
    if not identification:
        return ""
    iban = identification[:2].isalpha() and identification[2:4].isdigit() and len(identification) >= 15
    inner = leaf("IBAN", identification) if iban else node("Othr", leaf("Id", identification))
    return node(name, node("Id", inner))


def agent(
    name: str, bic: str = "", *, member: str = "", fallback: bool = False, bic_tag: str = "BICFI"
) -> str:
    """Write a bank by BIC, or by its clearing member id; with `fallback`, NOTPROVIDED if neither is known."""
    inner = leaf(bic_tag, bic) or node("ClrSysMmbId", leaf("MmbId", member))
    if not inner and fallback:
        inner = node("Othr", leaf("Id", "NOTPROVIDED"))
    return node(name, node("FinInstnId", inner))


def document(message: str, *parts: str) -> bytes:
    """Write a whole message as UTF-8."""
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{ISO_PREFIX}{message}">'
    return (head + "".join(parts) + "</Document>\n").encode()


def checked_document(message: str, *parts: str) -> bytes:
    """Write a whole message and read it back against its official schema.

    Raises FormatError if a value does not fit the schema: a message that is not valid never leaves.
    """
    data = document(message, *parts)
    read = read_message(data)
    if read.name != message:
        raise FormatError("schema", "The message was not written under its own name.")
    require_valid(read)
    return data
