"""Payments from order to finality, each step a balanced journal."""

import hashlib
import uuid
from datetime import UTC, date, datetime

import pytest
from django.db import IntegrityError, connection

from apps.core import clock, tenancy
from apps.core.actors import Actor
from apps.core.errors import Denied, Invalid, NotFound, Refusal
from apps.core.ids import parse_public_id
from apps.core.money import CurrencyMismatch, Money
from apps.ledger import public as ledger
from apps.payments import public as payments
from apps.payments.formats import (
    GroupStatus,
    StatusReason,
    StatusReport,
    TransactionStatus,
    build_status_report,
)
from apps.payments.models import Batch, Payment
from tests import factories
from tests.factories import PayinEventFactory, PayoutFactory, TransferFactory, do

TODAY = date(2026, 5, 4)
APPROVER = Actor("staff", "second-person", None, frozenset({"payments.approve"}))


@pytest.fixture
def merchant(db):
    return factories.merchant(funded_minor=100_000, limit_minor=10_000)


def key_of(answer):
    return parse_public_id("pay", answer["id"])


def stored(answer):
    with tenancy.scope(tenancy.PLATFORM):
        return payments.payment(key_of(answer))


def route(currency="EUR"):
    with tenancy.scope(tenancy.PLATFORM):
        return next(r for r in payments.settlement_accounts() if r.currency == currency)


def posted(account_id):
    with tenancy.scope(tenancy.PLATFORM):
        return ledger.balance(account_id).posted


def payout(merchant, minor=2_500, **changes):
    command = PayoutFactory(
        organisation_id=merchant.id, account_id=merchant.accounts[0], amount=Money(minor, "EUR"), **changes
    )
    return do(command, actor=merchant.client("payments.write"), key=uuid.uuid4().hex)


def export(folder):
    return list(
        payments.export_batches(
            rail="sepa_ct",
            execution_date=TODAY,
            folder=folder,
            actor=factories.SYSTEM,
            at=clock.database_now(),
        )
    )


def export_with(answer, folder):
    """Export, and return the batch that the payment went into: others may have left payments behind."""
    batches = {batch["message_id"]: batch for batch in export(folder)}
    return batches[stored(answer).batch_message_id]


def report(batch, *, status="ACSP", lines=(), reason=""):
    return build_status_report(
        StatusReport(
            format="pain.002.001.10",
            message_id=uuid.uuid4().hex,
            created_at=datetime.now(UTC),
            original_message_id=batch["message_id"],
            original_message_name="pain.001.001.09",
            status=status,
            reasons=(StatusReason(code=reason),) if reason else (),
            groups=(
                GroupStatus(
                    id=f"{batch['message_id']}-1",
                    transactions=tuple(
                        TransactionStatus(status=s, end_to_end_id=e, reasons=(StatusReason(code=c),))
                        for e, s, c in lines
                    ),
                ),
            )
            if lines
            else (),
        )
    )


def import_report(data):
    return payments.import_status_file(
        data, file_name="r.xml", actor=factories.SYSTEM, at=clock.database_now()
    )


def settle(answer, minor=2_500, **changes):
    row = stored(answer)
    return do(
        payments.SettlePayment(
            row.organisation_id, row.pk, Money(minor, "EUR"), TODAY, f"line-{uuid.uuid4().hex}", **changes
        )
    )


