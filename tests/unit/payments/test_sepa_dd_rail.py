"""The rail of SEPA direct debits, as pure code."""

from datetime import UTC, date, datetime
from pathlib import Path

import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.money import Money
from apps.payments.domain.calendars import Calendar
from apps.payments.domain.mandates import SAYS_OF_THE_MANDATE, Scheme
from apps.payments.formats import (
    FormatError,
    OriginalPayment,
    PaymentReturn,
    ReturnMessage,
    build_payment_return,
    read_direct_debit,
    validate,
)
from apps.payments.rails import adapter
from apps.payments.rails.base import Action, Instruction, Outgoing, Party, Told
from apps.payments.rails.sepa_dd import CODES, SepaDirectDebit, taken_back_until

GOLDEN = Path(__file__).parent / "golden" / "sepa_dd.xml"
TARGET = Calendar("TARGET", frozenset(holidays.financial_holidays("TAR", years=(2026, 2027))))
RAIL = SepaDirectDebit()
OURS = Party("Example Operator SE", "DE89370400440532013000", "COBADEFFXXX")
DEBTOR = Party("Élodie Müller-Łukasz", "FR1420041010050500013M02606", town="Lyon", country="FR")
OPTIONS = {
    "scheme": "core",
    "sequence_type": "RCUR",
    "mandate_id": "GYM-1001",
    "signed_on": date(2026, 5, 4),
    "creditor_id": "DE98ZZZ09999999999",
    "creditor_name": "Example Gym GmbH",
    "collection_date": date(2026, 5, 20),
    "group": "BEZANT-SEPADD-0000000001-0001",
}


def instruction(reference="E2E1", minor=2_500, currency="EUR", debtor=DEBTOR, **options):
    return Instruction(
        reference, Money(minor, currency), debtor, OURS, "Membership in May", {**OPTIONS, **options}
    )


def outgoing(*instructions):
    return Outgoing(
        "BEZANT-SEPADD-0000000001",
        datetime(2026, 5, 18, 9, tzinfo=UTC),
        date(2026, 5, 19),
        OURS,
        instructions,
    )


def whole_file():
    second = {"group": "BEZANT-SEPADD-0000000001-0002", "scheme": "b2b", "sequence_type": "OOFF"}
    return outgoing(
        instruction("E2E1"),
        instruction("E2E2", 1, original_mandate_id="GYM-0999", account_changed=True),
        instruction("E2E3", 99_999, **second),
        instruction("E2E4", 12, original_creditor_id="DE98ABC09999999999"),
    )


class TestAFile:
    def test_is_the_golden_one_to_the_byte(self):
        assert RAIL.build(whole_file()).data == GOLDEN.read_bytes()

    def test_is_valid_by_the_official_schema_and_our_rules(self):
        result = validate(RAIL.build(whole_file()).data)

        assert (result.format, result.valid) == ("pain.008.001.08", True)

    def test_has_a_group_to_each_name_and_knows_who_is_where(self):
        built = RAIL.build(whole_file())
        batch = read_direct_debit(built.data)

        assert [(g.instrument, g.sequence_type, len(g.debits)) for g in batch.groups] == [
            ("CORE", "RCUR", 3),
            ("B2B", "OOFF", 1),
        ]
        assert built.references["E2E3"] == batch.groups[1].id
        amended = batch.groups[0].debits[1].mandate
        assert (amended.original_mandate_id, amended.original_debtor_account) == ("GYM-0999", "SMNDA")
        assert not batch.groups[0].debits[0].mandate.amended

    @given(st.lists(st.integers(1, 10**9), min_size=1, max_size=5), st.permutations(range(5)))
    def test_reads_back_what_was_written(self, amounts, order):
        rows = [instruction(f"E2E{n}", minor, group=f"G-{order[n % 5]}") for n, minor in enumerate(amounts)]
        batch = read_direct_debit(RAIL.build(outgoing(*rows)).data)

        read = {debit.end_to_end_id: debit.amount for group in batch.groups for debit in group.debits}
        assert read == {row.reference: row.amount for row in rows}
        assert [group.id for group in batch.groups] == sorted({row.options["group"] for row in rows})

    def test_of_a_wrong_creditor_is_not_written(self):
        with pytest.raises(FormatError):
            RAIL.build(outgoing(instruction(creditor_id="DE99ZZZ09999999999")))

    def test_is_not_written_more_than_14_days_ahead(self):
        RAIL.build(outgoing(instruction(collection_date=date(2026, 6, 1))))
        with pytest.raises(FormatError) as refusal:
            RAIL.build(outgoing(instruction(collection_date=date(2026, 6, 2))))

        assert refusal.value.code == "too_early"


