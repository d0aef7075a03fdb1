"""ACH debits that come back for lack of money, presented again by the clock."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from apps.core.errors import Invalid
from apps.core.ids import parse_public_id
from apps.payments import public as payments
from apps.payments.ach_retries import due_retries, retry_due
from tests.factories import SYSTEM, do
from tests.integration.payments.test_ach_debits import SENT, authorise, bank, collect, creditor, mandate_of
from tests.integration.payments.test_ach_returns import answer_file, returned, sent_entry, settle, take
from tests.integration.payments.us_bank import export, stored

__all__ = ["bank", "creditor"]  # fixtures

BACK = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
DUE = BACK + timedelta(days=2)


def fail(answer, folder, code="R01", *, sent=SENT, back=BACK):
    export(folder, at=sent)
    settle(answer)
    told = take(answer_file(returned(answer, code)), at=back)
    assert (stored(answer).state, stored(answer).failure_code) == ("returned", code), told


def wants(one, times):
    do(payments.SetAchCollectionPolicy(one.id, automatic_retries=times))


def due(one, at=DUE):
    return [retry for retry in due_retries(at) if retry.organisation_id == one.id]


def run(answers, at=DUE):
    """Run the job and return what became of these debits: other tests leave debits behind."""
    mine = {answer["id"] for answer in answers}
    return [told for told in retry_due(actor=SYSTEM, at=at) if told["payment_id"] in mine]


def retry_of(told):
    return {"id": told["retry_id"], "end_to_end_id": stored({"id": told["retry_id"]}).end_to_end_id}


class TestAutomaticRetries:
    def test_wait_as_long_as_the_code_says_and_happen_once(self, creditor, tmp_path):
        wants(creditor, 2)
        answer = collect(creditor, authorise(creditor))
        fail(answer, tmp_path)

        assert run([answer], DUE - timedelta(seconds=1)) == []
        (told,) = run([answer])

        assert (told["result"], told["number"], told["code"]) == ("ordered", 1, "R01")
        assert run([answer]) == []
        retry = retry_of(told)
        export(tmp_path, at=DUE + timedelta(days=1))
        assert sent_entry(retry)[1]["entry_description"] == "RETRY PYMT"
        assert stored(retry).parent_id == stored(answer).pk

    def test_happen_as_often_as_the_policy_wants(self, creditor, tmp_path):
        wants(creditor, 1)
        answer = collect(creditor, authorise(creditor))
        fail(answer, tmp_path)
        (told,) = run([answer])
        retry = retry_of(told)
        later = DUE + timedelta(days=8)
        fail(retry, tmp_path, "R09", sent=DUE + timedelta(days=1), back=later)

        assert due(creditor, later + timedelta(days=2)) == []
        wants(creditor, 2)
        (second,) = run([retry], later + timedelta(days=2))

        assert (second["result"], second["number"], second["code"]) == ("ordered", 2, "R09")

    def test_are_none_without_a_policy_that_wants_them(self, creditor, tmp_path):
        answer = collect(creditor, authorise(creditor))
        fail(answer, tmp_path)

        assert due(creditor) == []

    @pytest.mark.parametrize("code", ["R02", "R08", "R10"])
    def test_are_none_for_any_other_reason(self, creditor, tmp_path, code):
        wants(creditor, 2)
        answer = collect(creditor, authorise(creditor))
        fail(answer, tmp_path, code)

        assert due(creditor) == []

    def test_are_none_after_somebody_cancelled_one(self, creditor, tmp_path):
        wants(creditor, 2)
        answer = collect(creditor, authorise(creditor))
        fail(answer, tmp_path)
        (told,) = run([answer])
        do(payments.CancelPayment(creditor.id, parse_public_id("pay", told["retry_id"])))

        assert due(creditor) == []

    def test_of_an_ended_mandate_are_refused_and_given_up(self, creditor, tmp_path):
        wants(creditor, 2)
        mandate = authorise(creditor)
        answer, other = collect(creditor, mandate), collect(creditor, authorise(creditor))
        fail(answer, tmp_path)
        settle(other)
        take(answer_file(returned(other, "R01")), at=BACK)
        do(payments.CancelMandate(creditor.id, mandate_of(mandate).pk, "no longer"), at=BACK)

        told = {one["payment_id"]: one for one in run([answer, other])}

        assert (told[answer["id"]]["result"], told[answer["id"]]["reason"]) == (
            "refused",
            "mandate_not_usable",
        )
        assert told[other["id"]]["result"] == "ordered"
        assert due(creditor, DUE + timedelta(days=6)) == []

    @pytest.mark.parametrize("times", [-1, 3])
    def test_are_two_at_most(self, creditor, times):
        with pytest.raises(Invalid):
            wants(creditor, times)

    def test_stay_as_they_are_when_the_policy_is_set_otherwise(self, creditor):
        wants(creditor, 1)
        assert do(payments.SetAchCollectionPolicy(creditor.id))["automatic_retries"] == 1

    def test_command_tells_what_is_due(self, creditor):
        out = StringIO()
        call_command("retry_collections", "--dry-run", "--json", stdout=out)

        assert "retries" in json.loads(out.getvalue())