class TestATransfer:
    def test_moves_the_money_and_is_settled_at_once(self, merchant):
        answer = do(
            TransferFactory(
                organisation_id=merchant.id,
                account_id=merchant.accounts[0],
                other_account_id=merchant.accounts[1],
                amount=Money(1_250, "EUR"),
            )
        )

        assert answer["state"] == "settled"
        assert (merchant.balance(0).posted, merchant.balance(1).posted) == (98_750, 1_250)
        with tenancy.scope(merchant.id):
            journals = ledger.journals_by_reference(answer["id"])
        assert len(journals) == 1

    def test_is_refused_beyond_the_balance_with_the_numbers(self, merchant):
        command = TransferFactory(
            organisation_id=merchant.id,
            account_id=merchant.accounts[0],
            other_account_id=merchant.accounts[1],
            amount=Money(100_001, "EUR"),
        )

        with pytest.raises(Refusal) as refusal:
            do(command)

        assert refusal.value.code == "insufficient_funds"
        assert refusal.value.facts["available"] == 100_000
        with tenancy.scope(merchant.id):
            assert payments.payments(kinds=["transfer"]).filter(organisation_id=merchant.id).count() == 0

    def test_cannot_name_another_organisations_account(self, merchant):
        stranger = factories.merchant()
        command = TransferFactory(
            organisation_id=merchant.id,
            account_id=merchant.accounts[0],
            other_account_id=stranger.accounts[0],
        )

        with pytest.raises(NotFound):
            do(command)

    @pytest.mark.parametrize(
        ("change", "refusal"),
        [
            ({"amount": Money(0, "EUR")}, "amount_out_of_range"),
            ({"amount": Money(-5, "EUR")}, "amount_out_of_range"),
            ({"amount": Money(10**11, "EUR")}, "amount_out_of_range"),
            ({"amount": Money(100, "GBP")}, "currency_mismatch"),
            ({"remittance": "x\x00"}, "invalid"),
            ({"remittance": "x" * 141}, "invalid"),
            ({"reference": "x" * 10**6}, "invalid"),
        ],
    )
    def test_refuses_bad_input_by_name(self, merchant, change, refusal):
        command = TransferFactory(
            organisation_id=merchant.id,
            account_id=merchant.accounts[0],
            **{"other_account_id": merchant.accounts[1], **change},
        )

        with pytest.raises(Refusal) as raised:
            do(command)

        assert raised.value.code == refusal
        assert merchant.balance(0).posted == 100_000

    def test_to_the_same_account_is_refused(self, merchant):
        with pytest.raises(Invalid):
            do(
                TransferFactory(
                    organisation_id=merchant.id,
                    account_id=merchant.accounts[0],
                    other_account_id=merchant.accounts[0],
                )
            )


