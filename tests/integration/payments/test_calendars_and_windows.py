"""Stored bank calendars, the windows that follow from them, and quotes."""

import json
from datetime import UTC, date, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.core import clock
from apps.core.errors import Invalid
from apps.core.money import Money
from apps.payments.calendar import calendar, execution_day, forget_calendars, window_of
from apps.payments.commands.calendars import CalendarMoved, ChangeBankCalendar, Holiday
from apps.payments.domain.calendars import CalendarEnds
from apps.payments.models import BankHoliday
from apps.payments.profiles import BadProfile, cut_offs_of
from apps.payments.quotes import quote, quotes
from tests.factories import do


def run(*arguments, **options):
    out = StringIO()
    call_command(*arguments, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def without_christmas(db):
    """Take a day out of a stored year, as an operator who typed over it would have."""
    day = date(2033, 12, 26)
    do(ChangeBankCalendar(None, "TARGET", "tests", "1", removed=(day,)))
    yield day
    if not BankHoliday.objects.filter(calendar="TARGET", day=day).exists():
        do(ChangeBankCalendar(None, "TARGET", "tests", "1", added=(Holiday(day, "Christmas Holiday"),)))


class TestStoredCalendars:
    def test_are_there_from_the_start_with_their_source(self, db):
        rows = BankHoliday.objects.filter(calendar="FED", day__year=2026)

        assert {row.source for row in rows} == {"holidays"}
        assert date(2026, 11, 26) in {row.day for row in rows}

    def test_do_not_move_a_saturdays_holiday_for_the_reserve_banks(self, db):
        fed = calendar("FED")

        assert fed.is_open(date(2026, 7, 3))  # the 4th is a Saturday
        assert not fed.is_open(date(2027, 7, 5))  # the 4th is a Sunday

    def test_refuse_days_they_do_not_cover(self, db):
        with pytest.raises(CalendarEnds):
            calendar("TARGET").is_open(date(2041, 1, 2))

    def test_refuse_a_name_that_is_none(self, db):
        with pytest.raises(Invalid):
            calendar("MOON")

    def test_agree_with_the_package_that_is_installed(self, db):
        told = json.loads(run("sync_bank_calendar", "--json", "--years", "2020-2032"))

        assert [one["findings"] for one in told["calendars"]] == [[], []]
        assert [one["filled"] for one in told["calendars"]] == [0, 0]

    def test_difference_is_a_finding_and_is_stored_only_when_asked(self, without_christmas):
        arguments = ("sync_bank_calendar", "--calendar", "TARGET", "--years", "2033")
        with pytest.raises(CommandError) as failed:
            run(*arguments)
        assert failed.value.returncode == 1
        assert not BankHoliday.objects.filter(calendar="TARGET", day=without_christmas).exists()

        run(*arguments, "--apply")
        forget_calendars()

        assert not calendar("TARGET").is_open(without_christmas)
        assert json.loads(run(*arguments, "--json"))["calendars"][0]["findings"] == []

    def test_fill_years_that_are_not_there(self, db):
        told = json.loads(run("sync_bank_calendar", "--json", "--years", "2050", "--dry-run"))

        assert all(one["filled"] >= 6 and one["findings"] == [] for one in told["calendars"])
        assert not BankHoliday.objects.filter(day__year=2050).exists()

    def test_change_is_refused_when_it_is_not_one(self, db):
        with pytest.raises(CalendarMoved):
            do(ChangeBankCalendar(None, "FED", "tests", "1", removed=(date(2026, 7, 8),)))
        with pytest.raises(Invalid):
            do(ChangeBankCalendar(None, "MOON", "tests", "1"))


class TestWindows:
    def test_cut_off_exactly_reached_is_too_late(self, db):
        reached = datetime(2026, 7, 8, 14, 0, tzinfo=UTC)  # 16:00 in Amsterdam

        assert execution_day("sepa_ct", reached.replace(hour=13, minute=59)) == date(2026, 7, 8)
        assert execution_day("sepa_ct", reached) == date(2026, 7, 9)

    def test_follow_the_banks_clock_and_calendar(self, db):
        # In winter 16:00 in Amsterdam is 15:00 UTC; the 3rd and 6th of April 2026 are Good Friday and Easter Monday.
        assert execution_day("sepa_ct", datetime(2026, 1, 7, 14, 59, tzinfo=UTC)) == date(2026, 1, 7)
        assert execution_day("sepa_ct", datetime(2026, 1, 7, 15, 0, tzinfo=UTC)) == date(2026, 1, 8)
        assert execution_day("sepa_ct", datetime(2026, 4, 2, 16, 0, tzinfo=UTC)) == date(2026, 4, 7)

    def test_can_be_asked_for_by_name_and_by_time(self, db):
        at = datetime(2026, 7, 8, 8, 0, tzinfo=UTC)

        assert window_of("sepa_ct", at, cut_off="standard") == window_of("sepa_ct", at, cut_off="16:00")
        assert window_of("sepa_ct", at).closes_at == datetime(2026, 7, 8, 14, 0, tzinfo=UTC)
        with pytest.raises(Invalid):
            window_of("sepa_ct", at, cut_off="midnight")


class TestProfiles:
    def test_are_read_from_settings(self):
        found = cut_offs_of(
            ["sepa_ct early 11:00 Europe/Berlin same-day", "sepa_ct late 15:30 Europe/Berlin"]
        )

        assert [(one.name, one.settles_same_day) for one in found["sepa_ct"]] == [
            ("early", True),
            ("late", False),
        ]

    @pytest.mark.parametrize(
        "entry", ["sepa_ct", "sepa_ct a 25:00 Europe/Berlin", "sepa_ct a 10:00 Mars/Olympus", ""]
    )
    def test_that_cannot_be_meant_are_refused(self, entry):
        with pytest.raises(BadProfile):
            cut_offs_of([entry])


class TestQuotes:
    AT = datetime(2026, 12, 23, 16, 0, tzinfo=UTC)

    def test_tell_when_it_must_be_in_and_when_it_settles(self, db):
        one = quote("sepa_ct", Money(1_000, "EUR"), at=self.AT)

        assert (one.execution, one.settlement) == (date(2026, 12, 24), date(2026, 12, 28))
        assert one.submit_by == datetime(2026, 12, 24, 15, 0, tzinfo=UTC)

    def test_say_why_a_rail_does_not_carry_it(self, db):
        assert quote("sepa_ct", Money(1_000, "USD"), at=self.AT).reasons == ("currency",)
        assert quote("sepa_ct", Money(10**12, "EUR"), at=self.AT).reasons == ("amount_above_limit",)

    def test_come_the_possible_first(self, db):
        asked = quotes(Money(1_000, "EUR"), at=self.AT)

        assert [one.possible for one in asked] == sorted((one.possible for one in asked), reverse=True)

    def test_command_prints_json_and_fails_where_nothing_carries_it(self, db):
        told = json.loads(
            run(
                "quote",
                "--rail",
                "sepa_ct",
                "--amount",
                "12.50EUR",
                "--at",
                "2026-07-08T13:59+00:00",
                json=True,
            )
        )

        assert told["quotes"][0]["execution_date"] == "2026-07-08"
        with pytest.raises(CommandError):
            run("quote", "--rail", "sepa_ct", "--amount", "12.50USD")
        with pytest.raises(CommandError):
            run("quote", "--amount", "12,50EUR")
        with pytest.raises(CommandError):
            run("quote", "--amount", "12.50EUR", "--at", "2026-07-08T13:59")

    def test_refuse_a_moment_beyond_the_calendar(self, db):
        with pytest.raises(CalendarEnds):
            quote("sepa_ct", Money(1, "EUR"), at=clock.database_now().replace(year=2199))
