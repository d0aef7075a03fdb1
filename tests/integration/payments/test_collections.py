"""Collections from order to finality and back, each step a balanced journal."""

from datetime import date, timedelta

import pytest

from apps.accounts import public as accounts
from apps.core import tenancy
from apps.core.errors import Refusal
from apps.core.money import Money
from apps.ledger import public as ledger
from apps.payments import public as payments
from apps.payments.formats import read_direct_debit
from tests.factories import SYSTEM, do
from tests.integration.payments.collecting import (
    AT,
    DEBTOR,
    clearing,
    collection,
    collector,
    mandate_row,
    on,
    payment,
    report,
    return_of,
    returned,
    verified,
)


@pytest.fixture
def merchant(db):
    return collector()


def finalise(key):
    """Let the clock reach the end of the reserve."""
    payments.finalise_due(actor=SYSTEM, at=on(collection(key).reserved_until))


class TestACollection:
    def test_goes_out_after_the_debtor_was_told_settles_and_is_final(self, merchant, tmp_path):
        key = merchant.collect(merchant.mandate())
        clearing_before, cash_before = clearing()
        message_id = merchant.send(key, tmp_path)

        debits = read_direct_debit((tmp_path / f"{message_id}.xml").read_bytes())
        told = next(
            d for g in debits.groups for d in g.debits if d.end_to_end_id == payment(key).end_to_end_id
        )
        assert (told.amount, told.debtor_iban) == (Money(2_500, "EUR"), DEBTOR.iban)
        assert payment(key).state == "sent"
        assert clearing() == (clearing_before, cash_before)

        merchant.settle(key)
        assert (payment(key).state, merchant.balance(), merchant.beside("reserve")) == ("settled", 0, 2_500)
        assert clearing() == (clearing_before, cash_before - 2_500)

        finalise(key)
        assert (payment(key).state, merchant.balance(), merchant.beside("reserve")) == ("final", 2_500, 0)
        assert collection(key).reserved_until is None
        assert verified() == []

    def test_is_told_once_and_only_then_sent(self, merchant, tmp_path):
        key = merchant.collect(merchant.mandate())
        row = collection(key)
        list(
            payments.export_batches(
                rail="sepa_dd",
                execution_date=row.collection_date,
                folder=tmp_path,
                actor=SYSTEM,
                at=on(row.submit_on),
            )
        )
        untold = payment(key).state

        first = do(payments.PrenotifyCollection(merchant.id, key))
        again = do(payments.PrenotifyCollection(merchant.id, key))

        assert untold == "approved"
        assert (first["applied"], again["applied"]) == (True, False)
        assert row.prenotify_on == row.collection_date - timedelta(days=14)

    def test_is_rejected_before_settlement_and_nothing_was_booked(self, merchant, tmp_path):
        mandate = merchant.mandate()
        key = merchant.collect(mandate)
        message_id = merchant.send(key, tmp_path)
        end_to_end_id = payment(key).end_to_end_id

        payments.import_status_file(
            report(message_id, [(end_to_end_id, "RJCT", "AC04")], status="PART"),
            file_name="s.xml",
            actor=SYSTEM,
            at=AT,
        )

        told = return_of(key)
        assert (payment(key).state, told.kind, told.state, told.reason_class) == (
            "rejected",
            "reject",
            "noted",
            "account_closed",
        )
        assert mandate_row(mandate).state == "suspended"
        with tenancy.scope(merchant.id):
            assert ledger.journals_by_reference(f"pay_{end_to_end_id}") == []

    @pytest.mark.parametrize("file_first", [True, False])
    def test_comes_back_out_of_the_reserve_told_by_file_and_statement(self, merchant, tmp_path, file_first):
        key = merchant.collect(merchant.mandate())
        merchant.send(key, tmp_path)
        before = clearing()
        merchant.settle(key)

        if file_first:
            merchant.tells_return(key)
            assert clearing() == (before[0] + 2_500, before[1] - 2_500)  # the bank has it, unbooked
            merchant.shows_return(key)
        else:
            merchant.shows_return(key)
            assert merchant.tells_return(key)["findings"][0]["code"] == "repeated"

        assert (payment(key).state, payment(key).failure_code) == ("returned", "AM04")
        assert (merchant.balance(), merchant.beside("reserve")) == (0, 0)
        assert clearing() == before
        told = return_of(key)
        assert (told.kind, told.state, told.reason_class, told.action) == (
            "return",
            "settled",
            "insufficient_funds",
            "retry",
        )
        assert verified() == []

    def test_that_came_back_before_it_settled_waits_for_that(self, merchant, tmp_path):
        key = merchant.collect(merchant.mandate())
        merchant.send(key, tmp_path)
        before = clearing()

        early = merchant.tells_return(key, "MD06")
        assert (early["applied"], payment(key).state, return_of(key).state) == (1, "sent", "waiting")
        with pytest.raises(Refusal) as refusal:
            merchant.shows_return(key, "MD06")
        assert refusal.value.code == "not_settled_yet"
        merchant.settle(key)
        assert (payment(key).state, return_of(key).state, return_of(key).kind) == (
            "returned",
            "told",
            "refund",
        )
        merchant.shows_return(key, "MD06")

        assert (return_of(key).state, clearing(), merchant.beside("reserve")) == ("settled", before, 0)
        assert verified() == []

    def test_that_was_told_to_come_back_may_still_be_rejected(self, merchant, tmp_path):
        key = merchant.collect(merchant.mandate())
        message_id = merchant.send(key, tmp_path)
        merchant.tells_return(key, "MD06")
        data = report(message_id, [(payment(key).end_to_end_id, "RJCT", "AM04")], status="PART")

        payments.import_status_file(data, file_name="s.xml", actor=SYSTEM, at=AT)

        with tenancy.scope(merchant.id):
            told = set(payments.Return.objects.filter(payment_id=key).values_list("kind", "state"))
        assert (payment(key).state, told) == ("rejected", {("refund", "waiting"), ("reject", "noted")})

    @pytest.mark.parametrize(("spent", "owed"), [(0, 0), (1_000, 1_000), (2_500, 2_500)])
    def test_that_was_final_comes_back_from_the_account_and_as_a_claim(self, merchant, tmp_path, spent, owed):
        key = merchant.collect(merchant.mandate())
        merchant.send(key, tmp_path)
        before = clearing()
        merchant.settle(key)
        finalise(key)
        if spent:
            do(
                payments.CreateTransfer(
                    merchant.id, merchant.inner.accounts[0], merchant.inner.accounts[1], Money(spent, "EUR")
                )
            )

        merchant.shows_return(key, "MD06", day=date(2026, 10, 1))

        assert payment(key).state == "returned"
        assert (merchant.balance(), merchant.beside("claim"), clearing()) == (0, -owed, before)
        assert verified() == []

    def test_repays_what_is_owed_before_it_is_free(self, merchant, tmp_path):
        mandate = merchant.mandate()
        first, second = merchant.collect(mandate), merchant.collect(mandate, 4_000)
        merchant.send(first, tmp_path)
        merchant.settle(first)
        finalise(first)
        do(
            payments.CreateTransfer(
                merchant.id, merchant.inner.accounts[0], merchant.inner.accounts[1], Money(2_500, "EUR")
            )
        )
        merchant.shows_return(first, "MD06", day=date(2026, 10, 1))
        merchant.settle(second, minor=4_000)

        finalise(second)

        assert (merchant.balance(), merchant.beside("claim"), merchant.beside("reserve")) == (1_500, 0, 0)

    def test_can_be_refunded_once_it_is_final(self, merchant, tmp_path):
        key = merchant.collect(merchant.mandate())
        merchant.send(key, tmp_path)
        merchant.settle(key)
        with pytest.raises(Refusal) as early:
            do(payments.CreateRefund(merchant.id, key, Money(1_000, "EUR")))
        finalise(key)

        refund = do(payments.CreateRefund(merchant.id, key, Money(1_000, "EUR")))
        with pytest.raises(Refusal) as too_much:
            do(payments.CreateRefund(merchant.id, key, Money(1_501, "EUR")))

        assert (early.value.code, too_much.value.code) == ("not_refundable", "exceeds_refundable")
        assert (refund["rail"], merchant.inner.balance().available) == ("sepa_ct", 1_500)

    def test_never_settles_or_comes_back_with_another_amount(self, merchant, tmp_path):
        key = merchant.collect(merchant.mandate())
        merchant.send(key, tmp_path)
        with pytest.raises(Refusal) as refusal:
            merchant.settle(key, minor=2_499)
        merchant.settle(key)

        findings = merchant.tells_return(key, minor=2_501)["findings"]

        assert refusal.value.code == "amount_differs"
        assert [finding["code"] for finding in findings] == ["amount_differs"]
        assert (payment(key).state, return_of(key)) == ("settled", None)

    def test_of_a_blocked_account_still_comes_in(self, merchant, tmp_path):
        do(accounts.BlockPaymentAccount(merchant.id, account_id=merchant.inner.accounts[0], reason="other"))
        key = merchant.collect(merchant.mandate())
        merchant.send(key, tmp_path)
        merchant.settle(key)
        assert merchant.beside("reserve") == 2_500

    def test_keeps_its_account_from_being_closed(self, merchant, tmp_path):
        key = merchant.collect(merchant.mandate())
        merchant.send(key, tmp_path)
        merchant.settle(key)

        with pytest.raises(ledger.AccountNotEmpty):
            do(accounts.ClosePaymentAccount(merchant.id, account_id=merchant.inner.accounts[0]))


