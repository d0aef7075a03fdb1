"""TARGET business days: when a euro payment can be executed."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

import holidays


@cache
def _target_holidays(year: int) -> frozenset[date]:
    """Return the closing days of TARGET in a year; a holiday on a weekend is not moved."""
    return frozenset(holidays.financial_holidays("TAR", years=year))


def is_target_day(day: date) -> bool:
    """Tell whether TARGET is open: not on Saturday and Sunday, nor on its six holidays."""
    return day.weekday() < 5 and day not in _target_holidays(day.year)


def next_target_day(day: date) -> date:
    """Return the first TARGET business day after the given one."""
    following = day + timedelta(days=1)
    while not is_target_day(following):
        following += timedelta(days=1)
    return following
