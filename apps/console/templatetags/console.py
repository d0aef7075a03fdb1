"""Filters that show values in templates; what they make is made in core.console."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any
from uuid import UUID

from django import template
from django.utils.html import format_html

from apps.core.console import NOTHING, amount_html, id_html, state_html, time_html
from apps.core.money import Money

register = template.Library()


@register.filter
def amount(value: Money | None) -> str:
    """Show money."""
    return amount_html(value)


@register.filter
def minor(value: int | None, currency: str) -> str:
    """Show minor units of a currency."""
    return amount_html(None if value is None else Money(int(value), currency))


@register.filter
def moment(value: Any) -> str:
    """Show a moment or a date."""
    return time_html(value)


@register.filter
def ident(value: object, url: str = "") -> str:
    """Show an id, whole."""
    return id_html(value, url=url, short=False)


@register.filter
def brief(value: object, url: str = "") -> str:
    """Show an id, shortened; copying gives all of it."""
    return id_html(value, url=url)


@register.filter
def state(value: object, tone: str = "") -> str:
    """Show the word of a state."""
    return state_html(value, tone=tone)


@register.filter
def words(value: object) -> str:
    """Write a machine's name as words."""
    return str(value).replace("_", " ").replace(".", ": ", 1)


@register.filter
def dot(kind: str) -> str:
    """Name the class of a timeline's dot."""
    return "state-change" if kind == "state" else kind


@register.filter
def shown(value: Any) -> Any:
    """Show any value by what it is: money, time, id, a mapping, a list, nothing."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, Money):
        return amount_html(value)
    if isinstance(value, date):
        return time_html(value)
    if isinstance(value, UUID):
        return id_html(value, short=False)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (bytes, memoryview)):
        return id_html(bytes(value).hex(), short=False)
    if isinstance(value, (dict, list)):
        return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False, default=str))
    return value


@register.filter
def at(mapping: dict[Any, Any] | None, key: Any) -> Any:
    """Look a key up."""
    return (mapping or {}).get(key, "")


@register.filter
def masked_iban(value: str) -> str:
    """Show an IBAN so that it can be recognised but not used."""
    return f"{value[:4]} … {value[-4:]}"


@register.filter
def account_state(value: str) -> str:
    """Show the state of an account, for which open is good."""
    return state_html(value, tone={"open": "good", "blocked": "bad"}.get(value, "off"))


@register.filter
def line_state(value: str) -> str:
    """Show the state of a statement's line, which is busy while it is open."""
    return state_html(value, tone="busy" if value == "open" else "")


@register.filter
def short_name(value: str) -> str:
    """Shorten the public ids within a name."""
    return re.sub(r"\b([a-z]{2,4}_\w{4})\w{16}(\w{6})\b", r"\1…\2", value)
