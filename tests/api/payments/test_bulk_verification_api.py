"""Payees of a bulk order: verified before the approval, and confirmed with it."""

import uuid
from datetime import timedelta

import pytest

from apps.accounts import public as accounts
from apps.core import clock, tenancy
from apps.core.errors import Refusal
from apps.core.ids import parse_public_id, public_id
from apps.core.money import Money
from apps.payments import bulk_verification
from apps.payments import public as payments
from apps.payments.bulk_verification import verify_bulk_order
from apps.payments.commands.bulk_decisions import BulkAnswer, RecordBulkVerification
from apps.payments.domain.payee import Result, compare
from apps.payments.models_instant import ProviderCircuit
from apps.payments.payee_verification import PROVIDER, Finding
from tests import factories
from tests.callers import Program
from tests.factories import SYSTEM, do

IBANS = ("NL91ABNA0417164300", "DE89370400440532013000", "DE02120300000000202051", "DE02500105170137075030")


class Directory:
    """A provider that knows holders; what it does not know it cannot answer."""

    def __init__(self, holders, error=""):
        self.holders, self.error, self.asked = holders, error, []

    def verify(self, *, name, iban):
        self.asked.append(iban)
        if self.error or iban not in self.holders:
            return Finding(Result.NOT_POSSIBLE, PROVIDER, error=self.error)
        result = compare(name, self.holders[iban])
        return Finding(result, PROVIDER, self.holders[iban] if result is Result.CLOSE_MATCH else "")


HOLDERS = {IBANS[0]: "Ada Lovelace", IBANS[1]: "Grace Hopper", IBANS[2]: "Edsger Dijkstra"}


@pytest.fixture
def merchant(db):
    with tenancy.scope(tenancy.PLATFORM):
        ProviderCircuit.objects.all().delete()
    one = factories.merchant(funded_minor=100_000, limit_minor=50_000)
    do(payments.SetPayoutPolicy(one.id, Money(50_000, "EUR"), verify_payee=True))
    return one


@pytest.fixture
def program(merchant):
    return Program(merchant.id, "payments.read", "payments.write")


@pytest.fixture
def checker(merchant):
    return Program(merchant.id, "payments.approve")


def line(name, iban, amount="10.00"):
    return {"amount": {"amount": amount, "currency": "EUR"}, "creditor": {"name": name, "iban": iban}}


LINES = (
    line("Ada Lovelace", IBANS[0]),
    line("Grace Hoper", IBANS[1]),
    line("Somebody Else", IBANS[2]),
    line("Unknown Holder", IBANS[3]),
    line("Ada Lovelace", IBANS[0], "1.00"),
)


def ordered(merchant, program, *lines, index=0, **more):
    account = public_id("acc", merchant.accounts[index])
    answer = program.post("bulk-orders", {"account_id": account, "payments": lines or LINES, **more})
    assert answer.status_code == 201, answer.content
    return answer.json()


def verify(merchant, order, provider=None):
    key = parse_public_id("blk", order["id"])
    return verify_bulk_order(merchant.id, key, actor=SYSTEM, provider=provider or Directory(HOLDERS))


def shown(program, order):
    return program.get(f"bulk-orders/{order['id']}").json()