class TestAtTheSameMoment:
    def test_a_one_off_mandate_is_used_once(self, merchant, in_threads):
        mandate = merchant.mandate(recurrence="one_off")

        def order(_):
            try:
                return merchant.collect(mandate)
            except Refusal as refusal:
                return refusal.code

        answers = in_threads(order, range(4))

        assert [one for one in answers if isinstance(one, str)] == ["mandate_not_usable"] * 3

    def test_finality_and_a_return_leave_one_ending_and_all_the_money(self, merchant, tmp_path, in_threads):
        key = merchant.collect(merchant.mandate())
        merchant.send(key, tmp_path)
        before = clearing()
        merchant.settle(key)
        end = collection(key).reserved_until

        def act(what):
            if what == "finalise":
                return do(payments.FinaliseCollection(merchant.id, key), at=on(end))
            return merchant.shows_return(key, "MD06", day=end)

        answers = in_threads(act, ["finalise", "return", "finalise"])

        assert [one for one in answers if isinstance(one, Exception)] == []
        assert payment(key).state == "returned"
        assert (merchant.balance(), merchant.beside("reserve"), merchant.beside("claim")) == (0, 0, 0)
        assert clearing() == before
        assert verified() == []

    def test_a_file_told_twice_is_applied_once(self, merchant, tmp_path, in_threads):
        key = merchant.collect(merchant.mandate())
        merchant.send(key, tmp_path)
        merchant.settle(key)
        data = returned([(payment(key).end_to_end_id, 2_500, "AM04")])

        answers = in_threads(
            lambda _: payments.import_return(data, file_name="r.xml", actor=SYSTEM, at=AT), range(3)
        )

        codes = sorted(one.code for one in answers if isinstance(one, Exception))
        assert (codes, payment(key).state, merchant.beside("reserve")) == (
            ["duplicate_file", "duplicate_file"],
            "returned",
            0,
        )

    def test_two_that_repay_a_claim_repay_it_once(self, merchant, tmp_path, in_threads):
        mandate = merchant.mandate()
        late, *others = [merchant.collect(mandate) for _ in range(3)]
        for key in (late, *others):
            merchant.send(key, tmp_path)
        merchant.settle(late)
        finalise(late)
        do(
            payments.CreateTransfer(
                merchant.id, merchant.inner.accounts[0], merchant.inner.accounts[1], Money(2_500, "EUR")
            )
        )
        merchant.shows_return(late, "MD06", day=date(2026, 10, 1))
        for key in others:
            merchant.settle(key)
        end = collection(others[0]).reserved_until

        answers = in_threads(
            lambda key: do(payments.FinaliseCollection(merchant.id, key), at=on(end)), others
        )

        assert [one for one in answers if isinstance(one, Exception)] == []
        assert (merchant.balance(), merchant.beside("claim"), merchant.beside("reserve")) == (2_500, 0, 0)
