"""Bulk orders, standing orders, and orders that nobody approves."""

import json
import uuid
from datetime import date, datetime, timedelta
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db import IntegrityError

from apps.core import clock, tenancy
from apps.core.actors import Actor
from apps.core.errors import Invalid, Refusal
from apps.core.ids import parse_public_id
from apps.core.money import Money
from apps.payments import public as payments
from apps.payments.commands.bulk import BulkInvalid
from apps.payments.commands.bulk_decisions import TooLate
from apps.payments.commands.standing import RunStandingOrder
from apps.payments.domain.machine import IllegalTransition
from apps.payments.domain.schedules import DayRule, Frequency, Schedule
from apps.payments.models import Payment, PaymentEvent
from apps.payments.models_orders import BulkOrder, StandingOrder
from apps.payments.queries import verify
from apps.payments.standing_runs import run_due
from tests import factories
from tests.factories import SYSTEM, CreditorFactory, do

APPROVER = Actor("staff", "second-person", None, frozenset({"payments.approve"}))
NOON = datetime(2026, 7, 8, 12, 0, tzinfo=ZoneInfo("Europe/Amsterdam"))  # a Wednesday


@pytest.fixture
def merchant(db):
    return factories.merchant(funded_minor=100_000, limit_minor=10_000)


def line(minor=1_000, **changes):
    creditor = changes.pop("creditor", None) or CreditorFactory()
    return payments.BulkPayout(Money(minor, "EUR"), creditor, **changes)


def bulk(merchant, *lines, key=None, **changes):
    command = payments.CreateBulkOrder(merchant.id, merchant.accounts[0], lines, **changes)
    return do(command, actor=merchant.client("payments.write"), key=key or uuid.uuid4().hex)


def key_of(answer, prefix="blk"):
    return parse_public_id(prefix, answer["id"])


def made_by(answer):
    with tenancy.scope(tenancy.PLATFORM):
        return list(Payment.objects.filter(bulk_order_id=key_of(answer)).order_by("id"))


def export(folder):
    from apps.payments.exports import export_batches

    at = clock.database_now()
    return list(
        export_batches(rail="sepa_ct", execution_date=date(2026, 5, 4), folder=folder, actor=SYSTEM, at=at)
    )


