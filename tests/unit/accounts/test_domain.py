"""What a name, an address, an IBAN may be, and how an account changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from schwifty import IBAN

from apps.accounts import domain
from apps.accounts.domain import AccountChange, AccountStatus, BadIban, clean_iban, issue_iban, status_after
from apps.core.errors import Conflict, Invalid


class TestCleanIban:
    @pytest.mark.parametrize(
        ("typed", "iban"),
        [
            ("DE89 3704 0044 0532 0130 00", "DE89370400440532013000"),
            ("gb29 nwbk 6016 1331 9268 19", "GB29NWBK60161331926819"),
            ("NO9386011117947", "NO9386011117947"),
        ],
    )
    def test_spaces_and_small_letters_are_no_matter(self, typed, iban):
        assert clean_iban(typed) == iban

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            "DE89370400440532013001",
            "DE8937040044053201300",
            "DE893704004405320130000",
            "ZZ89370400440532013000",
            "DE89-3704-0044-0532-0130-00",
            "DE89\x00370400440532013000",
            "ＤＥ89370400440532013000",
            "x" * 1_000_000,
            "BE68539007547035",  # right mod 97 of the whole, wrong national check digits
        ],
    )
    def test_anything_else_is_refused_without_repeating_it(self, text):
        with pytest.raises(BadIban) as refusal:
            clean_iban(text)

        assert not text.strip() or text not in str(refusal.value)

    @given(st.integers(0, 21), st.sampled_from("0123456789"))
    def test_one_wrong_digit_never_passes(self, place, digit):
        right = "DE89370400440532013000"
        wrong = right[:place] + digit + right[place + 1 :]
        if wrong != right:
            with pytest.raises(BadIban):
                clean_iban(wrong)


class TestIssueIban:
    @pytest.mark.parametrize(
        ("country", "bank"),
        [("NL", "BZNT"), ("DE", "10010010"), ("LT", "32500"), ("LU", "001"), ("AT", "12000")],
    )
    def test_they_are_valid_and_all_different(self, country, bank):
        made = [issue_iban(country, bank, number) for number in range(100_001, 100_041)]

        assert len(set(made)) == 40
        for iban in made:
            assert IBAN(iban, validate_bban=True).country_code == country
            assert clean_iban(iban) == iban

    def test_the_same_number_gives_the_same_iban(self):
        assert issue_iban("NL", "BZNT", 7) == issue_iban("NL", "BZNT", 7)

    @pytest.mark.parametrize(("country", "bank"), [("XX", "1"), ("NL", "TOOLONG"), ("NL", "12$4"), ("", "")])
    def test_what_makes_none_is_refused(self, country, bank):
        with pytest.raises(domain.NoSuchNumber):
            issue_iban(country, bank, 1)


class TestStatusAfter:
    POSSIBLE = {
        ("open", AccountChange.BLOCK): "blocked",
        ("blocked", AccountChange.UNBLOCK): "open",
        ("open", AccountChange.CLOSE): "closed",
    }

    @pytest.mark.parametrize("status", list(AccountStatus))
    @pytest.mark.parametrize("change", list(AccountChange))
    def test_only_three_changes_are_possible(self, status, change):
        wanted = self.POSSIBLE.get((status.value, change))
        if wanted:
            assert status_after(status, change) == wanted
        else:
            with pytest.raises(Conflict):
                status_after(status, change)


class TestCleanText:
    @pytest.mark.parametrize("text", ["a\nb", "a\x00b", "a\x7fb", "a\u2028b", "\ud800"])
    def test_one_line_without_controls(self, text):
        with pytest.raises(Invalid):
            domain.clean_name(text)

    def test_outer_spaces_go_and_accents_are_composed(self):
        assert domain.clean_name("  Zoe\u0308 ") == "Zoë"

    @given(st.text(max_size=2_000))
    def test_it_refuses_or_gives_a_name_that_is_its_own_clean_form(self, text):
        try:
            clean = domain.clean_name(text)
        except Invalid:
            return
        assert 0 < len(clean) <= 140
        assert domain.clean_name(clean) == clean


class TestContacts:
    @pytest.mark.parametrize("text", ["a@b.example", "first.last+tag@sub.example.com", ""])
    def test_addresses(self, text):
        assert domain.clean_email(text) == text

    @pytest.mark.parametrize(
        "text", ["a", "@b.example", "a@b", "a b@c.example", "a@b..example", "a@" + "b" * 300 + ".example"]
    )
    def test_no_addresses(self, text):
        with pytest.raises(Invalid):
            domain.clean_email(text)

    def test_numbers_are_international(self):
        assert domain.clean_phone("+31 (20) 123-4567") == "+31201234567"
        for text in ("020 123", "+0", "+" + "9" * 20, "tel"):
            with pytest.raises(Invalid):
                domain.clean_phone(text)