class TestAPayout:
    def test_holds_the_money_and_needs_no_second_person_below_the_limit(self, merchant):
        answer = payout(merchant)

        assert answer["state"] == "approved"
        balance = merchant.balance(0)
        assert (balance.posted, balance.held, balance.available) == (100_000, 2_500, 97_500)

    def test_waits_for_a_second_person_above_the_limit(self, merchant):
        answer = payout(merchant, 20_000)

        assert answer["state"] == "ordered"
        approved = do(payments.ApprovePayment(merchant.id, key_of(answer)), actor=APPROVER)
        assert (approved["state"], approved["approved"]) == ("approved", True)

    def test_is_never_approved_by_who_ordered_it(self, merchant):
        answer = payout(merchant, 20_000)
        maker = merchant.client("payments.write", "payments.approve")

        with pytest.raises(Denied):
            do(payments.ApprovePayment(merchant.id, key_of(answer)), actor=maker)

        with pytest.raises(IntegrityError, match="payments_four_eyes"), tenancy.scope(merchant.id):
            Payment.objects.filter(pk=key_of(answer)).update(approved_by="api:client")

    def test_gives_the_money_free_when_declined_or_cancelled(self, merchant):
        declined = do(
            payments.DeclinePayment(merchant.id, key_of(payout(merchant, 20_000)), "not ours"), actor=APPROVER
        )
        cancelled = do(payments.CancelPayment(merchant.id, key_of(payout(merchant))))

        assert (declined["state"], cancelled["state"]) == ("declined", "cancelled")
        assert merchant.balance(0).available == 100_000

    def test_goes_out_in_a_file_is_accepted_and_settles(self, merchant, tmp_path):
        export(tmp_path)  # what other tests have left approved
        before = (posted(route().clearing_out_id), posted(route().cash_id))
        answer = payout(merchant)

        batch = export_with(answer, tmp_path)
        data = (tmp_path / batch["file_name"]).read_bytes()
        sent = stored(answer)
        import_report(report(batch))
        accepted = stored(answer)
        settled = settle(answer)

        assert hashlib.sha256(data).hexdigest() == batch["sha256"]
        assert (sent.state, accepted.state, settled["state"]) == ("sent", "accepted", "settled")
        assert (merchant.balance(0).posted, merchant.balance(0).held) == (97_500, 0)
        assert (posted(route().clearing_out_id), posted(route().cash_id)) == (before[0], before[1] + 2_500)

    def test_comes_back_whole_when_the_bank_rejects_it(self, merchant, tmp_path):
        answer = payout(merchant)
        batch = export_with(answer, tmp_path)

        import_report(report(batch, status="PART", lines=[(answer["end_to_end_id"], "RJCT", "AC04")]))

        row = stored(answer)
        assert (row.state, row.failure_code) == ("rejected", "AC04")
        assert merchant.balance(0).available == 100_000

    def test_is_accepted_where_the_report_lists_others_only(self, merchant, tmp_path):
        first, second = payout(merchant, 1_000), payout(merchant, 2_000)
        batch = export_with(first, tmp_path)

        import_report(report(batch, status="ACSP", lines=[(first["end_to_end_id"], "RJCT", "AC04")]))

        assert (stored(first).state, stored(second).state) == ("rejected", "accepted")

    def test_returns_after_settlement(self, merchant, tmp_path):
        answer = payout(merchant)
        export(tmp_path)
        settle(answer)

        row = stored(answer)
        do(
            payments.ReturnPayment(
                merchant.id, row.pk, Money(2_500, "EUR"), TODAY, f"l{uuid.uuid4().hex}", "AC01"
            )
        )

        assert stored(answer).state == "returned"
        assert merchant.balance(0).posted == 100_000

    def test_records_repeated_and_late_news_and_changes_nothing(self, merchant, tmp_path):
        answer = payout(merchant)
        batch = export_with(answer, tmp_path)
        settle(answer)
        again = settle(answer)
        import_report(report(batch, status="RJCT", reason="AC04"))

        assert (again["applied"], again["reason"]) == (False, "repeated")
        row = stored(answer)
        assert row.state == "settled"
        with tenancy.scope(merchant.id):
            assert [event.reason for event in payments.events_of(row.pk) if not event.applied] == [
                "repeated",
                "late",
            ]
            assert payments.verify(payments.payments().filter(pk=row.pk)) == (1, [])

    def test_is_not_touched_when_the_bank_calls_the_file_a_duplicate(self, merchant, tmp_path):
        answer = payout(merchant)
        batch = export_with(answer, tmp_path)

        import_report(report(batch, status="RJCT", reason="DUPL"))

        assert stored(answer).state == "sent"

    def test_never_settles_with_another_amount(self, merchant, tmp_path):
        answer = payout(merchant)
        export(tmp_path)

        with pytest.raises(Refusal) as refusal:
            settle(answer, minor=2_499)

        assert refusal.value.code == "amount_differs"
        assert stored(answer).state == "sent"

    @pytest.mark.parametrize(
        "iban",
        [
            "",
            "NL91ABNA0417164301",
            "XX00",
            "NL91 ABNA",
            "GB82WEST1234569876543",
            "DE" + "0" * 40,
            "NL91\x00ABNA0417164300",
        ],
    )
    def test_refuses_a_wrong_iban(self, merchant, iban):
        with pytest.raises(Refusal):
            payout(merchant, creditor=payments.Creditor("Example", iban))

        assert merchant.balance(0).held == 0

    def test_is_in_euro(self, merchant):
        with pytest.raises(Refusal):
            do(
                PayoutFactory(
                    organisation_id=merchant.id, account_id=merchant.accounts[0], amount=Money(100, "SEK")
                )
            )


