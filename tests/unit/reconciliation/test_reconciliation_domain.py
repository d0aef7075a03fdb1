"""The pure rules: calendars, references, chains, comparisons."""

from datetime import date, timedelta
from uuid import UUID

import pytest

from apps.reconciliation.domain.breaks import age_bucket, compare
from apps.reconciliation.domain.calendar import add_business_days, easter_sunday, is_business_day
from apps.reconciliation.domain.continuity import Link, check_chain
from apps.reconciliation.domain.names import are_alike, comparable
from apps.reconciliation.domain.references import compared, iban_checks, ibans_in


class TestCalendar:
    @pytest.mark.parametrize(
        ("year", "month", "day"), [(2024, 3, 31), (2025, 4, 20), (2026, 4, 5), (2027, 3, 28), (2038, 4, 25)]
    )
    def test_easter(self, year, month, day):
        assert easter_sunday(year) == date(year, month, day)

    def test_agrees_with_the_holidays_package_for_thirty_years(self):
        import holidays

        for year in range(2010, 2040):
            closed = set(holidays.financial_holidays("TAR", years=year))
            day = date(year, 1, 1)
            while day.year == year:
                assert is_business_day(day) == (day.weekday() < 5 and day not in closed), day
                day += timedelta(days=1)

    def test_counts_over_a_weekend_and_back(self):
        friday, monday = date(2026, 11, 20), date(2026, 11, 23)

        assert add_business_days(friday, 1) == monday
        assert add_business_days(monday, -1) == friday
        assert add_business_days(date(2026, 11, 21), 0) == date(2026, 11, 21)

    def test_steps_over_easter(self):
        assert add_business_days(date(2026, 4, 2), 1) == date(2026, 4, 7)


class TestReferences:
    @pytest.mark.parametrize("none", ["", "NOTPROVIDED", " notprovided ", "NONREF"])
    def test_none_has_many_spellings(self, none):
        assert compared(none) == ""

    def test_case_and_spaces_do_not_matter(self):
        assert compared("rf18 5390 0754 7034") == "RF18539007547034"

    def test_ibans_are_found_in_words_and_checked(self):
        text = "rent for DE89 3704 0044 0532 0130 00, not DE00370400440532013000 nor GB29NWBK60161331926819."

        found = ibans_in(text)

        assert {"DE89370400440532013000", "GB29NWBK60161331926819"} <= set(found)
        assert "DE00370400440532013000" not in found and all(iban_checks(one) for one in found)

    @pytest.mark.parametrize("text", ["", "DE", "DE89-", "ÄÖ89370400440532013000"])
    def test_what_is_none_is_none(self, text):
        assert not iban_checks(text)
        assert ibans_in(text) == ()


def link(day, sequence, opening, closing, key="k"):
    return Link(key, key, date(2026, 11, day), sequence, opening, closing)


class TestChain:
    def test_holds_in_any_order(self):
        links = [link(3, "3", 20, 30), link(1, "1", 0, 10), link(2, "2", 10, 20)]

        assert check_chain(links) == []

    def test_names_gaps_overlaps_and_openings(self):
        links = [link(1, "1", 0, 10), link(2, "3", 10, 20), link(3, "3", 21, 30)]

        assert [one.kind for one in check_chain(links)] == ["gap", "overlap", "opening_differs"]

    def test_balances_order_a_day_where_a_number_is_missing(self):
        links = [link(1, "", 27, 20, key="a"), link(1, "12312", 18, 27, key="b")]

        assert check_chain(links) == []

    def test_numbers_begin_again_each_year(self):
        links = [
            Link("a", "a", date(2025, 12, 31), "250", 0, 10),
            Link("b", "b", date(2026, 1, 2), "1", 10, 20),
        ]

        assert check_chain(links) == []


LINE, OURS = UUID(int=1), UUID(int=2)


def told(one):
    return one


class TestCompare:
    def test_tells_new_changed_gone_and_kept_apart(self):
        stored = [(LINE, None, "unexplained"), (None, OURS, "missing"), (UUID(int=3), None, "data")]
        found = [(LINE, None, "ambiguous"), (UUID(int=3), None, "data"), (UUID(int=4), None, "over")]

        changes = compare(stored, found, of_stored=told, of_found=told)

        assert changes.new == [found[2]]
        assert changes.changed == [(stored[0], found[0])]
        assert changes.gone == [stored[1]]
        assert changes.kept == [stored[2]]


@pytest.mark.parametrize(
    ("days", "bucket"), [(0, "0-1"), (1, "0-1"), (2, "2-3"), (7, "4-7"), (30, "8-30"), (31, "30+")]
)
def test_age_has_a_name(days, bucket):
    assert age_bucket(days) == bucket


class TestNames:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("Example Supplies B.V.", "BV EXAMPLE SUPPLIES"),
            ("Jürgen Müller & Façade", "facade jurgen muller"),
            ("International Example Holdings of Europe", "INTERNATIONAL EXAMPLE HOL"),
        ],
    )
    def test_accents_order_and_a_cut_make_no_other_name(self, one, other):
        first, second = comparable(one), comparable(other)
        assert are_alike(first, second)
        assert are_alike(first, second) == are_alike(second, first)

    @pytest.mark.parametrize(
        ("one", "other"),
        [("Ada Example", "Adam Sample"), ("", ""), ("ABC", "ABC"), ("Smith", "Smithson Ltd")],
    )
    def test_others_are_others(self, one, other):
        assert not are_alike(comparable(one), comparable(other))
