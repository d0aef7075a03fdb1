"""Money: integers, exponents, and every way people write an amount wrongly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.money import EXPONENTS, MINOR_MAX, BadAmount, CurrencyMismatch, Money, UnknownCurrency


class TestParse:
    @pytest.mark.parametrize(
        ("text", "currency", "minor"),
        [
            ("12.34", "EUR", 1234),
            ("12.3", "EUR", 1230),
            ("12", "EUR", 1200),
            ("0.01", "EUR", 1),
            ("-0.05", "EUR", -5),
            ("1000", "JPY", 1000),
            ("1.234", "KWD", 1234),
            ("1.2345", "CLF", 12345),
            ("92233720368547758.07", "EUR", MINOR_MAX),
        ],
    )
    def test_reads(self, text, currency, minor):
        assert Money.parse(text, currency) == Money(minor, currency)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            "1e3",
            "1E3",
            "+1",
            "1,000.00",
            "1 000",
            "1.",
            ".5",
            "0x10",
            "NaN",
            "Infinity",
            "--1",
            "1.2.3",
            "12.345",
            "007",
            "١٢",
            "１２",
            "1\n",
            "1\x00",
            "92233720368547758.08",
            "9" * 400,
            "1_000",
            "-",
            "½",
        ],
    )
    def test_refuses(self, text):
        with pytest.raises(BadAmount):
            Money.parse(text, "EUR")

    @pytest.mark.parametrize("text", ["1.00", "0.5", "1.0"])
    def test_refuses_decimals_that_the_yen_does_not_have(self, text):
        with pytest.raises(BadAmount):
            Money.parse(text, "JPY")

    @pytest.mark.parametrize("currency", ["", "eur", "EURO", "XXX", "XAU", "ЕUR", None, 978])
    def test_refuses_what_is_no_currency(self, currency):
        with pytest.raises(UnknownCurrency):
            Money.parse("1", currency)

    @pytest.mark.parametrize("value", [1.5, 1, True, None, b"1", ["1"]])
    def test_refuses_what_is_no_text(self, value):
        with pytest.raises(BadAmount):
            Money.parse(value, "EUR")

    @given(st.integers(-MINOR_MAX, MINOR_MAX), st.sampled_from(sorted(EXPONENTS)))
    def test_reads_back_what_it_writes(self, minor, currency):
        money = Money(minor, currency)

        assert Money.parse(money.decimal_text(), currency) == money


class TestArithmetic:
    def test_never_mixes_currencies(self):
        euro, krone = Money(100, "EUR"), Money(100, "SEK")

        for operation in (
            lambda: euro + krone,
            lambda: euro - krone,
            lambda: euro < krone,
            lambda: euro >= krone,
        ):
            with pytest.raises(CurrencyMismatch):
                operation()

    def test_refuses_to_leave_the_range_of_a_bigint(self):
        with pytest.raises(BadAmount):
            Money(MINOR_MAX, "EUR") + Money(1, "EUR")

    @pytest.mark.parametrize("minor", [1.0, True, "1", None])
    def test_is_made_of_integers_alone(self, minor):
        with pytest.raises(TypeError):
            Money(minor, "EUR")
