"""Debits by the ACH: authorised, prenoted, collected, held in reserve, returned, presented again, taken back."""

import io
import json
import uuid
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from apps.accounts import public as accounts
from apps.core import tenancy
from apps.core.errors import Invalid, NotFound, Refusal
from apps.core.ids import parse_public_id, public_id
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments import public as payments
from apps.payments.books import reserve_of
from apps.payments.due import finalise_due
from apps.payments.exports import batch_bytes
from apps.payments.formats.nacha import check_nacha, read_nacha, return_entry
from apps.payments.models import AchItem
from apps.payments.models_ach import AchAuthorisation, Prenote
from apps.payments.models_debits import Collection, Mandate
from tests import factories
from tests.factories import do
from tests.integration.payments import us_bank
from tests.integration.payments.test_ach_returns import (
    answer_file,
    clearing,
    come_back,
    returned,
    sent_entry,
    settle,
    take,
)
from tests.integration.payments.us_bank import export, merchant, payee, payout, stored

SENT = datetime(2026, 11, 24, 22, 0, tzinfo=UTC)
SETTLED_ON = date(2026, 11, 25)
FREE = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)  # the third banking day after it, Thanksgiving between


@pytest.fixture
def bank(db):
    return us_bank.open_us_bank()


@pytest.fixture
def creditor(bank):
    one = merchant(funded_minor=0)
    do(payments.SetAchCollectionPolicy(one.id))
    return one


def debtor(**changes):
    values = {
        "name": "Ada Example",
        "routing_number": us_bank.THEIRS,
        "account_number": uuid.uuid4().hex[:10],
    }
    return payments.UsDebtor(**values | changes)


def authorise(one, **changes):
    values = {
        "debtor": debtor(),
        "authorised_by": "paper",
        "signed_on": date(2026, 11, 1),
        "evidence": "form 4711, scanned",
    }
    return do(payments.AuthoriseAchDebit(one.id, **values | changes), at=SENT)


def collect(one, mandate, minor=2_500, *, at=SENT, **changes):
    key = parse_public_id("mdt", mandate["id"])
    return do(payments.CollectByAch(one.id, key, one.accounts[0], Money(minor, "USD"), **changes), at=at)


def reserved(one):
    with tenancy.scope(one.id):
        return ledger.balance(reserve_of(accounts.payment_account(one.accounts[0]))).posted


def mandate_of(answer):
    with tenancy.scope(tenancy.PLATFORM):
        return Mandate.objects.get(pk=parse_public_id("mdt", answer["id"]))


class TestAnAuthorisation:
    @pytest.mark.parametrize(
        ("by", "holder", "sec_code"),
        [
            ("paper", "person", "PPD"),
            ("internet", "person", "WEB"),
            ("phone", "person", "TEL"),
            ("paper", "company", "CCD"),
        ],
    )
    def test_decides_the_entry_class_and_is_kept(self, creditor, by, holder, sec_code):
        answer = authorise(creditor, authorised_by=by, debtor=debtor(holder=holder))

        assert (answer["state"], answer["scheme"], answer["sec_code"]) == ("active", "ach", sec_code)
        with tenancy.scope(creditor.id):
            row = AchAuthorisation.objects.get(mandate_id=mandate_of(answer).pk)
            assert row.evidence.reveal() == "form 4711, scanned"

    @pytest.mark.parametrize(
        "change",
        [
            {"authorised_by": "pigeon"},
            {"recurrence": "never"},
            {"evidence": " "},
            {"signed_on": date(2030, 1, 1)},
            {"debtor": debtor(routing_number="1")},
            {"debtor": debtor(holder="ghost")},
            {"reference": "/bad/"},
        ],
    )
    def test_is_refused_with_what_is_wrong(self, creditor, change):
        with pytest.raises(Invalid):
            authorise(creditor, **change)

    def test_needs_the_operators_leave(self, bank):
        with pytest.raises(Refusal) as refusal:
            authorise(merchant(funded_minor=0))

        assert refusal.value.code == "no_collection_policy"

    def test_never_changes(self, creditor):
        answer = authorise(creditor)

        with pytest.raises(Exception, match=r"permission denied|append"), tenancy.scope(creditor.id):
            AchAuthorisation.objects.filter(mandate_id=mandate_of(answer).pk).update(authorised_by="phone")
        with pytest.raises(Invalid):
            do(payments.AmendMandate(creditor.id, mandate_of(answer).pk, reference="OTHER"))


