"""Routing and account numbers of the United States, cleaned or refused."""

import pytest

from apps.core.errors import Invalid
from apps.payments.domain.us_accounts import clean_account_number, clean_routing_number


class TestARoutingNumber:
    def test_is_nine_digits_with_a_right_check_digit(self):
        assert clean_routing_number(" 021000021 ") == "021000021"

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "021000022",
            "02100002",
            "0210000211",
            "000000000",
            "02100002x",
            "٠٢١٠٠٠٠٢١",
            "0" * 10_000,
            "021\x000021",
        ],
    )
    def test_is_refused_otherwise(self, text):
        with pytest.raises(Invalid):
            clean_routing_number(text)


class TestAnAccountNumber:
    @pytest.mark.parametrize(
        ("text", "clean"), [("0012 3456", "00123456"), ("ab-12", "AB-12"), ("1" * 17, "1" * 17)]
    )
    def test_keeps_its_zeros_and_loses_its_spaces(self, text, clean):
        assert clean_account_number(text) == clean

    @pytest.mark.parametrize("text", ["", " ", "0000", "1" * 18, "1_2", "12\n34", "１２３", "9" * 10_000])
    def test_is_refused_when_no_bank_would_carry_it(self, text):
        with pytest.raises(Invalid):
            clean_account_number(text)
