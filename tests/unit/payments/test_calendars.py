"""Business days and cut-offs: what is open, what is next, and what is too late."""

from datetime import UTC, date, datetime, time

import holidays
import pytest

from apps.payments.domain.calendars import ALWAYS, Calendar, CutOff, next_cut_off

TARGET = Calendar("TARGET", frozenset(holidays.financial_holidays("TAR", years=(2026, 2027))))
MORNING = CutOff("morning", time(10, 30), "America/New_York", settles_same_day=True)
EVENING = CutOff("evening", time(16, 45), "America/New_York")


class TestCalendar:
    @pytest.mark.parametrize(
        ("day", "open_"),
        [
            (date(2026, 4, 2), True),
            (date(2026, 4, 3), False),  # Good Friday
            (date(2026, 4, 6), False),  # Easter Monday
            (date(2026, 12, 26), False),  # a Saturday, and not moved
            (date(2026, 12, 28), True),
        ],
    )
    def test_knows_weekends_and_holidays(self, day, open_):
        assert TARGET.is_open(day) is open_

    def test_counts_business_days_both_ways(self):
        assert TARGET.add(date(2026, 4, 2), 1) == date(2026, 4, 7)
        assert TARGET.add(date(2026, 4, 7), -1) == date(2026, 4, 2)
        assert TARGET.count_between(date(2026, 4, 2), date(2026, 4, 8)) == 2

    def test_never_closes_where_payments_are_instant(self):
        assert ALWAYS.on_or_after(date(2026, 12, 25)) == date(2026, 12, 25)


class TestCutOffs:
    def test_one_exactly_reached_is_too_late(self):
        at = datetime(2026, 7, 8, 14, 30, tzinfo=UTC)  # 10:30 in New York

        assert next_cut_off([EVENING, MORNING], ALWAYS, at) == (EVENING, date(2026, 7, 8))
        assert next_cut_off([EVENING, MORNING], ALWAYS, at.replace(minute=29)) == (MORNING, date(2026, 7, 8))

    def test_after_the_last_the_next_business_day_counts(self):
        friday_evening = datetime(2026, 7, 10, 21, 0, tzinfo=UTC)

        assert next_cut_off([MORNING], TARGET, friday_evening) == (MORNING, date(2026, 7, 13))

    def test_they_follow_the_banks_clock_over_a_change_of_time(self):
        winter, summer = MORNING.on(date(2026, 3, 6)), MORNING.on(date(2026, 3, 9))

        assert (winter.astimezone(UTC).hour, summer.astimezone(UTC).hour) == (15, 14)