class TestACollection:
    def test_is_reserved_until_no_return_can_come_any_more(self, bank, creditor, tmp_path):
        answer = collect(creditor, authorise(creditor))
        export(tmp_path, at=SENT)
        entry, header = sent_entry(answer)
        settle(answer)

        before = reserved(creditor), creditor.balance().posted
        finalise_due(actor=factories.SYSTEM, at=FREE - timedelta(days=1))
        too_soon = stored(answer).state
        finalise_due(actor=factories.SYSTEM, at=FREE)

        assert (entry.record["transaction_code"], header["sec_code"]) == ("27", "PPD")
        assert (before, too_soon) == ((2_500, 0), "settled")
        assert (stored(answer).state, reserved(creditor), creditor.balance().posted) == ("final", 0, 2_500)

    def test_that_comes_back_is_taken_out_of_the_reserve(self, bank, creditor, tmp_path):
        answer = collect(creditor, authorise(creditor))
        export(tmp_path, at=SENT)
        before = clearing(bank)
        settle(answer)

        take(answer_file(returned(answer, "R01")))
        come_back(answer)

        assert (stored(answer).state, reserved(creditor)) == ("returned", 0)
        assert clearing(bank) == before

    def test_that_comes_back_late_is_a_claim_and_ends_the_mandate(self, bank, creditor, tmp_path):
        mandate = authorise(creditor)
        answer = collect(creditor, mandate)
        export(tmp_path, at=SENT)
        settle(answer)
        finalise_due(actor=factories.SYSTEM, at=FREE)

        take(answer_file(returned(answer, "R10")), at=FREE + timedelta(days=40))

        assert (stored(answer).state, creditor.balance().posted) == ("returned", 0)
        assert mandate_of(mandate).state == "cancelled"
        with pytest.raises(Refusal):
            collect(creditor, mandate)

    @pytest.mark.parametrize(
        ("mandate", "order"),
        [
            ({}, {"minor": 0}),
            ({}, {"minor": 10**10}),
            ({}, {"remittance": "x" * 81}),
            ({}, {"minor": 100_000_001, "same_day": True}),
            ({"authorised_by": "phone"}, {"remittance": "no room in TEL"}),
        ],
    )
    def test_is_refused_with_what_no_entry_carries(self, creditor, mandate, order):
        with pytest.raises(Refusal):
            collect(creditor, authorise(creditor, **mandate), **order)

    def test_under_anothers_mandate_is_not_found(self, bank, creditor):
        other = merchant(funded_minor=0)
        do(payments.SetAchCollectionPolicy(other.id))

        with pytest.raises(NotFound):
            collect(other, authorise(creditor))

    def test_once_is_once(self, creditor):
        mandate = authorise(creditor, recurrence="one_off")
        collect(creditor, mandate)

        with pytest.raises(Refusal) as refusal:
            collect(creditor, mandate)

        assert refusal.value.code == "mandate_not_usable"

    def test_waits_for_a_second_person_above_the_policys_limit(self, bank, creditor):
        do(payments.SetAchCollectionPolicy(creditor.id, approval_above_minor=1_000))

        assert collect(creditor, authorise(creditor))["state"] == "ordered"

    def test_under_a_suspended_mandate_does_not_leave(self, bank, creditor, tmp_path):
        mandate = authorise(creditor)
        answer = collect(creditor, mandate)
        do(payments.SuspendMandate(creditor.id, mandate_of(mandate).pk))

        export(tmp_path, at=SENT)

        assert stored(answer).state == "approved"

    def test_shares_a_file_with_payouts_and_keeps_its_sums(self, bank, creditor, tmp_path):
        rich = merchant()
        mixed = payout(rich, 9_000), collect(creditor, authorise(creditor), 2_500)

        (batch,) = export(tmp_path, at=SENT)

        report = check_nacha((tmp_path / batch["file_name"]).read_bytes())
        assert report.valid
        assert (report.totals["credit"], report.totals["debit"]) == ("90.00", "25.00")
        assert {stored(each).state for each in mixed} == {"sent"}


