"""EPC rules: characters, identifiers, IBANs, references, addresses by date; and amounts as files write them."""

from datetime import date
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.money import Money
from apps.payments.formats import (
    Address,
    CreditTransfer,
    CreditTransferBatch,
    CreditTransferGroup,
    FormatError,
    SepaProfile,
    build_credit_transfer,
    creditor_reference,
    is_creditor_reference,
    is_iban,
    read_credit_transfer,
)
from apps.payments.formats.amounts import read_amount, sum_text
from apps.payments.formats.epc import check_identifier, is_creditor_identifier, is_epc_text, to_epc_text
from tests.unit.formats.strategies import UTC, datetime, iban_of

IBAN = "DE02300606010002474689"
DAY = date(2026, 9, 2)


class TestToEpcText:
    @pytest.mark.parametrize(
        ("text", "written"),
        [
            ("Jürgen Müßig & Söhne", "Juergen Muessig + Soehne"),
            ("Łódź Ørsted Ñandú Çelik", "Lodz Orsted Nandu Celik"),
            ("Æsir “quoted” <b>_x_</b>", "AEsir 'quoted' (b)-x-(/b)"),
            ("two\n lines\tand  blanks", "two lines and blanks"),
            ("日本", ".."),
            ("", ""),
        ],
    )
    def test_transliterates(self, text, written):
        assert to_epc_text(text, chars_max=140) == written

    def test_cuts_after_it_transliterates(self):
        assert to_epc_text("ßßß", chars_max=4) == "ssss"

    @given(st.text(), st.integers(1, 140))
    def test_always_gives_allowed_characters_within_the_length(self, text, chars_max):
        written = to_epc_text(text, chars_max=chars_max)

        assert is_epc_text(written)
        assert len(written) <= chars_max
        assert to_epc_text(written, chars_max=chars_max) == written


class TestCheckIdentifier:
    @pytest.mark.parametrize("text", ["A", "INV/2026-1", "a" * 35])
    def test_lets_good_ones_through(self, text):
        assert check_identifier(text, "x") == text

    @pytest.mark.parametrize("text", ["", "/A", "A/", "A//B", "a" * 36, "Ä", " A", "A ", "A;B"])
    def test_refuses_bad_ones(self, text):
        with pytest.raises(FormatError) as refusal:
            check_identifier(text, "PmtId")

        assert (refusal.value.code, refusal.value.place) == ("identifier", "PmtId")


class TestCheckDigits:
    @pytest.mark.parametrize(
        ("iban", "valid"),
        [(IBAN, True), ("DE03300606010002474689", False), ("de02300606010002474689", False), ("", False),
         ("DE02 3006 0601", False), ("CH2909000000250094239", True)],
    )  # fmt: skip
    def test_of_ibans(self, iban, valid):
        assert is_iban(iban) is valid

    def test_of_creditor_references(self):
        assert is_creditor_reference("RF18539007547034")
        assert not is_creditor_reference("RF18539007547035")
        assert creditor_reference("539007547034") == "RF18539007547034"

    @given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=21))
    def test_of_made_references_hold(self, own):
        assert is_creditor_reference(creditor_reference(own))

    def test_of_creditor_identifiers(self):
        assert is_creditor_identifier("DE98ZZZ09999999999")
        assert is_creditor_identifier("DE98ABC09999999999")
        assert not is_creditor_identifier("DE97ZZZ09999999999")


class TestReadAmount:
    @pytest.mark.parametrize(
        ("written", "currency", "minor"),
        [("5442.09000", "RON", 544209), ("12", "EUR", 1200), ("12.", "EUR", 1200), (".5", "EUR", 50), ("007.10", "EUR", 710),
         ("100", "JPY", 100), ("100.000", "JPY", 100), ("1.234", "BHD", 1234), ("0.0", "EUR", 0), ("+1", "EUR", 100)],
    )  # fmt: skip
    def test_reads_exactly(self, written, currency, minor):
        assert read_amount(written, currency) == Money(minor, currency)

    @pytest.mark.parametrize(
        ("written", "currency", "code"),
        [("1.001", "EUR", "amount_decimals"), ("1.1", "JPY", "amount_decimals"), ("1e2", "EUR", "bad_amount"),
         ("-1", "EUR", "bad_amount"), ("", "EUR", "bad_amount"), (".", "EUR", "bad_amount"), ("1,5", "EUR", "bad_amount"),
         ("NaN", "EUR", "bad_amount"), ("١", "EUR", "bad_amount"), ("1", "XYZ", "unknown_currency"), ("1", "", "unknown_currency"),
         ("999999999999999999", "EUR", "bad_amount"), ("9" * 30, "EUR", "bad_amount")],
    )  # fmt: skip
    def test_refuses_with_the_reason(self, written, currency, code):
        with pytest.raises(FormatError) as refusal:
            read_amount(written, currency, line=7, place="Amt")

        assert (refusal.value.code, refusal.value.line, refusal.value.place) == (code, 7, "Amt")

    @given(st.integers(0, 2**63 - 1), st.sampled_from(["EUR", "JPY", "BHD", "CLF"]))
    def test_reads_back_what_is_written(self, minor, currency):
        if minor // 10**2 < 10**18:
            try:
                assert read_amount(Money(minor, currency).decimal_text(), currency).minor == minor
            except FormatError as refusal:
                assert refusal.code == "bad_amount"
                assert minor >= 10**18

    def test_writes_sums_beyond_any_balance(self):
        assert sum_text(2**80, "EUR") == f"{2**80 // 100}.{2**80 % 100:02d}"


