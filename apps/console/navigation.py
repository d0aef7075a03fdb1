"""The side bar: which pages there are, in groups, each shown to those whose role opens it."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest

from apps.console import access

GROUPS = ("Overview", "Money", "Books", "Reconciliation", "Customers", "Integrations", "Platform", "Control")


@dataclass(frozen=True, slots=True)
class Entry:
    """A page in the side bar. `keys` is its shortcut: g, then the letter."""

    group: str
    label: str
    url: str
    permission: str = ""
    keys: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry on a page, and whether the page is part of it."""

    entry: Entry
    current: bool


ENTRIES: list[Entry] = []


def entry(group: str, label: str, url: str, *, permission: str = "", keys: str = "") -> None:
    """Put a page into the side bar."""
    if group not in GROUPS:
        raise RuntimeError(f"the side bar has no group {group}")
    ENTRIES.append(Entry(group, label, url, permission, keys))


def groups(request: HttpRequest) -> list[tuple[str, list[Shown]]]:
    """Return the entries that the actor may open, by group, and mark the current one."""
    mine = [one for one in ENTRIES if not one.permission or access.may(request, one.permission)]
    here = max((one.url for one in mine if request.path.startswith(one.url)), key=len, default="")
    found = [(name, [Shown(one, one.url == here) for one in mine if one.group == name]) for name in GROUPS]
    return [(name, entries) for name, entries in found if entries]
