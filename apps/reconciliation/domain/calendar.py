"""Business days of the euro's settlement system (TARGET), by which windows are counted."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache


def is_business_day(day: date) -> bool:
    """Tell whether TARGET is open: not on weekends, nor on its six holidays, which are never moved."""
    return day.weekday() < 5 and day not in _holidays(day.year)


def add_business_days(day: date, count: int) -> date:
    """Move by business days, back if negative. Zero leaves the day as it is."""
    step = timedelta(days=1 if count > 0 else -1)
    for _ in range(abs(count)):
        day += step
        while not is_business_day(day):
            day += step
    return day


@cache
def _holidays(year: int) -> frozenset[date]:
    easter = easter_sunday(year)
    return frozenset(
        {
            date(year, 1, 1),
            easter - timedelta(days=2),
            easter + timedelta(days=1),
            date(year, 5, 1),
            date(year, 12, 25),
            date(year, 12, 26),
        }
    )


def easter_sunday(year: int) -> date:
    """Compute Easter of the Gregorian calendar (the anonymous algorithm of 1876)."""
    century, of_century = divmod(year, 100)
    golden = year % 19
    leap_centuries, rest = divmod(century, 4)
    shift = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leap_centuries - shift + 15) % 30
    weekday = (32 + 2 * rest + 2 * (of_century // 4) - epact - of_century % 4) % 7
    correction = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * correction + 114, 31)
    return date(year, month, day + 1)
