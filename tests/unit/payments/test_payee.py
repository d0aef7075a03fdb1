"""Comparing names: forgiving how a name is written, never whose it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.payments.domain.payee import Result, compare, normalised


@pytest.mark.parametrize(
    ("requested", "holder"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("ADA LOVELACE", "Lovelace, Ada"),
        ("Mrs. Ada Lovelace", "Ada Lovelace"),
        ("Zoë Müller", "Zoe Mueller"),
        ("Green Bean Imports", "Green Bean Imports B.V."),
        ("Kaffeemaschinen Vogel", "Kaffeemaschinen Vogel GmbH"),
        ("Lumen Energie S.p.A.", "LUMEN ENERGIE SPA"),
        ("Jean-Pierre O'Brien", "Jean Pierre OBrien"),
        ("Van der Berg", "VanderBerg"),
    ],
)
def test_the_same_name_written_otherwise_is_a_match(requested, holder):
    assert compare(requested, holder) is Result.MATCH


@pytest.mark.parametrize(
    ("requested", "holder"),
    [
        ("Ada Lovelacce", "Ada Lovelace"),
        ("Ada Lovlace", "Ada Lovelace"),
        ("Ada Lovelaec", "Ada Lovelace"),
        ("A. Lovelace", "Ada Lovelace"),
        ("Ada Lovelace", "Ada Augusta Lovelace"),
        ("Green Bean Import BV", "Green Bean Imports BV"),
    ],
)
def test_a_slip_or_an_initial_is_a_close_match(requested, holder):
    assert compare(requested, holder) is Result.CLOSE_MATCH


@pytest.mark.parametrize(
    ("requested", "holder"),
    [
        ("Ada Lovelace", "Charles Babbage"),
        ("Lovelace", "Ada Lovelace"),
        ("A", "Ada Lovelace"),
        ("A L", "Ada Lovelace"),
        ("Ada", "Ada Lovelace"),
        ("Eva Li", "Ewa Lo"),
        ("Bob", "Rob"),
        ("BV", "GmbH"),
    ],
)
def test_another_name_is_no_match(requested, holder):
    assert compare(requested, holder) is Result.NO_MATCH


@pytest.mark.parametrize("name", ["", "   ", "...", "'"])
def test_no_name_is_no_answer(name):
    assert compare(name, "Ada Lovelace") is Result.NOT_POSSIBLE


@given(st.text(max_size=140), st.text(max_size=140))
def test_never_fails_and_a_name_is_always_its_own_match(one, other):
    assert compare(one, other) in set(Result)
    assert compare(one, one) is (Result.MATCH if normalised(one) else Result.NOT_POSSIBLE)
