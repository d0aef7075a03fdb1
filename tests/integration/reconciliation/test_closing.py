"""Closing a day, and the books against the bank."""

import hashlib
import json

import pytest
from django.db import DatabaseError, connection

from apps.core import tenancy
from apps.core.errors import Refusal
from apps.core.ids import public_id
from apps.reconciliation.commands import BookBreakToSuspense, CloseDay
from apps.reconciliation.domain.evidence import report_html
from apps.reconciliation.models import DayClose
from apps.reconciliation.queries import break_page, cash_position, matrix
from apps.reconciliation.registrations import readings, timeline
from tests.integration.reconciliation.conftest import AT

DAY = AT.date()


class TestCloseDay:
    def test_seals_the_evidence_of_a_day_that_agrees(self, bank, merchant):
        bank.books(12_345, remittance=merchant.account)
        bank.reconcile()

        answer = bank.do(CloseDay(bank.operator_id, bank.account_id, DAY)).answer

        with tenancy.scope(tenancy.PLATFORM):
            row = DayClose.objects.get(bank_account_id=bank.account_id)
        assert hashlib.sha256(row.evidence.encode()).hexdigest() == row.sha256 == answer["sha256"]
        evidence = json.loads(row.evidence)
        assert (evidence["closing"], evidence["books"], evidence["drift"]) == ("123.45", "123.45", "0.00")
        assert evidence["matches"] == {"payin": {"count": 1, "sum": "123.45"}}

    def test_waits_for_breaks_to_be_resolved(self, bank):
        bank.books(5_000, remittance="thanks")
        bank.reconcile()

        with pytest.raises(Refusal) as caught:
            bank.do(CloseDay(bank.operator_id, bank.account_id, DAY))
        bank.do(BookBreakToSuspense(bank.operator_id, bank.only_break().id))
        closed = bank.do(CloseDay(bank.operator_id, bank.account_id, DAY)).answer

        assert caught.value.facts["reasons"] == ["breaks_open"]
        assert closed["version"] == 1

    def test_is_refused_without_a_proof(self, bank, merchant):
        bank.books(12_345, remittance=merchant.account)
        data = bank.statement().replace(
            b">123.45</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt>", b">999.45</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt>"
        )
        from apps.reconciliation import public as reconciliation
        from tests.integration.reconciliation.conftest import ACTOR

        answer = reconciliation.import_statement(data, file_name="x", actor=ACTOR, at=AT)
        bank.reconcile()

        with pytest.raises(Refusal) as caught:
            bank.do(CloseDay(bank.operator_id, bank.account_id, DAY))

        assert answer["statements"][0]["proof"] == "unproven"
        assert any(reason.startswith("unproven:") for reason in caught.value.facts["reasons"])

    def test_a_day_that_was_never_reconciled_is_not_closed(self, bank):
        bank.books(5_000, remittance="thanks")
        from apps.reconciliation import public as reconciliation
        from tests.integration.reconciliation.conftest import ACTOR

        reconciliation.import_statement(bank.statement(), file_name="x", actor=ACTOR, at=AT)

        with pytest.raises(Refusal) as caught:
            bank.do(CloseDay(bank.operator_id, bank.account_id, DAY, accept_breaks=True))

        assert "not_reconciled" in caught.value.facts["reasons"]

    def test_nobody_changes_sealed_evidence(self, bank, merchant):
        bank.books(12_345, remittance=merchant.account)
        bank.reconcile()
        bank.do(CloseDay(bank.operator_id, bank.account_id, DAY))

        with pytest.raises(DatabaseError), tenancy.scope(tenancy.PLATFORM), connection.cursor() as cursor:
            cursor.execute("UPDATE reconciliation_dayclose SET sha256 = 'x'")

    def test_the_report_escapes_what_came_from_the_bank(self, bank, merchant):
        bank.books(12_345, remittance=merchant.account)
        bank.reconcile()
        answer = bank.do(CloseDay(bank.operator_id, bank.account_id, DAY)).answer
        answer["evidence"]["statements"][0]["bank_id"] = "<script>alert(1)</script>"

        page = report_html(answer["evidence"], sha256=answer["sha256"])

        assert "<script>" not in page and "&lt;script&gt;" in page and answer["sha256"] in page


class TestPages:
    def test_the_matrix_has_a_word_beside_each_colour(self, bank):
        bank.books(5_000, remittance="thanks")
        bank.reconcile()

        with tenancy.scope(tenancy.PLATFORM):
            cell = matrix(first=DAY, last=DAY)[bank.account_id][DAY]

        assert (cell.colour, cell.word) == ("red", "1 break")

    def test_a_break_page_shows_both_sides_and_what_differs(self, bank, merchant):
        bank.books(50_000, remittance=merchant.account)
        bank.reconcile()
        payment = merchant.pays_out(20_000)
        bank.books(-20_050, end_to_end=payment.end_to_end_id)
        bank.reconcile()

        with tenancy.scope(tenancy.PLATFORM):
            page = break_page(bank.only_break().id)

        assert "amount_minor" in page.differs and "end_to_end" not in page.differs
        assert page.expectation.payment_id == payment.id
        assert [event.action for event in page.history] == ["found"]

    def test_suggestions_say_why(self, bank, merchant):
        bank.books(50_000, remittance=merchant.account)
        bank.reconcile()
        payment = merchant.pays_out(20_000)
        bank.books(-20_000, end_to_end="ANOTHER", name="BV EXAMPLE SUPPLIES")
        bank.reconcile()

        with tenancy.scope(tenancy.PLATFORM):
            (proposal,) = break_page(bank.only_break().id).proposals

            assert proposal.expectation.payment_id == payment.id and proposal.score == 80
            assert proposal.reasons == ["same_amount", "similar_name", "in_its_time"]
        assert merchant.payment_state(payment) == "sent"


class TestTimeline:
    def test_a_payment_shows_the_statement_that_settled_it(self, bank, merchant):
        bank.books(50_000, remittance=merchant.account)
        bank.reconcile()
        payment = merchant.pays_out(20_000)
        bank.books(-20_000, end_to_end=payment.end_to_end_id)
        bank.reconcile()

        with tenancy.scope(tenancy.PLATFORM):
            (item,) = timeline(public_id("pay", payment.id))

        assert item.kind == "statement" and "by reference" in item.title

    def test_a_break_shows_its_versions_and_numbers_count_it(self, bank):
        bank.books(5_000, remittance="thanks")
        bank.reconcile()

        with tenancy.scope(tenancy.PLATFORM):
            items = timeline(public_id("brk", bank.only_break().id))
            gauges = {(gauge.name, gauge.labels.get("reason")) for gauge in readings()}

        assert [item.title for item in items] == ["Break found"]
        assert ("bezant_breaks_open", "unexplained") in gauges

    def test_of_something_else_is_empty(self, bank):
        with tenancy.scope(tenancy.PLATFORM):
            assert timeline("org_nonsense") == timeline("") == []


class TestCashPosition:
    def test_drift_is_zero_when_every_difference_is_a_named_break(self, bank, merchant):
        bank.books(12_345, remittance=merchant.account)
        bank.books(777, remittance="who knows")
        bank.reconcile()

        with tenancy.scope(tenancy.PLATFORM):
            position = cash_position(bank.account, DAY)

        assert (position.closing_minor, position.books_minor, position.open_lines_minor) == (
            13_122,
            12_345,
            777,
        )
        assert position.drift_minor == 0