class TestABatch:
    def test_is_the_same_bytes_when_built_again(self, merchant, tmp_path):
        from apps.payments.exports import batch_bytes

        batch = export_with(payout(merchant), tmp_path)

        assert batch_bytes(batch["message_id"]) == (tmp_path / batch["file_name"]).read_bytes()

    def test_that_was_closed_but_not_sent_is_sent_by_the_next_run(self, merchant, tmp_path):
        answer = payout(merchant)
        closed = do(payments.CloseBatch(None, route().id, "sepa_ct", TODAY))

        sent = export(tmp_path)

        assert closed["message_id"] in [batch["message_id"] for batch in sent]
        assert stored(answer).state == "sent"

    def test_holds_a_payment_once(self, merchant, tmp_path):
        payout(merchant)

        assert export(tmp_path) != []
        assert export(tmp_path) == []

    def test_takes_its_report_once(self, merchant, tmp_path):
        batch = export_with(payout(merchant), tmp_path)
        data = report(batch)
        import_report(data)

        with pytest.raises(Refusal) as refusal:
            import_report(data)

        assert refusal.value.code == "duplicate_file"

    def test_takes_no_report_on_a_file_that_is_not_ours(self, db):
        with pytest.raises(Refusal) as refusal:
            import_report(report({"message_id": "SOMEBODY-ELSES"}))

        assert refusal.value.code == "unknown_batch"

    def test_numbers_have_no_gap(self, merchant, tmp_path):
        for _ in range(3):
            payout(merchant)
            export(tmp_path)

        with tenancy.scope(tenancy.PLATFORM):
            numbers = list(
                Batch.objects.filter(rail="sepa_ct").order_by("number").values_list("number", flat=True)
            )
        assert numbers == list(range(1, len(numbers) + 1))


class TestAPayin:
    def test_told_by_a_provider_is_owed_to_us_until_the_bank_shows_it(self, merchant):
        owed = posted(route().receivable_id)
        answer = do(PayinEventFactory(organisation_id=merchant.id, account_id=merchant.accounts[1]))

        assert answer["result"] == "applied"
        assert merchant.balance(1).posted == 5_000
        assert posted(route().receivable_id) == owed - 5_000
        row = stored({"id": answer["object_id"]})
        do(payments.SettlePayment(merchant.id, row.pk, Money(5_000, "EUR"), TODAY, f"l{uuid.uuid4().hex}"))
        assert posted(route().receivable_id) == owed

    def test_is_applied_once(self, merchant):
        event = PayinEventFactory(organisation_id=merchant.id, account_id=merchant.accounts[1])
        do(event)

        again = do(event)

        assert (again["result"], again["reason"]) == ("ignored", "repeated")
        assert merchant.balance(1).posted == 5_000

    def test_waits_for_an_account_that_is_not_here(self, merchant):
        assert (
            do(PayinEventFactory(organisation_id=merchant.id, account_id=uuid.uuid4()))["result"] == "waiting"
        )

    @pytest.mark.parametrize("event_type", ["payin.failed", "payin.created", "something.else"])
    def test_ignores_what_moved_no_money(self, merchant, event_type):
        event = PayinEventFactory(
            organisation_id=merchant.id, account_id=merchant.accounts[1], event_type=event_type
        )

        assert do(event)["result"] == "ignored"

    @pytest.mark.parametrize(
        "amount",
        [
            {"amount": 5, "currency": "EUR"},
            {"amount": "5e3", "currency": "EUR"},
            {"amount": "5.001", "currency": "EUR"},
            {"amount": "5", "currency": "XXX"},
            {"amount": "-5", "currency": "EUR"},
            {"amount": "5", "currency": "GBP"},
            {},
            "5 EUR",
            None,
        ],
    )
    def test_with_a_wrong_amount_never_reaches_the_books(self, merchant, amount):
        event = PayinEventFactory(organisation_id=merchant.id, account_id=merchant.accounts[1])
        event.payload["amount"] = amount

        with pytest.raises(Refusal):
            do(event)

        assert merchant.balance(1).posted == 0


