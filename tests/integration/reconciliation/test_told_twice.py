"""Entries told by several files: advices with the details, interim reports, pages; and signs that bend the rules."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from apps.core import tenancy
from apps.core.money import Money
from apps.payments.formats import BankCode, EntryDetail, References
from apps.reconciliation import public as reconciliation
from apps.reconciliation.models import BankAccount, Statement, StatementLine
from apps.reconciliation.queries import chain_problems
from tests.integration.reconciliation.conftest import ACTOR, AT
from tests.integration.reconciliation.test_imports import FIRST, IBAN, entry, statement, written

BATCH = replace(entry(1, 6000, FIRST, reference="BATCH-1"), bank_code=BankCode("PMNT", "RCDT", "ESCT"))
DETAILS = tuple(
    EntryDetail(
        amount=Money(minor, "EUR"),
        refs=References(end_to_end=f"E2E-{minor}"),
        counterparty_name=f"Payer {minor}",
    )
    for minor in (1000, 2000, 3000)
)
FINAL = written(statement(1, [BATCH, entry(2, 50, FIRST, reference="X")], opening=0))
ADVICE = written(
    replace(
        statement(900, [replace(BATCH, details=DETAILS)], opening=0), kind="advice", id="ADV", balances=()
    )
)
INTERIM = written(
    replace(statement(800, [BATCH], opening=0), kind="interim", id="INT", balances=()),
)


@pytest.fixture
def take_in(organisation_id, follow):
    follow(IBAN)

    def run(data, organisation_id=organisation_id):
        return reconciliation.import_statement(
            data, file_name="a.xml", actor=ACTOR, at=AT, organisation_id=organisation_id
        )

    return run


def lines_of(organisation_id):
    with tenancy.scope(organisation_id):
        rows = StatementLine.objects.select_related("statement").order_by("fingerprint", "part")
        return [
            (
                line.statement.bank_id,
                line.position,
                line.part,
                line.amount_minor,
                line.end_to_end,
                line.state,
                line.text.reveal() if line.text else "",
            )
            for line in rows
        ]


class TestABatchWithItsAdvice:
    def test_is_opened_into_the_advices_details(self, take_in, organisation_id):
        take_in(FINAL)
        take_in(ADVICE)

        lines = lines_of(organisation_id)

        assert sorted((row[3], row[4]) for row in lines) == [
            (50, ""),
            (1000, "E2E-1000"),
            (2000, "E2E-2000"),
            (3000, "E2E-3000"),
        ]
        assert {row[0] for row in lines} == {"S1"} and {row[5] for row in lines} == {"open"}

    def test_is_the_same_in_whatever_order_the_files_come(self, make_organisation, follow, take_in):
        from apps.core.commands import execute
        from apps.reconciliation.commands import AddBankAccount

        results = set()
        for order in permutations([FINAL, ADVICE, INTERIM]):
            organisation_id = make_organisation().id
            command = AddBankAccount(organisation_id, number=IBAN, currency="EUR")
            execute(command, actor=ACTOR, key=None, at=AT)
            for data in order:
                take_in(data, organisation_id=organisation_id)
            results.add(tuple(lines_of(organisation_id)))

        (lines,) = results
        assert sum(row[3] for row in lines if row[5] == "open") == 6050

    def test_told_by_an_advice_alone_is_provisional(self, take_in, organisation_id):
        take_in(ADVICE)

        assert {row[5] for row in lines_of(organisation_id)} == {"provisional"}


class TestAnAdviceWithoutTheBanksReference:
    BOOKED = replace(BATCH, refs=References(pmtinf="OUR-BATCH-7", acct_svcr="BOOKED-1"), batch_count=3)
    ADVISED = replace(
        BATCH, refs=References(pmtinf="OUR-BATCH-7", acct_svcr="ADVISED-1"), batch_count=3, details=DETAILS
    )

    def _files(self):
        return (
            written(statement(1, [self.BOOKED, entry(2, 50, FIRST, reference="X")], opening=0)),
            written(replace(statement(900, [self.ADVISED], opening=0), kind="advice", id="ADV", balances=())),
        )

    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    def test_opens_the_batch_by_our_own_in_either_order(self, take_in, organisation_id, order):
        files = self._files()
        for number in order:
            take_in(files[number])

        lines = [row for row in lines_of(organisation_id) if row[0] == "S1"]

        assert sorted((row[3], row[4], row[5]) for row in lines) == [
            (50, "", "open"),
            (1000, "E2E-1000", "open"),
            (2000, "E2E-2000", "open"),
            (3000, "E2E-3000", "open"),
        ]
        assert any("Payer 2000" in row[6] for row in lines)

    def test_is_left_alone_if_two_could_be_meant(self, take_in, organisation_id):
        twin = replace(self.BOOKED, position=3, refs=replace(self.BOOKED.refs, acct_svcr="BOOKED-2"))
        take_in(written(statement(1, [self.BOOKED, twin], opening=0)))
        take_in(self._files()[1])

        assert sorted(row[3] for row in lines_of(organisation_id) if row[0] == "S1") == [6000, 6000]


def _pages():
    """Three pages of one statement, of which only the first tells the opening and the last the closing."""
    whole = statement(7, [entry(n, n * 100, FIRST, reference=f"P{n}") for n in (1, 2, 3)], opening=1000)
    opening, closing = whole.balances
    between = replace(closing, code="ITBD", amount=Money(1100, "EUR"))
    cut = [
        replace(whole, page=1, last_page=False, entries=whole.entries[:1], balances=(opening,)),
        replace(whole, page=2, last_page=False, entries=whole.entries[1:2], balances=(between,)),
        replace(whole, page=3, last_page=True, entries=whole.entries[2:], balances=(closing,)),
    ]
    return [written(page) for page in cut]


class TestPagesInSeveralFiles:
    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
    def test_prove_the_day_once_all_are_there(self, take_in, organisation_id, order):
        files = _pages()
        early = [take_in(files[number]) for number in order[:2]]

        last = take_in(files[order[2]])

        assert all(answer["statements"][0]["proof"] == "unproven" for answer in early)
        assert last["statements"][0]["proof"] == "proven"
        with tenancy.scope(organisation_id):
            assert set(Statement.objects.values_list("proof", flat=True)) == {"proven"}

    def test_that_do_not_foot_together_stay_unproven(self, take_in, organisation_id):
        first, _, last = _pages()
        take_in(first)
        take_in(last)
        with tenancy.scope(organisation_id):
            reasons = list(Statement.objects.values_list("proof_reasons", flat=True))

        assert reasons == [["more_pages"], ["more_pages"]]

    def test_are_one_link_of_the_chain(self, take_in, organisation_id):
        for data in _pages():
            take_in(data)
        after = FIRST + timedelta(days=1)
        take_in(written(statement(8, [entry(1, 5, after, reference="Q")], opening=1600, start=after)))

        with tenancy.scope(organisation_id):
            assert chain_problems(BankAccount.objects.get(number=IBAN)) == []


def _wrong_way_round():
    """A statement whose bank signs a reversal like the credit it takes back."""
    taken_back = replace(entry(2, 300, FIRST, reference="REV"), reversal=True)
    written_so = statement(1, [entry(1, 1000, FIRST, reference="A"), taken_back], opening=0)
    opening, closing = written_so.balances
    return written(replace(written_so, balances=(opening, replace(closing, amount=Money(700, "EUR")))))


class TestReversals:
    def test_that_bend_the_rules_are_suspected_and_turned_once_a_person_says_so(
        self, take_in, organisation_id, follow
    ):
        answer = take_in(_wrong_way_round())
        assert answer["statements"][0]["proof"] == "unproven"
        with tenancy.scope(organisation_id):
            assert BankAccount.objects.get(number=IBAN).reversals == "suspected"

        changed = follow(IBAN, reversals="flipped")

        assert changed["statements_turned"] == 1
        assert sorted(row[3] for row in lines_of(organisation_id)) == [-300, 1000]
        with tenancy.scope(organisation_id):
            row = Statement.objects.get()
        assert (row.proof, row.proof_reasons, row.booked_minor) == ("proven", [], 700)
        assert (row.credit_minor, row.debit_minor) == (1000, 300)

    def test_are_turned_as_they_come_in_once_the_profile_is_known(self, take_in, organisation_id, follow):
        follow(IBAN, reversals="flipped")

        answer = take_in(_wrong_way_round())

        assert answer["statements"][0]["proof"] == "proven"
        assert sorted(row[3] for row in lines_of(organisation_id)) == [-300, 1000]
