"""The calendars of payment systems as the table keeps them, and what a rail's next window is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from apps.core.errors import Invalid
from apps.core.money import Money
from apps.payments.domain.calendars import ALWAYS, Calendar, CutOff, next_cut_off
from apps.payments.models import BankHoliday
from apps.payments.rails import adapter
from apps.payments.rails.base import Instruction, Party

_CACHE_S = 60.0
_cache: dict[str, tuple[float, Calendar]] = {}
_NOBODY = Party("", "")


@dataclass(frozen=True, slots=True)
class Window:
    """What a file goes with: the cut-off that is still ahead, its day, and the day of execution."""

    cut_off: CutOff
    day: date
    execution: date

    @property
    def closes_at(self) -> datetime:
        """Return the moment of the cut-off; exactly then it is too late."""
        return self.cut_off.on(self.day)


def calendar(name: str) -> Calendar:
    """Return a calendar as the table has it, remembered for a minute. Raises Invalid for an unknown name."""
    if name == ALWAYS.name:
        return ALWAYS
    cached = _cache.get(name)
    if cached is not None and time.monotonic() - cached[0] < _CACHE_S:
        return cached[1]
    days = frozenset(BankHoliday.objects.filter(calendar=name).values_list("day", flat=True))
    if not days:
        raise Invalid(field="calendar", reason="no holidays are stored for it", name=name[:20])
    known = (date(min(days).year, 1, 1), date(max(days).year, 12, 31))
    made = Calendar(name, days, known=known)
    _cache[name] = (time.monotonic(), made)
    return made


def forget_calendars() -> None:
    """Drop what is remembered, after a change."""
    _cache.clear()


def window_of(rail: str, at: datetime, *, cut_off: str = "") -> Window:
    """Return the window that a file of a rail goes with when it is made at a moment.

    `cut_off` asks for the rail's window of this name, or for one that closes at this time of the bank's
    day (HH:MM). A cut-off exactly reached is too late. Raises Invalid, CalendarEnds.
    """
    chosen = _cut_offs(rail, cut_off)
    days = calendar(adapter(rail).capabilities().calendar)
    window, day = next_cut_off(chosen, days, at)
    # Just before this cut-off the rail's own rule says on which day the bank executes.
    moment = window.on(day) - timedelta(microseconds=1)
    currency = min(adapter(rail).capabilities().currencies)
    nominal = Instruction("", Money(1, currency), _NOBODY, _NOBODY)
    return Window(window, day, adapter(rail).quote_dates(nominal, moment, days).execution)


def execution_day(rail: str, at: datetime, *, cut_off: str = "") -> date:
    """Return the day on which a bank executes a file that is made at a moment. Raises as `window_of`."""
    return window_of(rail, at, cut_off=cut_off).execution


def _cut_offs(rail: str, asked: str) -> tuple[CutOff, ...]:
    offered = adapter(rail).capabilities().cut_offs
    if not offered:
        raise Invalid(field="rail", reason="it has no cut-offs", rail=rail)
    if not asked:
        return offered
    named = tuple(window for window in offered if asked in (window.name, f"{window.at:%H:%M}"))
    if not named:
        known = [f"{window.name} {window.at:%H:%M} {window.zone}" for window in offered]
        raise Invalid(field="cutoff", asked=asked[:40], known=known)
    return named
