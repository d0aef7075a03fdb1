"""The profiles of our banks: where a bank's cut-offs differ from a rail's usual ones, settings say so."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apps.payments.domain.calendars import CutOff
from apps.payments.rails import ADAPTERS

_FORM = re.compile(r"(?P<rail>\w+) (?P<name>\w+) (?P<at>\d\d:\d\d) (?P<zone>\S+)(?P<same_day> same-day)?")


class BadProfile(Exception):
    """A profile in the settings cannot be meant; the message says which, and what would do."""


def cut_offs_of(entries: Iterable[str]) -> dict[str, tuple[CutOff, ...]]:
    """Read entries such as "sepa_ct afternoon 15:30 Europe/Berlin same-day", by rail. Raises BadProfile."""
    found: dict[str, tuple[CutOff, ...]] = {}
    for entry in entries:
        match = _FORM.fullmatch(entry)
        if match is None:
            raise BadProfile(f"a cut-off is `rail name HH:MM zone [same-day]`, not {entry!r}")
        try:
            at, zone = time.fromisoformat(match["at"]), ZoneInfo(match["zone"])
        except (ValueError, ZoneInfoNotFoundError):
            raise BadProfile(f"there is no such time or time zone: {entry!r}") from None
        window = CutOff(match["name"], at, zone.key, settles_same_day=match["same_day"] is not None)
        found[match["rail"]] = (*found.get(match["rail"], ()), window)
    return found


def use_cut_offs(entries: Iterable[str]) -> None:
    """Give the rails the cut-offs of the settings instead of their usual ones. Raises BadProfile."""
    for rail, windows in cut_offs_of(entries).items():
        adapter: Any = ADAPTERS.get(rail)
        if adapter is None or not adapter.capabilities().cut_offs:
            raise BadProfile(f"{rail} is no rail with cut-offs")
        adapter.cut_offs = windows
