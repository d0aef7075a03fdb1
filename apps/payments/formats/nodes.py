"""Short ways to read an ISO 20022 element: paths of local names in the element's own namespace."""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache
from typing import Any

from lxml import etree

from apps.core.money import Money
from apps.payments.formats.amounts import read_amount
from apps.payments.formats.errors import FormatError

Element = etree._Element


@lru_cache(maxsize=8192)
def _qualified(namespace: str, path: str) -> str:
    return "/".join(namespace + step for step in path.split("/"))


@lru_cache(maxsize=8192)
def _namespace(tag: str) -> str:
    return tag[: tag.index("}") + 1] if tag.startswith("{") else ""


def namespace_of(element: Element) -> str:
    """Return the namespace in braces, or an empty text."""
    return _namespace(str(element.tag))


def local_name(element: Element) -> str:
    """Return the name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def line_of(element: Element) -> int | None:
    """Return the line of the file the element starts on."""
    line: Any = element.sourceline
    return line if isinstance(line, int) else None


def find(element: Element, *paths: str) -> Element | None:
    """Return the first element that one of the paths leads to; messages differ between versions."""
    namespace = namespace_of(element)
    for path in paths:
        found = element.find(_qualified(namespace, path))
        if found is not None:
            return found
    return None


def find_all(element: Element, path: str) -> list[Element]:
    """Return every element the path leads to, in document order."""
    return element.findall(_qualified(namespace_of(element), path))


def text(element: Element, *paths: str) -> str:
    """Return the text the first fitting path leads to, without surrounding blanks, or an empty text."""
    found = find(element, *paths)
    return (found.text or "").strip() if found is not None else ""


def values(element: Element | None) -> dict[str, str]:
    """Return the texts of an element's children by local name; the first wins where one repeats."""
    found: dict[str, str] = {}
    for child in element if element is not None else ():
        found.setdefault(local_name(child), (child.text or "").strip())
    return found


def texts(element: Element, path: str) -> tuple[str, ...]:
    """Return the texts of every element the path leads to."""
    return tuple((found.text or "").strip() for found in find_all(element, path))


def money(element: Element, *paths: str) -> Money | None:
    """Return the amount with its Ccy attribute, unsigned. Raises FormatError."""
    found = find(element, *paths)
    if found is None:
        return None
    place = local_name(found)
    return read_amount((found.text or "").strip(), found.get("Ccy", ""), line=line_of(found), place=place)


def day(element: Element, *paths: str) -> date | None:
    """Return the date of a Dt, a DtTm or a choice of both; the zone of a DtTm is the bank's own."""
    found = find(element, *paths)
    if found is None:
        return None
    written = text(found, "Dt", "DtTm") or (found.text or "").strip()
    try:
        return date.fromisoformat(written[:10])
    except ValueError:
        raise FormatError("bad_date", "This is not a date.", line_of(found), local_name(found)) from None


def moment(element: Element, *paths: str) -> datetime | None:
    """Return an ISO date and time; without a zone it stays naive, as the bank wrote it."""
    found = find(element, *paths)
    written = (found.text or "").strip() if found is not None else ""
    if found is None or not written:
        return None
    try:
        return datetime.fromisoformat(written)
    except ValueError:
        raise FormatError(
            "bad_date", "This is not a date and time.", line_of(found), local_name(found)
        ) from None


def flag(element: Element, *paths: str) -> bool:
    """Return whether an indicator is set."""
    return text(element, *paths) in ("true", "1")
