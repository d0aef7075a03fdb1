"""What was approved before its account was blocked stays, on every rail, and leaves when the account is open again."""

import threading
import time
import uuid
from datetime import date

import pytest

from apps.accounts import public as accounts
from apps.core import clock, relay, tenancy
from apps.core.errors import Refusal
from apps.core.ids import parse_public_id
from apps.core.models import OutboxEvent
from apps.core.money import Money
from apps.payments import exports, instant
from apps.payments import public as payments
from apps.payments.commands import LetGoWithheld
from apps.payments.commands.batches import CloseBatch
from apps.payments.models import Batch, Payment, PaymentEvent
from apps.payments.models_instant import ProviderCircuit
from tests import factories
from tests.factories import SYSTEM, PayoutFactory, do
from tests.horizon import pass_horizon
from tests.instants import URLS, Line, attempts, stored
from tests.integration.payments import us_bank

DAY = date(2026, 5, 4)


@pytest.fixture
def merchant(db):
    return factories.merchant(funded_minor=10_000, limit_minor=5_000)


def payout(merchant, index=0, **changes):
    command = PayoutFactory(
        organisation_id=merchant.id,
        account_id=merchant.accounts[index],
        amount=Money(2_500, "EUR"),
        **changes,
    )
    answer = do(command, actor=merchant.client("payments.write"), key=uuid.uuid4().hex)
    assert answer["state"] == "approved"
    return parse_public_id("pay", answer["id"])


def block(merchant, index=0):
    do(accounts.BlockPaymentAccount(merchant.id, account_id=merchant.accounts[index], reason="other"))


def unblock(merchant, index=0):
    do(accounts.UnblockPaymentAccount(merchant.id, account_id=merchant.accounts[index]))


def export(folder):
    at = clock.database_now()
    return list(
        exports.export_batches(rail="sepa_ct", execution_date=DAY, folder=folder, actor=SYSTEM, at=at)
    )


def react(until):
    """Let the consumers read on until something has come about; other tests' events may come before."""
    for _ in range(20):
        pass_horizon()
        relay.drain()
        if until():
            return
    raise AssertionError("no consumer did it")


def events(key):
    with tenancy.scope(tenancy.PLATFORM):
        rows = PaymentEvent.objects.filter(object_id=key).order_by("number")
        return [(row.event, row.to_state, row.reason) for row in rows]


def told(key):
    with tenancy.scope(tenancy.PLATFORM):
        rows = OutboxEvent.objects.filter(object_id=payments.payment_data(stored(key))["id"])
        return sorted(rows.values_list("name", flat=True))


class TestAFile:
    def test_leaves_without_what_is_of_a_blocked_account(self, merchant, tmp_path):
        stopped, goes = payout(merchant), payout(factories.merchant(funded_minor=5_000, limit_minor=5_000))
        block(merchant)

        export(tmp_path)

        assert (stored(stopped).state, stored(goes).state) == ("withheld", "sent")
        assert stored(stopped).batch_message_id == ""
        assert merchant.balance().held == 2_500
        assert events(stopped)[-1] == ("withhold", "withheld", "account_blocked")
        assert "payments.payment_withheld" in told(stopped)

    def test_is_not_made_of_nothing_else_and_the_withheld_stay_marked(self, merchant, tmp_path):
        key = payout(merchant)
        block(merchant)
        export(tmp_path)
        numbers = self.numbers()

        assert export(tmp_path) == []

        assert stored(key).state == "withheld"
        assert len(events(key)) == 3  # ordered, approved, withheld once
        assert self.numbers() == numbers

    @staticmethod
    def numbers():
        with tenancy.scope(tenancy.PLATFORM):
            return list(Batch.objects.filter(rail="sepa_ct").values_list("number", flat=True))

    def test_takes_what_was_withheld_after_the_unblocking(self, merchant, tmp_path):
        key = payout(merchant)
        block(merchant)
        export(tmp_path)
        unblock(merchant)

        react(lambda: stored(key).state == "approved")
        export(tmp_path)

        assert [name for name, _, _ in events(key)] == [
            "order",
            "approve",
            "withhold",
            "let_go",
            "batch",
            "send",
        ]
        assert (stored(key).state, merchant.balance().held) == ("sent", 0)
        with tenancy.scope(tenancy.PLATFORM):
            assert payments.verify(Payment.objects.filter(pk=key))[1] == []

    def test_leaves_without_refunds_of_a_blocked_account_too(self, merchant, tmp_path):
        with tenancy.scope(tenancy.PLATFORM):
            paid = Payment.objects.get(account_id=merchant.accounts[0], kind="payin")
        do(
            payments.SettlePayment(
                merchant.id, paid.pk, paid.amount, DAY, f"line-{uuid.uuid4()}"
            )
        )  # fmt: skip
        answer = do(payments.CreateRefund(merchant.id, paid.pk, Money(300, "EUR")))
        key = parse_public_id("pay", answer["id"])
        assert stored(key).state == "approved"
        block(merchant)

        export(tmp_path)

        assert (stored(key).kind, stored(key).state) == ("refund", "withheld")

    def test_of_the_ach_withholds_alike(self, db, tmp_path):
        us_bank.open_us_bank()
        one = us_bank.merchant()
        key = parse_public_id("pay", us_bank.payout(one)["id"])
        block(one)

        us_bank.export(tmp_path)

        assert events(key)[-1] == ("withhold", "withheld", "account_blocked")