class TestARefund:
    def test_of_a_transfer_is_booked_at_once(self, merchant):
        paid = do(
            TransferFactory(
                organisation_id=merchant.id,
                account_id=merchant.accounts[0],
                other_account_id=merchant.accounts[1],
            )
        )

        refund = do(payments.CreateRefund(merchant.id, key_of(paid), Money(400, "EUR")))

        assert (refund["state"], refund["parent_id"]) == ("settled", paid["id"])
        assert (merchant.balance(0).posted, merchant.balance(1).posted) == (99_400, 600)

    def test_of_a_payin_goes_back_to_the_payer_by_bank(self, merchant, tmp_path):
        told = do(PayinEventFactory(organisation_id=merchant.id, account_id=merchant.accounts[0]))
        payin = stored({"id": told["object_id"]})
        do(payments.SettlePayment(merchant.id, payin.pk, Money(5_000, "EUR"), TODAY, f"l{uuid.uuid4().hex}"))

        refund = do(payments.CreateRefund(merchant.id, payin.pk, Money(5_000, "EUR"), "sorry"))
        export(tmp_path)

        assert (refund["type"], refund["rail"]) == ("refund", "sepa_ct")
        assert stored(refund).state == "sent"

    def test_never_exceeds_what_was_paid(self, merchant):
        paid = do(
            TransferFactory(
                organisation_id=merchant.id,
                account_id=merchant.accounts[0],
                other_account_id=merchant.accounts[1],
            )
        )
        do(payments.CreateRefund(merchant.id, key_of(paid), Money(700, "EUR")))

        with pytest.raises(Refusal) as refusal:
            do(payments.CreateRefund(merchant.id, key_of(paid), Money(301, "EUR")))

        assert (refusal.value.code, refusal.value.facts["refundable"]) == ("exceeds_refundable", 300)

    def test_is_in_the_currency_of_the_payment(self, merchant):
        paid = do(
            TransferFactory(
                organisation_id=merchant.id,
                account_id=merchant.accounts[0],
                other_account_id=merchant.accounts[1],
            )
        )

        with pytest.raises(CurrencyMismatch):
            do(payments.CreateRefund(merchant.id, key_of(paid), Money(1, "GBP")))

    def test_needs_a_settled_payment(self, merchant):
        with pytest.raises(Refusal) as refusal:
            do(payments.CreateRefund(merchant.id, key_of(payout(merchant)), Money(1, "EUR")))

        assert refusal.value.code == "not_refundable"


class TestTheDatabase:
    @pytest.mark.parametrize("change", ["amount_minor = 1", "currency = 'GBP'", "ordered_by = 'x'"])
    def test_keeps_the_instruction(self, merchant, owner_sql, change):
        answer = payout(merchant)

        with pytest.raises(Exception, match="cannot be changed"):
            owner_sql(f"UPDATE payments_payment SET {change} WHERE id = %s", [key_of(answer)])

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE payments_paymentevent SET reason = 'x'",
            "DELETE FROM payments_paymentevent",
            "TRUNCATE payments_paymentevent CASCADE",
            "DELETE FROM payments_payment",
        ],
    )
    def test_keeps_the_history(self, merchant, owner_sql, statement):
        payout(merchant)

        with pytest.raises(Exception, match="append-only|never removed"):
            owner_sql(statement)

    def test_holds_no_name_or_iban_in_clear(self, merchant):
        payout(
            merchant,
            creditor=payments.Creditor("Zebulon Quirkwood", "NL91ABNA0417164300"),
            remittance="quirkytext",
        )

        with connection.cursor() as cursor, tenancy.scope(tenancy.PLATFORM):
            for table in (
                "payments_counterparty",
                "payments_payment",
                "payments_paymentevent",
                "core_outboxevent",
                "core_storedanswer",
                "compliance_auditentry",
            ):
                cursor.execute(f"SELECT count(*) FROM {table} t WHERE t::text ~* 'quirk|NL91ABNA0417164300'")
                assert cursor.fetchone() == (0,), table