class TestABulkOrder:
    def test_holds_all_and_is_approved_at_once_when_its_sum_is_below_the_limit(self, merchant):
        answer = bulk(merchant, line(1_000), line(2_000, reference="a"), line(3_000, reference="b"))

        assert (answer["state"], answer["payments"]) == ("approved", 3)
        assert answer["total"] == {"amount": "60.00", "currency": "EUR"}
        assert [row.state for row in made_by(answer)] == ["approved"] * 3
        assert merchant.balance().available == 94_000

    def test_waits_for_one_approval_above_the_limit_though_each_payment_is_below(self, merchant):
        answer = bulk(merchant, *(line(4_000) for _ in range(3)))
        assert answer["state"] == "ordered"

        with pytest.raises(Refusal):
            do(
                payments.ApproveBulkOrder(merchant.id, key_of(answer)),
                actor=merchant.client("payments.approve"),
            )
        done = do(payments.ApproveBulkOrder(merchant.id, key_of(answer)), actor=APPROVER)

        assert done["state"] == "approved"
        assert {row.approved_by for row in made_by(answer)} == {"staff:second-person"}

    def test_is_refused_whole_with_every_wrong_line(self, merchant):
        with pytest.raises(BulkInvalid) as refusal:
            bulk(
                merchant,
                line(),
                line(0),
                line(creditor=CreditorFactory(iban="NL91ABNA0417164301")),
                line(creditor=CreditorFactory(name="")),
                line(reference="same"),
                line(reference="same"),
            )

        told = {(error["line"], error["code"]) for error in refusal.value.facts["errors"]}
        assert told == {
            (2, "amount_out_of_range"), (3, "bad_iban"), (4, "invalid"), (6, "duplicate_reference"),
        }  # fmt: skip
        assert merchant.balance().available == 100_000

    def test_beyond_the_balance_writes_nothing(self, merchant):
        with pytest.raises(Refusal) as refusal:
            bulk(merchant, line(60_000), line(60_000))

        assert refusal.value.code == "insufficient_funds"
        assert merchant.balance().available == 100_000
        with tenancy.scope(merchant.id):
            assert not BulkOrder.objects.exists()

    def test_of_nothing_is_refused(self, merchant):
        with pytest.raises(Invalid):
            bulk(merchant)

    def test_knows_payees_it_has_paid_before(self, merchant):
        first, second = bulk(merchant, line(), line()), bulk(merchant, line())

        ends = {row.counterparty_id for row in [*made_by(first), *made_by(second)]}
        assert len(ends) == 1

    def test_is_made_once_for_a_key(self, merchant):
        answers = [bulk(merchant, line(), key="same-key") for _ in range(2)]

        assert answers[0] == answers[1]
        assert merchant.balance().available == 99_000

    def test_gives_everything_free_when_declined(self, merchant):
        answer = bulk(merchant, line(6_000), line(6_000))

        done = do(payments.DeclineBulkOrder(merchant.id, key_of(answer), "no"), actor=APPROVER)

        assert (done["state"], done["stopped"], done["gone"]) == ("declined", 2, 0)
        assert merchant.balance().available == 100_000
        with pytest.raises(IllegalTransition):
            do(payments.ApproveBulkOrder(merchant.id, key_of(answer)), actor=APPROVER)

    def test_lets_single_payments_be_cancelled_until_the_batch_closes(self, merchant, tmp_path):
        answer = bulk(merchant, line(), line(), line())
        first, *_ = made_by(answer)
        do(payments.CancelPayment(merchant.id, first.pk))

        export(tmp_path)

        assert [row.state for row in made_by(answer)] == ["cancelled", "sent", "sent"]
        with pytest.raises(TooLate):
            do(payments.CancelBulkOrder(merchant.id, key_of(answer)))
        assert merchant.balance().posted == 98_000

    def test_takes_back_what_has_not_left(self, merchant):
        answer = bulk(merchant, line(), line())

        done = do(payments.CancelBulkOrder(merchant.id, key_of(answer)))

        assert (done["state"], done["stopped"]) == ("cancelled", 2)
        assert merchant.balance().available == 100_000

    def test_and_its_payments_are_what_their_events_fold_to(self, merchant):
        answer = bulk(merchant, line(), line())

        with tenancy.scope(tenancy.PLATFORM):
            assert verify(BulkOrder.objects.filter(pk=key_of(answer))) == (1, [])
            assert verify(Payment.objects.filter(bulk_order_id=key_of(answer))) == (2, [])

    def test_never_changes_what_it_says(self, merchant, owner_sql):
        answer = bulk(merchant, line())

        with pytest.raises(Exception, match="cannot be changed"):
            owner_sql("UPDATE payments_bulkorder SET total_minor = 1 WHERE id = %s", [key_of(answer)])
        with pytest.raises(Exception, match="cannot be changed"):
            owner_sql(
                "UPDATE payments_payment SET bulk_order_id = NULL WHERE bulk_order_id = %s", [key_of(answer)]
            )

    def test_is_not_approved_by_who_ordered_it_in_the_database_either(self, merchant):
        answer = bulk(merchant, line(6_000), line(6_000))

        with pytest.raises(IntegrityError), tenancy.scope(merchant.id):
            BulkOrder.objects.filter(pk=key_of(answer)).update(approved_by=f"api:{'client'}")


def standing(merchant, schedule, minor=1_000, *, at=NOON, transfer=False, **changes):
    ends = {"other_account_id": merchant.accounts[1]} if transfer else {"creditor": CreditorFactory()}
    command = payments.CreateStandingOrder(
        merchant.id, merchant.accounts[0], Money(minor, "EUR"), schedule, **(ends | changes)
    )
    return do(command, actor=merchant.client("payments.write"), key=uuid.uuid4().hex, at=at)


def run(answer, *, at):
    """Run this order alone if it is due: other tests leave orders behind."""
    mine = [one for one in run_due(actor=SYSTEM, at=at) if one["id"] == answer["id"]]
    return mine[0] if mine else None


def stored(answer):
    with tenancy.scope(tenancy.PLATFORM):
        return StandingOrder.objects.get(pk=key_of(answer, "sto"))


def paid_by(answer):
    with tenancy.scope(tenancy.PLATFORM):
        rows = Payment.objects.filter(standing_order_id=key_of(answer, "sto")).order_by("id")
        return list(rows)