class TestABulkOrderThatVerifiesItsPayees:
    def test_waits_though_it_is_below_the_limit_and_counts_what_was_found(self, merchant, program):
        order = ordered(merchant, program)
        assert order["state"] == "ordered" and order["verification"]["not_checked"] == 4

        assert verify(merchant, order) == 4

        told = shown(program, order)["verification"]
        counts = {name: told[name] for name in ("payees", "match", "close_match", "no_match", "not_possible")}
        assert counts == {"payees": 4, "match": 1, "close_match": 1, "no_match": 1, "not_possible": 1}
        assert told["not_checked"] == 0 and len(told["digest"]) == 64
        items = program.get(f"bulk-orders/{order['id']}/payees").json()["items"]
        assert {item["matched_name"] for item in items} == {None, "Grace Hopper"}
        paid = program.get(f"bulk-orders/{order['id']}/payments").json()["items"]
        assert {item["counterparty_id"] for item in items} == {item["counterparty_id"] for item in paid}

    def test_asks_each_payee_once_and_no_more_while_the_answer_is_fresh(self, merchant, program):
        order, directory = ordered(merchant, program), Directory(HOLDERS)

        assert [verify(merchant, order, directory) for _ in range(2)] == [4, 0]
        assert sorted(directory.asked) == sorted(IBANS)

    def test_goes_when_its_results_are_accepted(self, merchant, program):
        order = ordered(merchant, program)
        verify(merchant, order)
        digest = shown(program, order)["verification"]["digest"]

        done = program.post(f"bulk-orders/{order['id']}/confirm", {"verification": digest})

        assert (done.status_code, done.json()["state"]) == (200, "approved"), done.content

    @pytest.mark.parametrize("given", [{}, {"verification": ""}, {"verification": "0" * 64}])
    def test_does_not_go_when_they_are_not(self, merchant, program, given):
        order = ordered(merchant, program)
        verify(merchant, order)

        answer = program.post(f"bulk-orders/{order['id']}/confirm", given)

        assert answer.status_code == 409 and answer.json()["code"] == "results_not_accepted"
        assert answer.json()["facts"]["reason"] == (
            "changed" if given.get("verification") else "not_accepted"
        )
        assert shown(program, order)["state"] == "ordered"

    def test_does_not_go_unverified_or_with_old_results(self, merchant, program):
        order = ordered(merchant, program)
        command = payments.ConfirmBulkOrder(merchant.id, parse_public_id("blk", order["id"]), "0" * 64)
        with pytest.raises(Refusal) as refusal:
            do(command)
        assert refusal.value.facts["reason"] == "unanswered"
        verify(merchant, order)

        with pytest.raises(Refusal) as refusal:
            do(command, at=clock.database_now() + timedelta(days=2))
        assert refusal.value.facts["reason"] == "too_old"

    def test_does_not_go_when_a_result_changed_meanwhile(self, merchant, program):
        order = ordered(merchant, program)
        verify(merchant, order)
        before = shown(program, order)["verification"]["digest"]
        payee = program.get(f"bulk-orders/{order['id']}/payees").json()["items"][0]["counterparty_id"]
        answer = BulkAnswer(parse_public_id("cpt", payee), "no_match", PROVIDER)
        do(RecordBulkVerification(merchant.id, parse_public_id("blk", order["id"]), (answer,)))

        told = program.post(f"bulk-orders/{order['id']}/confirm", {"verification": before})

        assert told.json()["facts"]["reason"] == "changed"

    def test_leaves_out_a_doubtful_payee_whose_payment_is_cancelled(self, merchant, program):
        order = ordered(merchant, program)
        verify(merchant, order)
        doubtful = {
            item["counterparty_id"]
            for item in program.get(f"bulk-orders/{order['id']}/payees").json()["items"]
            if item["result"] == "no_match"
        }
        for payment in program.get(f"bulk-orders/{order['id']}/payments").json()["items"]:
            if payment["counterparty_id"] in doubtful:
                do(payments.CancelPayment(merchant.id, parse_public_id("pay", payment["id"])))

        told = shown(program, order)["verification"]

        assert (told["payees"], told["no_match"], told["not_checked"]) == (3, 0, 0)

    def test_above_the_limit_is_accepted_by_the_second_person_alone(self, merchant, program, checker):
        do(payments.SetPayoutPolicy(merchant.id, Money(100, "EUR")))
        order = ordered(merchant, program)
        verify(merchant, order)
        digest = shown(program, order)["verification"]["digest"]

        assert program.post(f"bulk-orders/{order['id']}/confirm", {"verification": digest}).status_code == 403
        assert checker.post(f"bulk-orders/{order['id']}/approve").status_code == 409
        done = checker.post(f"bulk-orders/{order['id']}/approve", {"verification": digest})

        assert (done.status_code, done.json()["state"]) == (200, "approved"), done.content
        with pytest.raises(Refusal) as refusal:
            verify(merchant, order)
        assert refusal.value.code == "nothing_to_verify"

    def test_is_asked_about_over_the_api_and_unanswerable_without_a_provider(self, merchant, program):
        order = ordered(merchant, program)

        answer = program.post(f"bulk-orders/{order['id']}/verify")

        assert answer.status_code == 200, answer.content
        assert answer.json()["verification"]["not_possible"] == 4
        assert program.post(f"bulk-orders/{public_id('blk', uuid.uuid4())}/verify").status_code == 404

    def test_asks_a_bounded_number_and_leaves_the_rest(self, merchant, program, monkeypatch):
        monkeypatch.setattr(bulk_verification, "PAYEES_MAX", 3)
        order = ordered(merchant, program)

        assert [verify(merchant, order) for _ in range(3)] == [3, 1, 0]

    def test_begins_no_question_after_its_time(self, merchant, program, monkeypatch):
        monkeypatch.setattr(bulk_verification, "WITHIN_S", -1.0)
        order = ordered(merchant, program)

        assert verify(merchant, order) == 0
        assert shown(program, order)["verification"]["not_checked"] == 4

    def test_asks_our_own_books_first(self, merchant, program):
        with tenancy.scope(merchant.id):
            iban = accounts.payment_account(merchant.accounts[1]).iban
        order, directory = ordered(merchant, program, line("Ada Example", iban)), Directory({})

        verify(merchant, order, directory)

        assert directory.asked == []
        assert shown(program, order)["verification"]["match"] == 1

    def test_holds_a_failing_provider_off(self, merchant, program, monkeypatch):
        monkeypatch.setattr(bulk_verification, "AT_ONCE", 1)
        lines = [line(f"Somebody {number}", IBANS[number % 4]) for number in range(12)]
        order, directory = ordered(merchant, program, *lines), Directory({}, error="http_500")

        verify(merchant, order, directory)

        assert len(directory.asked) < 12
        assert shown(program, order)["verification"]["not_possible"] == 12


