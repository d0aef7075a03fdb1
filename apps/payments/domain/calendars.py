"""Business days and cut-offs of banks, as pure rules over a calendar's holidays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from apps.core.errors import Refusal

DAYS_MAX = 3660
"""How far a search for a business day goes, in days: no calendar is closed for ten years."""


class CalendarEnds(Refusal):
    code = "calendar_ends"
    title = "The bank calendar does not reach that far."


@dataclass(frozen=True)
class Calendar:
    """When a payment system is open: not on Saturday and Sunday, nor on its holidays.

    `always` is for the systems that never close (instant payments). `known` are the first and the last
    day that the holidays cover; None covers all days.
    """

    name: str
    holidays: frozenset[date] = frozenset()
    always: bool = False
    known: tuple[date, date] | None = None

    def is_open(self, day: date) -> bool:
        """Tell whether the system settles on this day. Raises CalendarEnds for a day that is not covered."""
        if self.known is not None and not self.known[0] <= day <= self.known[1]:
            raise CalendarEnds(calendar=self.name, day=day.isoformat(), last=self.known[1].isoformat())
        return self.always or (day.weekday() < 5 and day not in self.holidays)

    def on_or_after(self, day: date) -> date:
        """Return the first business day that is not before the given one."""
        for offset in range(DAYS_MAX):
            if self.is_open(day + timedelta(days=offset)):
                return day + timedelta(days=offset)
        raise ValueError(f"{self.name} has no business day after {day}")

    def add(self, day: date, business_days: int) -> date:
        """Return the business day so many business days after (or, negative, before) a day."""
        step = timedelta(days=1 if business_days >= 0 else -1)
        left = abs(business_days)
        for _ in range(DAYS_MAX):
            if left == 0:
                return day
            day += step
            left -= self.is_open(day)
        raise ValueError(f"{self.name} has too few business days around {day}")

    def count_between(self, first: date, last: date) -> int:
        """Count the business days after the first day, up to and with the last."""
        days = (last - first).days
        return sum(self.is_open(first + timedelta(days=offset)) for offset in range(1, days + 1))


ALWAYS = Calendar("ALWAYS", always=True)


@dataclass(frozen=True, slots=True)
class CutOff:
    """Until when, in the bank's own time zone, an order still goes with a window of the day.

    `settles_same_day` tells whether what goes with it settles on that day.
    """

    name: str
    at: time
    zone: str
    settles_same_day: bool = False

    def on(self, day: date) -> datetime:
        """Return the moment of the cut-off on a day, aware."""
        return datetime.combine(day, self.at, tzinfo=ZoneInfo(self.zone))


def next_cut_off(cut_offs: Iterable[CutOff], calendar: Calendar, now: datetime) -> tuple[CutOff, date]:
    """Return the first cut-off that is still ahead, and its business day.

    A cut-off exactly reached is too late. Raises ValueError without any cut-off.
    """
    windows = sorted(cut_offs, key=lambda window: window.at)
    if not windows:
        raise ValueError("a rail without cut-offs has no windows")
    day = calendar.on_or_after(now.astimezone(ZoneInfo(windows[0].zone)).date())
    while True:
        for window in windows:
            if now < window.on(day):
                return window, day
        day = calendar.add(day, 1)
