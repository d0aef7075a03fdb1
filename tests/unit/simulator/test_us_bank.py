"""The simulated bank in the United States: what it books, what it sends back, and when."""

import json
from datetime import UTC, date, datetime

import pytest

from apps.core.money import Money
from apps.payments.formats import FormatError
from apps.payments.formats.bai2 import read_bai2
from apps.payments.formats.nacha import check_nacha, read_nacha, returns_of
from apps.simulator.us_bank import DuplicateFile, UsBank
from tests.unit.payments.test_ach_rail import RAIL, entry, outgoing

AT = datetime(2026, 5, 4, 21, 0, tzinfo=UTC)
SETTLES = date(2026, 5, 5)
NUMBER = "123456789012"


def noon(day):
    return datetime(day.year, day.month, day.day, 16, tzinfo=UTC)


@pytest.fixture
def bank():
    made = UsBank(routing="121042882")
    made.open_account(NUMBER, "1234567890", Money(1_000_000, "USD"))
    return made


def take(bank, *entries, at=AT, **options):
    bank.take_file(RAIL.build(outgoing(*entries, **options)).data, at=at)


def lines_of(bank, day):
    (statement,) = read_bai2(bank.statement(NUMBER, day=day, at=noon(day))).statements
    return [(line.amount.minor, line.refs.end_to_end) for line in statement.entries], statement


class TestSettlement:
    def test_is_one_line_for_a_file_on_its_effective_date(self, bank):
        take(bank, entry(1, 2_500), entry(2, 1_000, sec_code="CCD"), entry(3, 300, direction="debit"))

        assert not bank.has_news(NUMBER, day=date(2026, 5, 4))
        lines, statement = lines_of(bank, SETTLES)
        assert lines == [(-3_200, "BEZANT-ACH-000000001")]
        assert [balance.amount.minor for balance in statement.balances] == [1_000_000, 996_800]

    def test_waits_for_a_banking_day(self, bank):
        take(bank, entry(1), at=datetime(2026, 5, 8, 21, 0, tzinfo=UTC))  # dated Tuesday, taken on Friday

        assert lines_of(bank, date(2026, 5, 8))[0] == [(-2_500, "BEZANT-ACH-000000001")]

    def test_takes_a_file_once(self, bank):
        take(bank, entry(1))

        with pytest.raises(DuplicateFile):
            take(bank, entry(1))

    @pytest.mark.parametrize("data", [b"", b"1" * 94, b"<Document/>"])
    def test_refuses_what_is_no_file(self, bank, data):
        with pytest.raises(FormatError):
            bank.take_file(data, at=AT)

    def test_refuses_a_company_that_has_no_account(self, bank):
        with pytest.raises(FormatError):
            take(bank, entry(1), company_id="9999999999")


class TestWhatComesBack:
    @pytest.mark.parametrize(
        ("text", "due"),
        [("simulate:return R03", date(2026, 5, 7)), ("simulate:return r01 4", date(2026, 5, 11))],
    )
    def test_a_return_after_so_many_banking_days(self, bank, text, due):
        take(bank, entry(1, 2_500, remittance=text))

        before, then = bank.answer(at=noon(SETTLES)), bank.answer(at=noon(due))

        assert before is None
        (back,) = returns_of(read_nacha(then).file)
        assert check_nacha(then).valid
        assert (back.code, back.original_trace) == (text.split()[1].upper(), "121042880000001")
        assert lines_of(bank, due)[0] == [(-2_500, "BEZANT-ACH-000000001"), (2_500, "REF000000000001")]
        assert bank.answer(at=noon(due)) is None

    @pytest.mark.parametrize(
        ("text", "values"),
        [
            ("simulate:noc C01 98765", {"account": "98765"}),
            ("simulate:noc C02 011000015", {"routing": "011000015"}),
            ("simulate:noc C03 011000015 98765", {"routing": "011000015", "account": "98765"}),
            ("simulate:noc C06 98765 32", {"account": "98765", "transaction_code": "32"}),
        ],
    )
    def test_a_notification_of_change_that_moves_no_money(self, bank, text, values):
        take(bank, entry(1, remittance=text))

        data = bank.answer(at=noon(date(2026, 5, 7)))

        (change,) = returns_of(read_nacha(data).file)
        assert {name: getattr(change, name) for name in values} == values
        assert len(lines_of(bank, date(2026, 5, 7))[0]) == 1

    def test_a_returned_debit_is_taken_from_the_account_again(self, bank):
        take(bank, entry(1, 2_500, direction="debit", remittance="simulate:return R01"))

        assert lines_of(bank, date(2026, 5, 7))[0] == [
            (2_500, "BEZANT-ACH-000000001"),
            (-2_500, "REF000000000001"),
        ]

    def test_all_that_is_due_is_brought_forward_on_request(self, bank):
        take(bank, entry(1, remittance="simulate:return R03"))

        assert bank.answer(at=AT, until=date(2026, 5, 18)) is not None
        data = bank.statement(NUMBER, day=AT.date(), at=AT, until=date(2026, 5, 18))
        assert len(read_bai2(data).statements[0].entries) == 2


class TestMemory:
    def test_survives_being_written_down_at_any_moment(self, bank):
        take(bank, entry(1, remittance="simulate:return R03"), entry(2, 900, remittance="simulate:noc C01 7"))
        again = UsBank.from_data(json.loads(json.dumps(bank.to_data())))

        assert again.to_data() == bank.to_data()
        due = date(2026, 5, 7)
        assert again.answer(at=noon(due)) == bank.answer(at=noon(due))
        assert again.statement(NUMBER, day=due, at=noon(due)) == bank.statement(NUMBER, day=due, at=noon(due))
        with pytest.raises(DuplicateFile):
            take(again, entry(1, remittance="simulate:return R03"), entry(2, 900))