class TestOptingOut:
    def test_is_for_companies_and_not_for_consumers(self, merchant, program):
        answer = do(accounts.OpenPaymentAccount(merchant.id, "EUR"))
        merchant.accounts.append(parse_public_id("acc", answer["id"]))
        do(
            factories.PayinEventFactory(
                organisation_id=merchant.id, account_id=merchant.accounts[-1], amount=Money(10_000, "EUR")
            )
        )
        assert ordered(merchant, program, LINES[0], index=-1)["state"] == "ordered"
        do(payments.SetPayoutPolicy(merchant.id, Money(50_000, "EUR"), bulk_opt_out=True))

        company = ordered(merchant, program, LINES[0], index=-1)
        consumer = ordered(merchant, program, LINES[0])
        wished = ordered(merchant, program, LINES[0], index=-1, verify_payees=True)

        assert (company["state"], company["verification"]) == ("approved", None)
        assert (consumer["verifies_payees"], wished["verifies_payees"]) == (True, True)

    def test_and_an_order_that_verifies_nobody_has_nothing_to_verify(self, merchant, program):
        do(payments.SetPayoutPolicy(merchant.id, Money(50_000, "EUR"), verify_payee=False))
        order = ordered(merchant, program)
        assert order["state"] == "approved"

        assert program.post(f"bulk-orders/{order['id']}/verify").status_code == 409


class TestWhatWasFound:
    def test_never_changes(self, merchant, program, owner_sql):
        order = ordered(merchant, program)
        verify(merchant, order)

        for statement in (
            "UPDATE payments_bulkverification SET result = 'match' WHERE bulk_order_id = %s",
            "DELETE FROM payments_bulkverification WHERE bulk_order_id = %s",
            "UPDATE payments_bulkorder SET verifies_payees = false WHERE id = %s",
        ):
            with pytest.raises(Exception, match="cannot be changed"):
                owner_sql(statement, [parse_public_id("blk", order["id"])])

    def test_is_not_told_to_another_organisation(self, merchant, program):
        order = ordered(merchant, program)
        verify(merchant, order)
        stranger = Program(factories.merchant().id, "payments.read", "payments.write")

        for path in ("", "/payees"):
            assert stranger.get(f"bulk-orders/{order['id']}{path}").status_code == 404
        assert stranger.post(f"bulk-orders/{order['id']}/verify").status_code == 404

    def test_about_somebody_the_order_does_not_pay_is_not_stored(self, merchant, program):
        order = ordered(merchant, program)
        answer = BulkAnswer(uuid.uuid4(), "match", PROVIDER)

        told = do(RecordBulkVerification(merchant.id, parse_public_id("blk", order["id"]), (answer,)))

        assert told["answered"] == 0