def batch(*, profile=None, **values):
    base = {
        "end_to_end_id": "E1",
        "amount": Money(100, "EUR"),
        "creditor_name": "Anna",
        "creditor_iban": IBAN,
        "uetr": uuid4(),
    }
    group = CreditTransferGroup(
        "G1", "Bezant", IBAN, values.pop("on", DAY), (CreditTransfer(**(base | values)),)
    )
    message = CreditTransferBatch("M1", datetime(2026, 9, 1, tzinfo=UTC), "Bezant", (group,))
    return build_credit_transfer(message, **({"profile": profile} if profile else {}))


class TestBuildCreditTransfer:
    @pytest.mark.parametrize(
        ("values", "code"),
        [
            ({"amount": Money(100, "USD")}, "currency"),
            ({"amount": Money(0, "EUR")}, "amount"),
            ({"amount": Money(-5, "EUR")}, "amount"),
            ({"amount": Money(100_000_000_000, "EUR")}, "amount"),
            ({"creditor_iban": "DE03300606010002474689"}, "iban"),
            ({"creditor_iban": iban_of("DE", "1" * 30)[:34] + "1"}, "iban"),
            ({"creditor_name": "  "}, "name"),
            ({"end_to_end_id": "A//B"}, "identifier"),
            ({"remittance": "x", "creditor_reference": "RF18539007547034"}, "remittance"),
            ({"creditor_reference": "RF18539007547035"}, "remittance"),
            ({"creditor_bic": "NOT-A-BIC"}, "schema"),
            ({"purpose": "TOOLONG"}, "schema"),
            ({"creditor_address": Address(lines=("Street 1", "Town"))}, "address"),
            ({"creditor_address": Address("Town", "DE", lines=("1", "2", "3"))}, "address"),
        ],
    )
    def test_refuses_and_names_the_payment(self, values, code):
        with pytest.raises(FormatError) as refusal:
            batch(**values)

        assert refusal.value.code == code
        if code != "schema":
            assert "PmtInf[1]" in refusal.value.place

    def test_refuses_an_empty_batch(self):
        with pytest.raises(FormatError) as refusal:
            build_credit_transfer(CreditTransferBatch("M", datetime(2026, 9, 1, tzinfo=UTC), "B", ()))

        assert refusal.value.code == "empty_batch"

    def test_escapes_nothing_that_epc_forbids_into_the_file(self):
        data = batch(creditor_name="A & B <Söhne>", remittance='5" < 6"')

        transfer = read_credit_transfer(data).groups[0].transfers[0]
        assert transfer.creditor_name == "A + B (Soehne)"
        assert b"&amp;" not in data
        assert b"&lt;" not in data

    def test_lets_unstructured_addresses_leave_until_their_day(self):
        profile = SepaProfile(unstructured_until=date(2026, 11, 22))
        address = Address(country="DE", lines=("Street 1", "50667 Town"))

        assert b"AdrLine" in batch(creditor_address=address, on=date(2026, 11, 21), profile=profile)
        with pytest.raises(FormatError):
            batch(creditor_address=address, on=date(2026, 11, 22), profile=profile)

    def test_leaves_addresses_out_for_a_bank_that_wants_none(self):
        data = batch(creditor_address=Address("Town", "DE"), profile=SepaProfile(address="none"))

        assert b"PstlAdr" not in data

    def test_caps_instant_payments_where_the_bank_does(self):
        group = CreditTransferGroup(
            "G", "B", IBAN, DAY, (CreditTransfer("E", Money(10_000_001, "EUR"), "A", IBAN),), instant=True
        )
        message = CreditTransferBatch("M", datetime(2026, 9, 1, tzinfo=UTC), "B", (group,))

        with pytest.raises(FormatError) as refusal:
            build_credit_transfer(message, profile=SepaProfile(instant_amount_max=10_000_000))

        assert refusal.value.code == "amount"