ONCE = Schedule(Frequency.ONCE, date(2026, 7, 10))
MONTHLY = Schedule(Frequency.MONTHLY, date(2026, 7, 31))


class TestAStandingOrder:
    def test_pays_on_its_day_and_no_earlier(self, merchant):
        answer = standing(merchant, ONCE)
        assert (answer["state"], answer["execute_on"]) == ("active", "2026-07-10")

        assert run(answer, at=NOON + timedelta(days=1)) is None
        told = run(answer, at=NOON + timedelta(days=2))

        assert told["result"] == "paid"
        (payment,) = paid_by(answer)
        assert (payment.state, payment.amount_minor) == ("approved", 1_000)
        assert stored(answer).state == "completed"

    def test_run_twice_makes_one_payment(self, merchant):
        answer = standing(merchant, MONTHLY)
        command = RunStandingOrder(merchant.id, key_of(answer, "sto"), date(2026, 7, 31))
        at = NOON + timedelta(days=23)

        told = [do(command, at=at)["result"] for _ in range(2)]

        assert told == ["paid", "not_due"]
        assert len(paid_by(answer)) == 1

    def test_run_by_two_at_once_makes_one_payment(self, merchant, in_threads):
        answer = standing(merchant, MONTHLY)
        command = RunStandingOrder(merchant.id, key_of(answer, "sto"), date(2026, 7, 31))

        in_threads(lambda key: do(command, key=key, at=NOON + timedelta(days=23)), ["a", "b", "c"])

        assert len(paid_by(answer)) == 1

    def test_goes_on_month_by_month_from_its_first_day(self, merchant):
        answer = standing(merchant, Schedule(Frequency.MONTHLY, date(2026, 7, 31), count=2), transfer=True)

        assert run(answer, at=NOON + timedelta(days=23))["result"] == "paid"
        assert stored(answer).due_on == date(2026, 8, 31)
        assert run(answer, at=NOON + timedelta(days=54))["result"] == "paid"

        assert stored(answer).state == "completed"
        assert [row.kind for row in paid_by(answer)] == ["transfer", "transfer"]
        assert merchant.balance(1).posted == 2_000

    def test_above_the_limit_needs_a_second_person_once_for_all_its_payments(self, merchant):
        answer = standing(merchant, ONCE, minor=20_000)
        assert answer["state"] == "ordered"
        assert run(answer, at=NOON + timedelta(days=2)) is None

        do(payments.ApproveStandingOrder(merchant.id, key_of(answer, "sto")), actor=APPROVER, at=NOON)
        run(answer, at=NOON + timedelta(days=2))

        (payment,) = paid_by(answer)
        assert (payment.state, payment.approved_by) == ("approved", "staff:second-person")

    def test_without_money_is_tried_again_and_then_given_up_with_an_event(self, merchant):
        answer = standing(merchant, Schedule(Frequency.MONTHLY, date(2026, 7, 10)), transfer=True)
        with tenancy.scope(merchant.id):
            available = merchant.balance().available
        do(
            factories.TransferFactory(
                organisation_id=merchant.id, account_id=merchant.accounts[0],
                other_account_id=merchant.accounts[1], amount=Money(available, "EUR"),
            )
        )  # fmt: skip
        at = NOON + timedelta(days=2)

        told = [run(answer, at=at + timedelta(hours=5 * tries))["result"] for tries in range(3)]

        assert told == ["retry", "retry", "failed"]
        row = stored(answer)
        assert (row.state, row.due_on, row.attempt) == ("active", date(2026, 8, 10), 0)
        with tenancy.scope(tenancy.PLATFORM):
            (failed,) = PaymentEvent.objects.filter(object_id=row.pk, event="fail")
            assert failed.reason == "insufficient_funds"

    def test_is_tried_again_no_sooner_than_planned(self, merchant):
        answer = standing(merchant, ONCE, minor=9_000)
        do(payments.SetPayoutPolicy(merchant.id, Money(200_000, "EUR")))
        bulk(merchant, line(95_000))
        at = NOON + timedelta(days=2)

        assert run(answer, at=at)["result"] == "retry"
        assert run(answer, at=at + timedelta(hours=1)) is None

    def test_rests_while_paused_and_leaves_out_what_passed_meanwhile(self, merchant):
        answer = standing(merchant, Schedule(Frequency.WEEKLY, date(2026, 7, 10)))
        key = key_of(answer, "sto")
        do(payments.PauseStandingOrder(merchant.id, key), at=NOON)
        assert run(answer, at=NOON + timedelta(days=9)) is None

        resumed = do(payments.ResumeStandingOrder(merchant.id, key), at=NOON + timedelta(days=12))

        assert (resumed["state"], resumed["due_on"]) == ("active", "2026-07-24")

    def test_ends_when_cancelled_or_declined(self, merchant):
        one, other = standing(merchant, ONCE), standing(merchant, ONCE, minor=20_000)

        do(payments.CancelStandingOrder(merchant.id, key_of(one, "sto")))
        do(payments.DeclineStandingOrder(merchant.id, key_of(other, "sto"), "no"), actor=APPROVER)

        assert (stored(one).state, stored(other).state) == ("cancelled", "declined")
        assert run(one, at=NOON + timedelta(days=2)) is None
        with pytest.raises(IllegalTransition):
            do(payments.ResumeStandingOrder(merchant.id, key_of(one, "sto")))

    @pytest.mark.parametrize(
        "schedule",
        [
            Schedule(Frequency.ONCE, date(2026, 7, 7)),
            Schedule(Frequency.MONTHLY, date(2026, 7, 31), last=date(2026, 7, 1)),
            Schedule(Frequency.WEEKLY, date(2026, 7, 31), end_of_month=True),
            Schedule(Frequency.MONTHLY, date(2026, 7, 31), count=0),
        ],
    )
    def test_refuses_a_schedule_that_cannot_be_meant(self, merchant, schedule):
        with pytest.raises(Invalid):
            standing(merchant, schedule)

    def test_names_one_other_end(self, merchant):
        with pytest.raises(Invalid):
            standing(merchant, ONCE, creditor=None)
        with pytest.raises(Invalid):
            standing(merchant, ONCE, other_account_id=merchant.accounts[1])
        with pytest.raises(Invalid):
            standing(merchant, ONCE, creditor=None, other_account_id=merchant.accounts[0])

    def test_and_its_payments_are_what_their_events_fold_to(self, merchant):
        answer = standing(merchant, ONCE)
        run(answer, at=NOON + timedelta(days=2))

        with tenancy.scope(tenancy.PLATFORM):
            assert verify(StandingOrder.objects.filter(pk=key_of(answer, "sto"))) == (1, [])
            assert verify(Payment.objects.filter(standing_order_id=key_of(answer, "sto"))) == (1, [])

    def test_command_tells_what_is_due(self, merchant):
        out = StringIO()
        call_command("run_standing_orders", "--dry-run", "--json", stdout=out)

        assert "runs" in json.loads(out.getvalue())


