"""On which days a standing order is due, and what becomes of a day on which the bank is closed."""

from __future__ import annotations

import calendar as _months
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from apps.core.errors import Invalid
from apps.payments.domain.calendars import Calendar, CalendarEnds

COUNT_MAX = 1_200
"""The most runs of an order: a hundred years of months."""


class Frequency(StrEnum):
    """How often an order is due."""

    ONCE = "once"
    WEEKLY = "weekly"
    FORTNIGHTLY = "fortnightly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    HALF_YEARLY = "half_yearly"
    YEARLY = "yearly"


class DayRule(StrEnum):
    """Where a due day goes on which the payment system is closed (as ISDA's conventions say)."""

    FOLLOWING = "following"
    PRECEDING = "preceding"
    MODIFIED_FOLLOWING = "modified_following"  # following, unless that is another month: then preceding


_DAYS = {Frequency.WEEKLY: 7, Frequency.FORTNIGHTLY: 14}
_MONTHS = {Frequency.MONTHLY: 1, Frequency.QUARTERLY: 3, Frequency.HALF_YEARLY: 6, Frequency.YEARLY: 12}


@dataclass(frozen=True, slots=True)
class Schedule:
    """When an order is due: from its first day on, until its last day or number of runs, if it has one.

    `end_of_month` means the last day of each month, whichever day the first one is.
    """

    frequency: Frequency
    first: date
    last: date | None = None
    count: int | None = None
    end_of_month: bool = False
    day_rule: DayRule = DayRule.FOLLOWING

    def check(self) -> None:
        """Raise Invalid for a schedule that cannot be meant."""
        if self.last is not None and self.last < self.first:
            raise Invalid(field="schedule.last", reason="before the first day")
        if self.count is not None and not 1 <= self.count <= COUNT_MAX:
            raise Invalid(field="schedule.count", count_max=COUNT_MAX)
        if self.end_of_month and self.frequency not in _MONTHS:
            raise Invalid(field="schedule.end_of_month", reason="only where months are counted")
        if not 2000 <= self.first.year <= 2199:
            raise Invalid(field="schedule.first", reason="not between 2000 and 2199")
        if self.due(0) is None:
            raise Invalid(field="schedule.last", reason="it is never due")

    def due(self, number: int) -> date | None:
        """Return the day of the run with this number (from 0), or None when there is none.

        Days are counted from the first one, so that a 31st that was a 28th once is a 31st again.
        """
        limit = 1 if self.frequency is Frequency.ONCE else self.count
        if not 0 <= number < (limit or COUNT_MAX):
            return None
        day = self._nominal(number)
        return None if self.last is not None and day > self.last else day

    def days(self) -> Iterator[date]:
        """Return every day on which the order is due."""
        number = 0
        while (day := self.due(number)) is not None:
            yield day
            number += 1

    def executed(self, due: date, days: Calendar) -> date:
        """Return the day on which a run that is due is made: the same, or moved to a business day.

        Beyond what the calendar covers the day stays; its file then goes with the next window.
        """
        try:
            following = days.on_or_after(due)
            if self.day_rule is DayRule.FOLLOWING or following == due:
                return following
            if self.day_rule is DayRule.MODIFIED_FOLLOWING and following.month == due.month:
                return following
            return days.add(due, -1)
        except CalendarEnds:
            return due

    def _nominal(self, number: int) -> date:
        if self.frequency in _DAYS:
            return self.first + timedelta(days=_DAYS[self.frequency] * number)
        if self.frequency is Frequency.ONCE:
            return self.first
        months = self.first.year * 12 + self.first.month - 1 + _MONTHS[self.frequency] * number
        year, month = divmod(months, 12)
        longest = _months.monthrange(year, month + 1)[1]
        return date(year, month + 1, longest if self.end_of_month else min(self.first.day, longest))
