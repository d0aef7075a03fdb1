"""The tables of orders, and the days of schedules."""

import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.payments.domain.calendars import Calendar
from apps.payments.domain.orders import BULK, ORDER_MACHINES, STANDING, OrderEvent, OrderState
from apps.payments.domain.schedules import DayRule, Frequency, Schedule

README = Path(__file__).resolve().parents[3] / "apps" / "payments" / "README.md"


class TestTables:
    @pytest.mark.parametrize("name", ORDER_MACHINES)
    def test_are_drawn_in_the_readme(self, name):
        drawn = re.search(rf"### {name}\n```mermaid\n(.*?)\n```", README.read_text(), re.DOTALL)

        assert drawn is not None and drawn[1] == ORDER_MACHINES[name].diagram()

    @pytest.mark.parametrize("machine", ORDER_MACHINES.values())
    def test_reach_every_state_and_end(self, machine):
        reached = {None} | {row.target for row in machine.rows}

        assert {row.source for row in machine.rows} <= reached
        assert any(machine.is_final(state) for state in machine.states())

    def test_let_nothing_happen_to_what_has_ended(self):
        ended = [OrderState.DECLINED, OrderState.CANCELLED]

        assert all(BULK.allowed(state) == [] == STANDING.allowed(state) for state in ended)
        assert STANDING.fold([OrderEvent.ORDER, OrderEvent.APPROVE, OrderEvent.RUN, OrderEvent.COMPLETE])


days = st.dates(date(2020, 1, 1), date(2030, 12, 31))
schedules = st.builds(
    Schedule, st.sampled_from(Frequency), days, count=st.integers(1, 40), day_rule=st.sampled_from(DayRule)
)


class TestSchedules:
    def test_keep_the_31st_through_shorter_months(self):
        plan = Schedule(Frequency.MONTHLY, date(2026, 1, 31), count=4)

        assert list(plan.days()) == [
            date(2026, 1, 31),
            date(2026, 2, 28),
            date(2026, 3, 31),
            date(2026, 4, 30),
        ]

    def test_know_the_end_of_the_month(self):
        plan = Schedule(Frequency.QUARTERLY, date(2026, 2, 10), end_of_month=True, count=3)

        assert list(plan.days()) == [date(2026, 2, 28), date(2026, 5, 31), date(2026, 8, 31)]

    def test_end_with_their_last_day(self):
        plan = Schedule(Frequency.FORTNIGHTLY, date(2026, 7, 1), last=date(2026, 7, 29))

        assert list(plan.days()) == [date(2026, 7, 1), date(2026, 7, 15), date(2026, 7, 29)]

    @given(schedules)
    def test_rise_and_end(self, plan):
        found = list(plan.days())

        assert found == sorted(set(found)) and found[0] == plan.first
        assert len(found) == (1 if plan.frequency is Frequency.ONCE else plan.count)

    @given(schedules, st.frozensets(st.dates(date(2020, 1, 1), date(2030, 12, 31)), max_size=30))
    def test_are_made_on_business_days_near_by(self, plan, closed):
        calendar = Calendar("TEST", closed)
        for due in list(plan.days())[:5]:
            made = plan.executed(due, calendar)

            assert calendar.is_open(made) and abs(made - due) <= timedelta(days=60)
            if plan.day_rule is DayRule.MODIFIED_FOLLOWING and made > due:
                assert made.month == due.month
