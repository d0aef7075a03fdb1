"""Exchanging as arithmetic, and files of rates: nothing is lost by rounding, nothing wrong is read."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.core.money import Money, exponent
from apps.payments.domain.fx import (
    AmountTooSmall,
    Listed,
    Terms,
    buying,
    rate_between,
    rate_text,
    selling,
    shown_rate,
)
from apps.payments.formats.errors import FormatError
from apps.payments.formats.fx_rates import BYTES_MAX, FileRate, read_rates

CURRENCIES = st.sampled_from(["EUR", "USD", "JPY", "BHD", "KRW", "CLF"])
RATES = st.builds(Fraction, st.integers(1, 10**9), st.integers(1, 10**7))
TERMS = st.builds(Terms, st.integers(0, 2_000), st.integers(0, 1_000_000))
AMOUNTS = st.integers(1, 99_999_999_999)


def in_minor(rate, sold, bought):
    return rate * Fraction(10) ** (exponent(bought) - exponent(sold))


class TestExchanging:
    @given(AMOUNTS, CURRENCIES, CURRENCIES, RATES, TERMS)
    def test_sells_exactly_and_is_at_most_half_a_unit_off(self, minor, sold, bought, rate, terms):
        assume(sold != bought)
        exact = minor * in_minor(rate, sold, bought) * Fraction(10_000 - terms.spread_bp, 10_000)
        assume(exact < 2**62)
        try:
            found = selling(Money(minor, sold), bought, mid=rate, terms=terms)
        except AmountTooSmall:
            assert exact <= Fraction(1, 2)
            return

        assert found.sold.minor == minor
        assert abs(found.bought.minor - exact) <= Fraction(1, 2)
        assert found.total.minor == minor + terms.fee_minor
        self.check_spread(found, in_minor(rate, sold, bought))

    @given(AMOUNTS, CURRENCIES, CURRENCIES, RATES, TERMS)
    def test_buys_exactly_and_is_at_most_half_a_unit_off(self, minor, sold, bought, rate, terms):
        assume(sold != bought)
        exact = minor / (in_minor(rate, sold, bought) * Fraction(10_000 - terms.spread_bp, 10_000))
        assume(exact < 2**62)
        try:
            found = buying(Money(minor, bought), sold, mid=rate, terms=terms)
        except AmountTooSmall:
            assert exact <= Fraction(1, 2)
            return

        assert found.bought.minor == minor
        assert abs(found.sold.minor - exact) <= Fraction(1, 2)
        self.check_spread(found, in_minor(rate, sold, bought))

    def check_spread(self, found, scaled):
        """What is sold is the worth of what is bought and the spread, to less than a unit."""
        assert 0 <= found.spread.minor <= found.sold.minor
        worth = found.bought.minor / scaled
        gap = found.sold.minor - worth - found.spread.minor
        assert abs(gap) <= Fraction(1, 2) or (found.spread.minor == 0 and gap < 0)
        # Rounding gives the customer at most half a unit of what was not fixed.
        assert -gap <= max(Fraction(1, 2), Fraction(1, 2) / scaled)

    @given(AMOUNTS, RATES)
    def test_there_and_back_gains_nothing_but_rounding(self, minor, rate):
        scaled = in_minor(rate, "EUR", "JPY")
        assume(1 <= minor * scaled < 2**61)
        there = selling(Money(minor, "EUR"), "JPY", mid=rate, terms=Terms())
        try:
            back = selling(there.bought, "EUR", mid=1 / rate, terms=Terms())
        except AmountTooSmall:
            return

        assert abs(back.bought.minor - minor) <= Fraction(1, 2) + Fraction(1, 2) / scaled

    @pytest.mark.parametrize(
        ("minor", "bought"), [(1, 0), (2, 1), (3, 2), (5, 2), (7, 4)]
    )  # halves go to the even neighbour
    def test_rounds_half_to_even(self, minor, bought):
        mid = Fraction(1, 2)
        if not bought:
            with pytest.raises(AmountTooSmall):
                selling(Money(minor, "EUR"), "USD", mid=mid, terms=Terms())
            return
        assert selling(Money(minor, "EUR"), "USD", mid=mid, terms=Terms()).bought.minor == bought

    @pytest.mark.parametrize("change", [{"currency": "EUR"}, {"mid": Fraction(0)}, {"mid": Fraction(-1)}])
    def test_refuses_what_is_no_exchange(self, change):
        asked = {"currency": "USD", "mid": Fraction(1)} | change

        with pytest.raises(Invalid):
            selling(Money(100, "EUR"), asked["currency"], mid=asked["mid"], terms=Terms())

    def test_shows_rates_as_plain_decimals(self):
        assert rate_text(shown_rate(Money(10_000, "EUR"), Money(16_325, "JPY"))) == "163.25"
        assert rate_text(Fraction(1, 3)) == "0.333333333333"
        assert rate_text(Decimal("1E+3")) == "1000"


NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def listed(base, currency, rate, *, source="A", age=0):
    return Listed(source, base, currency, Decimal(rate), NOW - timedelta(hours=age))


class TestTheRateBetween:
    def test_is_the_listed_one_either_way_round(self):
        assert rate_between("EUR", "USD", [listed("EUR", "USD", "1.25")])[0] == Fraction(5, 4)
        assert rate_between("USD", "EUR", [listed("EUR", "USD", "1.25")])[0] == Fraction(4, 5)

    def test_goes_over_a_base_of_one_source_exactly(self):
        both = [listed("EUR", "USD", "1.1", age=3), listed("EUR", "JPY", "163")]

        rate, parts = rate_between("USD", "JPY", both)

        assert rate == Fraction(1630, 11)
        assert min(part.valid_from for part in parts) == NOW - timedelta(hours=3)

    def test_does_not_mix_sources(self):
        mixed = [listed("EUR", "USD", "1.1"), listed("EUR", "JPY", "163", source="B")]

        assert rate_between("USD", "JPY", mixed) is None

    def test_is_the_newest_of_several_sources(self):
        many = [listed("EUR", "USD", "1.1", age=2), listed("EUR", "USD", "1.2", source="B", age=1)]

        assert rate_between("EUR", "USD", many)[0] == Fraction(6, 5)


ECB = """<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
 xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
 <gesmes:subject>Reference rates</gesmes:subject>
 <Cube><Cube time="{day}"><Cube currency="USD" rate="{rate}"/><Cube currency="JPY" rate="163.25"/></Cube></Cube>