class TestAPrenote:
    def test_goes_first_and_the_money_waits_three_banking_days(self, bank, creditor, tmp_path):
        mandate = authorise(creditor, prenote=True)
        with pytest.raises(Refusal) as waiting:
            collect(creditor, mandate)

        (batch,) = export(tmp_path, at=SENT)

        (group,) = read_nacha(batch_bytes(batch["message_id"])).file.batches
        (entry,) = group.entries
        assert (entry.record["transaction_code"], entry.amount_minor) == ("28", 0)
        assert (batch["payments"], batch["total_minor"]) == (0, 0)
        with tenancy.scope(creditor.id):
            row = Prenote.objects.get(mandate_id=mandate_of(mandate).pk)
        assert (row.state, row.clear_on) == ("sent", date(2026, 12, 1))  # over Thanksgiving
        assert waiting.value.facts["state"] == "waiting"
        with pytest.raises(Refusal):
            collect(creditor, mandate, at=datetime(2026, 11, 30, 20, 0, tzinfo=UTC))
        assert collect(creditor, mandate, at=datetime(2026, 12, 1, 15, 0, tzinfo=UTC))["state"] == "approved"

    def test_that_comes_back_stops_account_and_mandate(self, bank, creditor, tmp_path):
        mandate = authorise(creditor, prenote=True)
        (batch,) = export(tmp_path, at=SENT)
        with tenancy.scope(tenancy.PLATFORM):
            item = AchItem.objects.get(message_id=batch["message_id"])
        answer = {"end_to_end_id": item.reference}
        (group,) = read_nacha(batch_bytes(batch["message_id"])).file.batches
        back = return_entry(group.entries[0], code="R03", trace="021000020000001")

        first, second = take(answer_file(back)), take(answer_file(back))

        assert (first["applied"], second["unchanged"]) == (1, 1), answer
        assert mandate_of(mandate).state == "suspended"
        with tenancy.scope(creditor.id):
            assert Prenote.objects.get(mandate_id=mandate_of(mandate).pk).state == "failed"
        with pytest.raises(Refusal):
            collect(creditor, mandate, at=FREE)


class TestPresentingAgain:
    def fail(self, answer, code="R01", at=SENT, folder=None):
        export(folder, at=at)
        settle(answer)
        take(answer_file(returned(answer, code)))

    def test_is_described_as_such_and_happens_twice(self, bank, creditor, tmp_path):
        answer = collect(creditor, authorise(creditor))
        self.fail(answer, folder=tmp_path)
        latest = answer
        for _ in range(2):
            retry = do(payments.RetryCollection(creditor.id, stored(latest).pk), at=FREE)
            self.fail(retry, "R09", FREE, tmp_path)
            assert sent_entry(retry)[1]["entry_description"] == "RETRY PYMT"
            latest = retry

        with pytest.raises(Refusal) as refusal:
            do(payments.RetryCollection(creditor.id, stored(latest).pk), at=FREE)

        assert refusal.value.facts["most"] == 2

    @pytest.mark.parametrize("code", ["R02", "R08", "R10"])
    def test_is_refused_for_any_other_reason(self, bank, creditor, tmp_path, code):
        answer = collect(creditor, authorise(creditor))
        self.fail(answer, code, folder=tmp_path)

        with pytest.raises(Refusal) as refusal:
            do(payments.RetryCollection(creditor.id, stored(answer).pk), at=FREE)

        assert refusal.value.code == "not_to_be_retried"

    def test_is_refused_after_180_days_and_while_one_is_under_way(self, bank, creditor, tmp_path):
        answer = collect(creditor, authorise(creditor))
        self.fail(answer, folder=tmp_path)

        with pytest.raises(Refusal):
            do(payments.RetryCollection(creditor.id, stored(answer).pk), at=SENT + timedelta(days=183))
        do(payments.RetryCollection(creditor.id, stored(answer).pk), at=FREE)
        with pytest.raises(Refusal):
            do(payments.RetryCollection(creditor.id, stored(answer).pk), at=FREE)

    def test_of_a_payout_is_refused(self, bank, tmp_path):
        one = merchant()
        answer = payout(one)

        with pytest.raises(Refusal) as refusal:
            do(payments.RetryCollection(one.id, stored(answer).pk))

        assert refusal.value.code == "not_to_be_retried"