class TestAnInstantPayout:
    @pytest.fixture(autouse=True)
    def connected(self, settings, db):
        settings.PROVIDER_URLS = URLS
        with tenancy.scope(tenancy.PLATFORM):
            ProviderCircuit.objects.all().delete()

    def test_makes_no_call_and_goes_after_the_unblocking(self, merchant):
        line, key = Line(), payout(merchant, speed="instant")
        block(merchant)

        answer = line.send(key)

        assert (answer["state"], answer["message_id"]) == ("withheld", "")
        assert (line.calls, attempts(key)) == ([], [])
        unblock(merchant)
        react(lambda: stored(key).state == "approved")
        sent = line.later(60).send(key)
        assert sent["state"] == "accepted", (sent, stored(key).failure_code)

    def test_is_not_counted_as_sent_by_the_round(self, merchant):
        line, key = Line(), payout(merchant, speed="instant")
        block(merchant)

        assert instant._send_or_leave(key, line.caller) is False

        assert stored(key).state == "withheld"


class TestWhatIsWithheld:
    @pytest.fixture
    def withheld(self, merchant, tmp_path):
        key = payout(merchant)
        block(merchant)
        export(tmp_path)
        return key

    def test_can_be_cancelled_and_frees_its_money(self, merchant, withheld):
        assert do(payments.CancelPayment(merchant.id, withheld, "not any more"))["state"] == "cancelled"

        assert (merchant.balance().held, merchant.balance().available) == (0, 10_000)

    def test_stays_while_the_account_is_blocked_again(self, merchant, withheld):
        assert do(LetGoWithheld(merchant.id, merchant.accounts[0])) == {"let_go": 0, "more": False}

        assert stored(withheld).state == "withheld"

    def test_is_not_let_go_for_another_organisation(self, merchant, withheld):
        unblock(merchant)
        other = factories.merchant()

        assert do(LetGoWithheld(other.id, merchant.accounts[0]))["let_go"] == 0

        assert stored(withheld).state == "withheld"

    def test_keeps_its_account_from_being_closed(self, merchant, withheld):
        unblock(merchant)

        with pytest.raises(Refusal):
            do(accounts.ClosePaymentAccount(merchant.id, account_id=merchant.accounts[0]))

    def test_is_taken_back_with_its_bulk_order(self, merchant, tmp_path):
        command = payments.CreateBulkOrder(
            merchant.id,
            merchant.accounts[0],
            (payments.BulkPayout(Money(100, "EUR"), payments.Creditor("A B", "NL91ABNA0417164300")),),
        )
        order = do(command, actor=merchant.client("payments.write"))
        block(merchant)
        export(tmp_path)

        answer = do(payments.CancelBulkOrder(merchant.id, parse_public_id("blk", order["id"])))

        assert (answer["stopped"], answer["gone"]) == (1, 0)


class TestABlockAndAFileAtOnce:
    def close(self, key):
        account_id = stored(key).settlement_account_id
        return do(CloseBatch(None, account_id, "sepa_ct", DAY))

    def test_the_file_waits_for_a_block_that_is_being_committed(self, merchant, in_threads):
        key, taken = payout(merchant), threading.Event()

        def act(who):
            if who == "file":
                assert taken.wait(timeout=5)
                return self.close(key)
            with tenancy.scope(merchant.id):
                row = accounts.lock_payment_account(merchant.accounts[0], for_change=True)
                row.status, row.block_reason = "blocked", "other"
                row.save(update_fields=["status", "block_reason"])
                taken.set()
                time.sleep(0.5)  # long enough for the file to be closed, if it did not wait
            return None

        in_threads(act, ["block", "file"])

        assert stored(key).state == "withheld"

    def test_the_block_waits_for_a_file_that_is_being_closed(self, merchant, in_threads, monkeypatch):
        from apps.payments.commands import batches

        key, chosen, waited = payout(merchant), threading.Event(), []
        real = batches.assign_groups

        def slowly(*given):
            chosen.set()
            time.sleep(0.5)
            return real(*given)

        monkeypatch.setattr(batches, "assign_groups", slowly)

        def act(who):
            if who == "file":
                return self.close(key)
            assert chosen.wait(timeout=5)
            began = time.monotonic()
            block(merchant)
            waited.append(time.monotonic() - began)
            return None

        in_threads(act, ["file", "block"])

        assert stored(key).state == "batched"
        assert waited[0] > 0.2

    def test_many_blocks_and_files_never_send_after_a_block(self, in_threads, db, tmp_path):
        """Whatever the order: each payout left with the file that came first, or is withheld."""
        many = [factories.merchant(accounts_count=1, funded_minor=5_000, limit_minor=5_000) for _ in range(6)]
        keys = [payout(one) for one in many]

        def act(job):
            what, number = job
            if what == "block":
                block(many[number])
                # What is not in a closed file at this moment will not be in one.
                return stored(keys[number]).state
            try:
                self.close(keys[number])
            except Refusal as refusal:
                return refusal.code
            return None

        jobs = [(what, number) for number in range(6) for what in ("block", "file")]
        after_block = [
            state for (what, _), state in zip(jobs, in_threads(act, jobs), strict=True) if what == "block"
        ]
        export(tmp_path)

        for key, state in zip(keys, after_block, strict=True):
            left = stored(key).state == "sent"
            assert left == (state in ("batched", "sent"))
            assert left or stored(key).state == "withheld"