</gesmes:Envelope>"""
HEADING = "source,base,currency,rate,valid_from,valid_until\n"


def ecb(day="2026-11-23", rate="1.0850"):
    return ECB.format(day=day, rate=rate).encode()


class TestFilesOfRates:
    def test_of_the_central_bank_are_read(self):
        rates, findings = read_rates(ecb())

        assert findings == []
        assert [(one.base, one.currency, one.value) for one in rates] == [
            ("EUR", "USD", Decimal("1.0850")),
            ("EUR", "JPY", Decimal("163.25")),
        ]
        assert rates[0].valid_from == datetime(2026, 11, 23, 15, tzinfo=UTC)  # 16:00 in Frankfurt

    def test_of_our_own_are_read(self):
        rates, findings = read_rates(
            (HEADING + "DESK,USD,BHD,0.3769,2026-11-23T09:00:00Z,2026-11-24T09:00:00+01:00\n").encode()
        )

        assert findings == []
        assert rates[0].valid_until == datetime(2026, 11, 24, 8, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (b"", "bad_heading"),
            (b"a,b\n1,2\n", "bad_heading"),
            (HEADING.encode(), "no_rates"),
            ((HEADING + "X,EUR,USD,1.1\n").encode(), "bad_row"),
            ((HEADING + "X,EUR,USD,NaN,2026-11-23T09:00:00Z,\n").encode(), "bad_rate"),
            ((HEADING + "X,EUR,USD,-1,2026-11-23T09:00:00Z,\n").encode(), "bad_rate"),
            ((HEADING + "X,EUR,USD,0,2026-11-23T09:00:00Z,\n").encode(), "bad_rate"),
            ((HEADING + "X,EUR,USD,1e9,2026-11-23T09:00:00Z,\n").encode(), "bad_rate"),
            ((HEADING + "X,EUR,USD,٣,2026-11-23T09:00:00Z,\n").encode(), "bad_rate"),
            ((HEADING + "X,EUR,EUR,1,2026-11-23T09:00:00Z,\n").encode(), "one_currency"),
            ((HEADING + "X,EUR,XXZ,1,2026-11-23T09:00:00Z,\n").encode(), "unknown_currency"),
            ((HEADING + "X,EUR,USD,1,2026-11-23T09:00:00,\n").encode(), "bad_moment"),
            ((HEADING + "X,EUR,USD,1,yesterday,\n").encode(), "bad_moment"),
            ((HEADING + "X,EUR,USD,1,2026-11-23T09:00:00Z,2026-11-22T09:00:00Z\n").encode(), "bad_validity"),
            ((HEADING + "X Y,EUR,USD,1,2026-11-23T09:00:00Z,\n").encode(), "bad_source"),
            ((HEADING + 'X,"EUR,USD,1,2026-11-23T09:00:00Z,\n').encode(), "bad_csv"),
            ((HEADING + "X,EUR,USD,1,2026-11-23T09:00:00Z,\n" * 2).encode(), "repeated"),
            (HEADING.encode() + b"\xff\n", "encoding"),
            (HEADING.encode() + b"\x00\n", "nul_byte"),
            (b"x" * (BYTES_MAX + 1), "too_large"),
            (b"<a>", "xml_syntax"),
            (b"<a/>", "no_rates"),
            (ecb(day="2026-02-30"), "bad_date"),
            (ecb(rate="1,05"), "bad_rate"),
            (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "xml_dtd"),
        ],
    )  # fmt: skip
    def test_that_are_wrong_give_findings_and_nothing_else(self, data, code):
        rates, findings = read_rates(data)

        assert [one.code for one in findings] == [code]
        assert not rates or code == "repeated"

    @given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: (HEADING + text).encode()))
    def test_of_noise_never_raise(self, data):
        rates, findings = read_rates(data)

        assert rates or findings

    @pytest.mark.parametrize("rate", ["0", "-1", "NaN", "1e5", "", "1" * 11])
    def test_and_a_rate_itself_refuses_nonsense(self, rate):
        with pytest.raises(FormatError):
            FileRate("X", "EUR", "USD", rate, NOW)