class TestAReversal:
    def test_of_a_payout_debits_who_was_credited(self, bank, tmp_path):
        one = merchant(funded_minor=10_000)
        wrong = payout(one, to=payee(holder="company", name="Wrong Payee Inc"))
        export(tmp_path, at=SENT)
        settle(wrong)

        answer = do(payments.ReversePayment(one.id, stored(wrong).pk, "wrong payee"), at=FREE)
        export(tmp_path, at=FREE)
        entry, header = sent_entry(answer)
        original, _ = sent_entry(wrong)
        settle(answer)
        finalise_due(actor=factories.SYSTEM, at=FREE + timedelta(days=10))

        assert (header["entry_description"], header["sec_code"]) == ("REVERSAL", "CCD")
        assert (original.record["transaction_code"], entry.record["transaction_code"]) == ("22", "27")
        assert entry.record["account"] == original.record["account"]
        assert (stored(wrong).state, stored(answer).state) == ("settled", "final")
        assert one.balance().posted == 10_000
        assert clearing(bank)[:2] == [0, 0]

    def test_of_a_collection_credits_who_was_debited(self, bank, creditor, tmp_path):
        do(payments.SetPayoutPolicy(creditor.id, Money(10_000, "USD")))
        wrong = collect(creditor, authorise(creditor, authorised_by="phone"))
        export(tmp_path, at=SENT)
        settle(wrong)
        finalise_due(actor=factories.SYSTEM, at=FREE)

        answer = do(payments.ReversePayment(creditor.id, stored(wrong).pk, "twice"), at=FREE)
        export(tmp_path, at=FREE)

        entry, header = sent_entry(answer)
        assert (header["entry_description"], header["sec_code"]) == ("REVERSAL", "PPD")  # TEL carries debits
        assert entry.record["transaction_code"] == "22"
        assert creditor.balance().posted == 0

    def test_is_refused_after_five_banking_days_twice_or_before_it_left(self, bank, tmp_path):
        one = merchant()
        waiting = payout(one)
        with pytest.raises(Refusal):
            do(payments.ReversePayment(one.id, stored(waiting).pk, "x"))
        export(tmp_path, at=SENT)

        late = datetime(2026, 12, 4, 15, 0, tzinfo=UTC)  # the sixth: 27, 30, 1, 2, 3
        with pytest.raises(Refusal) as refusal:
            do(payments.ReversePayment(one.id, stored(waiting).pk, "x"), at=late)
        assert refusal.value.facts["latest"] == "2026-12-03"
        do(payments.ReversePayment(one.id, stored(waiting).pk, "x"), at=late - timedelta(days=1))
        with pytest.raises(Refusal):
            do(payments.ReversePayment(one.id, stored(waiting).pk, "x"), at=late - timedelta(days=1))

    def test_of_another_organisations_payment_is_not_found(self, bank, tmp_path):
        answer = payout(merchant())
        export(tmp_path, at=SENT)

        with pytest.raises(NotFound):
            do(payments.ReversePayment(merchant().id, stored(answer).pk, "x"))

    def test_of_a_file_takes_back_what_can_be(self, bank, tmp_path):
        one, other = merchant(), merchant()
        answers = [payout(one), payout(other, 900), payout(one, 800)]
        (batch,) = export(tmp_path, at=SENT)
        settle(answers[2])
        take(answer_file(returned(answers[2], "R20")))

        result = do(payments.ReverseBatch(None, batch["message_id"], "sent twice"), at=FREE)

        assert len(result["reversals"]) == 2
        assert [item["code"] for item in result["refused"]] == ["not_reversible"]
        with tenancy.scope(tenancy.PLATFORM):
            keys = [parse_public_id("pay", key) for key in result["reversals"]]
            assert Collection.objects.filter(pk__in=keys, mandate_id=None).count() == 2


class TestTheCommands:
    def run(self, name, *arguments):
        out, code = io.StringIO(), 0
        try:
            call_command(name, *arguments, "--json", stdout=out)
        except CommandError as error:
            code = error.returncode
        return code, json.loads(out.getvalue() or "null")

    def test_reverse_batch_shows_then_takes_back_then_refuses(self, bank, tmp_path):
        answer = payout(merchant())
        (batch,) = export(tmp_path)

        shown = self.run("reverse_batch", batch["message_id"], "--reason", "sent twice", "--dry-run")
        done = self.run("reverse_batch", batch["message_id"], "--reason", "sent twice")
        again = self.run("reverse_batch", batch["message_id"], "--reason", "sent twice")

        assert (shown[0], shown[1]["reversals"]) == (0, [answer["id"]])
        assert (done[0], len(done[1]["reversals"])) == (0, 1)
        assert (again[0], again[1]["refused"][0]["code"]) == (1, "not_reversible")
        assert self.run("reverse_batch", "BEZANT-ACH-999999999", "--reason", "x")[0] == 1

    def test_set_ach_profile_stores_what_the_bank_assigned(self, bank):
        names = ["--company-id", "9876543210", "--company-name", "Op", "--origin", us_bank.OURS]

        assert self.run("set_ach_profile", public_id("sta", bank), *names)[1]["company_id"] == "9876543210"
        assert self.run("set_ach_profile", "sta_nothing", *names)[0] == 1