class TestOrdersNobodyApproves:
    def test_are_cancelled_and_their_money_is_free(self, merchant):
        command = factories.PayoutFactory(
            organisation_id=merchant.id, account_id=merchant.accounts[0], amount=Money(20_000, "EUR")
        )
        old = do(command, at=clock.database_now() - timedelta(days=15))
        young = do(command)
        assert merchant.balance().available == 60_000
        out = StringIO()

        call_command("expire_holds", "--dry-run", "--json", stdout=out)
        assert json.loads(out.getvalue())["payments"] >= 1
        call_command("expire_holds", "--json", stdout=StringIO())

        with tenancy.scope(tenancy.PLATFORM):
            states = [payments.payment(parse_public_id("pay", answer["id"])).state for answer in (old, young)]
        assert states == ["cancelled", "ordered"]
        assert merchant.balance().available == 80_000


class TestDayRules:
    def test_move_a_closed_day(self, db):
        from apps.payments.calendar import calendar

        days = calendar("TARGET")
        saturday, end = date(2026, 7, 11), date(2026, 10, 31)  # two Saturdays, one at the month's end

        moved = [
            Schedule(Frequency.ONCE, day, day_rule=rule).executed(day, days)
            for rule in DayRule
            for day in (saturday, end)
        ]

        assert [(day.month, day.day) for day in moved] == [
            (7, 13),
            (11, 2),
            (7, 10),
            (10, 30),
            (7, 13),
            (10, 30),
        ]
