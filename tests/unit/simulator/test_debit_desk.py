"""The simulated bank's desk for direct debits and recalls, by its files alone."""

import json
from datetime import UTC, date, datetime

import pytest

from apps.core.money import Money
from apps.payments.formats import (
    FormatError,
    read_payment_return,
    read_recall_answer,
    read_statements,
    read_status_report,
)
from apps.payments.public import formats
from apps.simulator.bank import Bank
from apps.simulator.debits import fault_of

IBAN, DEBTOR = "DE89370400440532013000", "DE02120300000000202051"
AT, DAY = datetime(2026, 5, 18, 9, tzinfo=UTC), date(2026, 5, 20)


@pytest.fixture
def bank():
    made = Bank(bic="COBADEFFXXX")
    made.open_account(IBAN, "EUR", Money(10_000, "EUR"))
    return made


def debits(*remittances, iban=IBAN, message_id="M1"):
    return formats.build_direct_debit(
        formats.DirectDebitBatch(
            message_id,
            AT,
            "Operator",
            (
                formats.DirectDebitGroup(
                    f"{message_id}-1",
                    "Gym",
                    iban,
                    "DE98ZZZ09999999999",
                    DAY,
                    tuple(
                        formats.DirectDebit(
                            f"E{number}",
                            Money(100 + number, "EUR"),
                            formats.MandateReference("GYM-1", AT.date()),
                            "Helena Brandt",
                            DEBTOR,
                            remittance=remittance,
                        )
                        for number, remittance in enumerate(remittances)
                    ),
                ),
            ),
        )
    )


def restarted(bank):
    return Bank.from_data(json.loads(json.dumps(bank.to_data())))


def lines(data):
    (statement,) = read_statements(data).statements
    return [(entry.refs.end_to_end, entry.amount.minor, entry.return_reason) for entry in statement.entries]


class TestACollection:
    def test_comes_in_on_its_day_and_not_before(self, bank):
        kind, answer = bank.take(debits("May"), at=AT)

        assert (kind, read_status_report(answer).status) == ("pain.002", "ACSP")
        assert not bank.has_news(IBAN, day=AT.date())
        assert lines(restarted(bank).statement(IBAN, day=DAY, at=AT)) == [("E0", 100, "")]

    def test_meets_the_fault_its_text_asks_for(self, bank):
        _, answer = bank.take(
            debits("a simulate:reject MD01", "b simulate:return AM04 2", "c simulate:refund"), at=AT
        )
        bank = restarted(bank)

        report = read_status_report(answer)
        assert report.status == "PART"
        assert [(tx.status, [r.code for r in tx.reasons]) for tx in report.all_transactions()] == [
            ("RJCT", ["MD01"]),
            ("ACSP", []),
            ("ACSP", []),
        ]
        assert lines(bank.statement(IBAN, day=DAY, at=AT)) == [("E1", 101, ""), ("E2", 102, "")]
        later = date(2026, 5, 22)
        told = read_payment_return(bank.debits.returns(day=later, at=AT))
        assert [(one.original.end_to_end_id, one.reason) for one in told.returns] == [("E1", "AM04")]
        assert bank.debits.returns(day=later, at=AT) is None
        assert lines(restarted(bank).statement(IBAN, day=later, at=AT)) == [("E1", -101, "AM04")]

    def test_is_rejected_in_a_file_seen_before_and_for_a_foreign_account(self, bank):
        bank.take(debits("May"), at=AT)

        _, again = bank.take(debits("May"), at=AT)
        _, foreign = bank.take(debits("May", iban=DEBTOR, message_id="M2"), at=AT)

        reasons = [
            read_status_report(data).all_transactions()[0].reasons[0].code for data in (again, foreign)
        ]
        assert reasons == ["DUPL", "AC02"]
        assert len(lines(bank.statement(IBAN, day=DAY, at=AT))) == 1

    def test_can_be_booked_with_its_group(self, bank):
        bank.books_groups = True
        bank.take(debits("May", "May"), at=AT)

        (statement,) = read_statements(restarted(bank).statement(IBAN, day=DAY, at=AT)).statements

        (entry,) = statement.entries
        assert (entry.amount.minor, entry.refs.pmtinf, entry.batch_count) == (201, "M1-1", 2)


class TestARecall:
    def test_of_something_unknown_is_refused(self, bank):
        agent = formats.Agent(bic="COBADEFFXXX")
        original = formats.OriginalPayment(end_to_end_id="NOSUCH", amount=Money(1, "EUR"))
        message = formats.RecallMessage("R1", AT, agent, agent, (formats.Recall("R1", "FRAD", original),))

        kind, data = bank.take(formats.build_recall(message), at=AT)

        (told,) = read_recall_answer(data).answers
        assert (kind, told.status, told.reason) == ("camt.029", "RJCR", "NOOR")


@pytest.mark.parametrize("data", [b"", b"<a/>", b"\x00", b"101 NACHA?", debits("May")[:400]])
def test_what_is_no_file_for_it_is_refused(bank, data):
    with pytest.raises(FormatError):
        bank.take(data, at=AT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Invoice", None),
        ("x simulate:return", ("return", "AM04", 3)),
        ("x simulate:refund MD01 70", ("refund", "MD01", 70)),
        ("simulate:recall PDCR", ("recall", "PDCR", 0)),
        ("simulate:explode", None),
    ],
)
def test_faults_are_read_from_the_text(text, expected):
    fault = fault_of(text)
    assert (fault and (fault.what, fault.code, fault.days)) == expected


def test_a_state_saved_before_there_was_a_desk_is_read(bank):
    old = {name: value for name, value in bank.to_data().items() if name not in ("debits", "books_groups")}

    assert Bank.from_data(old).to_data() == bank.to_data()