class TestValidation:
    def test_passes_what_can_go(self):
        assert RAIL.validate(instruction()) == []

    @pytest.mark.parametrize(
        ("wrong", "code"),
        [
            ({"currency": "USD"}, "currency"),
            ({"minor": 0}, "amount"),
            ({"minor": 10**11}, "amount"),
            ({"debtor": Party("X", "FR1420041010050500013M02607")}, "debtor_iban"),
            ({"mandate_id": "//"}, "mandate_id"),
            ({"mandate_id": ""}, "mandate_id"),
            ({"signed_on": None}, "signed_on"),
            ({"creditor_id": "DE99ZZZ09999999999"}, "creditor_id"),
            ({"scheme": "swift"}, "scheme"),
            ({"sequence_type": "NEXT"}, "sequence_type"),
        ],
    )
    def test_names_what_cannot(self, wrong, code):
        assert [finding.code for finding in RAIL.validate(instruction(**wrong))] == [code]


class TestDates:
    @pytest.mark.parametrize(
        ("now", "asked", "execution"),
        [
            (datetime(2026, 5, 4, 9, tzinfo=UTC), None, date(2026, 5, 5)),
            (datetime(2026, 5, 4, 10, tzinfo=UTC), None, date(2026, 5, 6)),  # noon in Amsterdam is too late
            (datetime(2026, 5, 8, 9, tzinfo=UTC), None, date(2026, 5, 11)),  # a Friday
            (datetime(2026, 5, 4, 9, tzinfo=UTC), date(2026, 5, 23), date(2026, 5, 25)),  # a Saturday
            (datetime(2026, 4, 30, 9, tzinfo=UTC), None, date(2026, 5, 4)),  # over the first of May
        ],
    )
    def test_leave_the_debtors_bank_a_business_day(self, now, asked, execution):
        order = instruction(collection_date=asked)
        dates = RAIL.quote_dates(order, now, TARGET)

        assert (dates.execution, dates.settlement) == (execution, execution)
        assert dates.submit_by.date() == TARGET.add(execution, -1)
        assert now < dates.submit_by

    def test_are_final_when_nobody_can_take_it_back(self):
        day = date(2026, 5, 20)

        assert taken_back_until(Scheme.CORE, day, TARGET) == date(2026, 7, 15)
        assert taken_back_until(Scheme.B2B, day, TARGET) == date(2026, 5, 25)


class TestWhatComesBack:
    def test_is_read_from_a_file_of_returns(self):
        data = build_payment_return(
            ReturnMessage(
                "R1",
                datetime(2026, 5, 22, 9, tzinfo=UTC),
                (PaymentReturn(Money(2_500, "EUR"), "MD06", OriginalPayment(end_to_end_id="E2E1")),),
            )
        )

        (told,) = RAIL.parse_inbound(data)

        assert (told.told, told.reference, told.code, told.amount) == (
            Told.RETURNED,
            "E2E1",
            "MD06",
            Money(2_500, "EUR"),
        )

    @pytest.mark.parametrize("data", [b"", b"<a/>", b"101 hello", b"\x00" * 100])
    def test_of_another_kind_is_refused(self, data):
        with pytest.raises(FormatError):
            RAIL.parse_inbound(data)

    def test_has_a_meaning_for_every_code_and_for_unknown_ones(self):
        assert RAIL.classify("AM04").action is Action.RETRY
        assert RAIL.classify("MD07").code == "payer_deceased"
        assert RAIL.classify("ZZZZ").code == "other"
        meant = {one.code for one in CODES.values()}
        assert set(SAYS_OF_THE_MANDATE) <= meant

    def test_is_reached_by_its_name(self):
        assert adapter("sepa_dd").capabilities().collects
        assert RAIL.inquire("E2E1", outgoing(instruction()), message_id="Q", at=datetime.now(UTC)) is None
