"""The way back: a refund leaves by a rail of its currency that leads to who paid, at once if the pay-in was."""

import uuid
from datetime import UTC, date, datetime

import pytest

from apps.core import tenancy
from apps.core.errors import Invalid, Refusal
from apps.core.ids import parse_public_id
from apps.core.money import Money
from apps.payments import public as payments
from apps.payments.commands import ReversePayment
from apps.payments.due import finalise_due
from apps.payments.models import Payment, SettlementAccount
from apps.payments.models_instant import ProviderCircuit
from tests import factories
from tests.factories import SYSTEM, PayinEventFactory, do
from tests.instants import URLS, Line, stored
from tests.integration.payments import us_bank

DAY = date(2026, 5, 4)
IBAN = payments.Debtor("Hans Meier", "DE75512108001245126199")
THERE = payments.Debtor("Hank Miller", routing_number=us_bank.THEIRS, account_number="99887766")
SENT = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
FREE = datetime(
    2026, 12, 1, 12, 0, tzinfo=UTC
)  # the third banking day after it settles, Thanksgiving between


@pytest.fixture
def connected(settings, db):
    settings.PROVIDER_URLS = URLS
    with tenancy.scope(tenancy.PLATFORM):
        ProviderCircuit.objects.all().delete()


@pytest.fixture
def euro(db):
    return factories.merchant(accounts_count=1, limit_minor=1_000_000)


@pytest.fixture
def dollar(db):
    bank = us_bank.open_us_bank()
    one = us_bank.merchant(funded_minor=0)
    one.bank = bank
    return one


def paid_in(merchant, minor=5_000, currency="EUR", debtor=IBAN, rail=""):
    """Let a bank's statement show a pay-in; give its key."""
    with tenancy.scope(tenancy.PLATFORM):
        bank = SettlementAccount.objects.get(currency=currency, pays_out=True)
    command = payments.BookPayin(
        merchant.id,
        merchant.accounts[0],
        bank.pk,
        Money(minor, currency),
        DAY,
        f"line-{uuid.uuid4().hex}",
        debtor,
        rail=rail,
    )
    return parse_public_id("pay", do(command)["id"])


def told(merchant, debtor, currency="EUR", minor=5_000, **members):
    """Let a provider tell of a pay-in, and the statement show it; give its key."""
    command = PayinEventFactory(
        organisation_id=merchant.id, account_id=merchant.accounts[0], amount=Money(minor, currency)
    )
    command.payload["debtor"] = debtor
    command.payload.update(members)
    key = parse_public_id("pay", do(command)["object_id"])
    do(payments.SettlePayment(merchant.id, key, Money(minor, currency), DAY, f"line-{uuid.uuid4().hex}"))
    return key


def refund(merchant, key, minor=2_000, currency="EUR", at=None):
    return do(payments.CreateRefund(merchant.id, key, Money(minor, currency), "sorry"), at=at)


class TestEuro:
    def test_go_back_by_file_when_they_came_so(self, euro, connected):
        assert refund(euro, paid_in(euro))["rail"] == "sepa_ct"

    def test_go_back_at_once_when_they_came_at_once(self, euro, connected):
        line, key = Line(), paid_in(euro, rail="sepa_inst")

        answer = refund(euro, key)
        sent = line.send(parse_public_id("pay", answer["id"]))

        assert (answer["rail"], answer["state"], sent["state"]) == ("sepa_inst", "approved", "accepted"), sent
        back = parse_public_id("pay", answer["id"])
        do(payments.SettlePayment(euro.id, back, Money(2_000, "EUR"), DAY, f"l-{uuid.uuid4().hex}"))
        assert (stored(back).state, euro.balance().posted) == ("settled", 3_000)
        with tenancy.scope(tenancy.PLATFORM):
            assert payments.verify(Payment.objects.filter(pk=back))[1] == []

    def test_of_a_rejected_instant_refund_are_the_merchants_again(self, euro, connected):
        line, key = Line(), paid_in(euro, rail="sepa_inst")
        answer = do(payments.CreateRefund(euro.id, key, Money(2_000, "EUR"), "simulate:reject AC04"))

        sent = line.send(parse_public_id("pay", answer["id"]))

        assert (sent["state"], euro.balance().available) == ("rejected", 5_000)
        assert refund(euro, key, 5_000)["rail"] == "sepa_inst"  # nothing of it was given back

    def test_go_back_by_file_when_no_instant_rail_is_connected(self, euro):
        assert refund(euro, paid_in(euro, rail="sepa_inst"))["rail"] == "sepa_ct"

    def test_go_back_as_the_provider_says_that_they_came(self, euro, connected):
        by_iban = {"name": "Hans Meier", "iban": IBAN.iban}

        assert refund(euro, told(euro, by_iban, rail="sepa_inst"))["rail"] == "sepa_inst"
        assert refund(euro, told(euro, by_iban))["rail"] == "sepa_ct"

    def test_are_not_told_to_have_come_by_a_rail_of_dollars(self, euro):
        with pytest.raises(Invalid):
            told(euro, {"iban": IBAN.iban}, rail="fednow")
        with pytest.raises(Invalid):
            paid_in(euro, rail="ach")


class TestDollars:
    def test_go_back_by_ach_to_the_payers_account(self, dollar, tmp_path):
        answer = refund(dollar, paid_in(dollar, currency="USD", debtor=THERE), currency="USD")
        us_bank.export(tmp_path)

        assert (answer["type"], answer["rail"], len(answer["end_to_end_id"])) == ("refund", "ach", 15)
        assert us_bank.stored(answer).state == "sent"
        assert us_bank.account_in_file(answer).strip() == "99887766"

    def test_go_back_by_fednow_when_they_came_by_it(self, dollar, connected):
        line = Line()
        with tenancy.scope(tenancy.PLATFORM):
            number = SettlementAccount.objects.get(pk=dollar.bank).iban
        line.us_bank.open_account(number, "1234567890", Money.zero("USD"))
        key = paid_in(dollar, currency="USD", debtor=THERE, rail="fednow")

        answer = refund(dollar, key, currency="USD")
        sent = line.send(parse_public_id("pay", answer["id"]))

        assert (answer["rail"], sent["state"]) == ("fednow", "accepted")

    def test_that_came_by_fednow_go_by_ach_when_it_is_not_connected(self, dollar):
        key = paid_in(dollar, currency="USD", debtor=THERE, rail="fednow")

        assert refund(dollar, key, currency="USD")["rail"] == "ach"

    def test_have_no_way_back_to_an_iban_or_to_nobody(self, dollar):
        for debtor in (IBAN, payments.Debtor("Somebody")):
            key = paid_in(dollar, currency="USD", debtor=debtor)

            with pytest.raises(Refusal) as refused:
                refund(dollar, key, currency="USD")

            assert refused.value.code == "not_refundable"
        assert dollar.balance().held == 0

    def test_are_told_of_by_a_provider_with_the_payers_account(self, dollar):
        debtor = {"name": "Hank Miller", "routing_number": us_bank.THEIRS, "account_number": "99887766"}

        assert refund(dollar, told(dollar, debtor, "USD"), currency="USD")["rail"] == "ach"

    def test_do_not_go_to_an_account_that_a_return_has_stopped(self, dollar):
        key = paid_in(dollar, currency="USD", debtor=THERE)
        with tenancy.scope(tenancy.PLATFORM):
            payer = payments.counterparty_of(payments.payment(key))
            payer.stopped_code = "R02"
            payer.save(update_fields=["stopped_code"])

        with pytest.raises(Refusal) as refused:
            refund(dollar, key, currency="USD")

        assert refused.value.code == "counterparty_stopped"


class TestACollectionByAch:
    @pytest.fixture
    def final(self, dollar, tmp_path):
        answer = us_bank.collected(dollar, 2_500, "Membership", at=SENT)
        us_bank.export(tmp_path, at=SENT)
        key = parse_public_id("pay", answer["id"])
        do(payments.SettlePayment(dollar.id, key, Money(2_500, "USD"), date(2026, 11, 25), f"l-{key}"))
        finalise_due(actor=SYSTEM, at=FREE)
        assert stored(key).state == "final"
        return key

    def test_goes_back_by_an_ach_credit_when_it_is_final(self, dollar, final):
        answer = refund(dollar, final, 2_500, "USD", at=FREE)

        assert (answer["type"], answer["rail"], answer["state"]) == ("refund", "ach", "approved")
        assert stored(parse_public_id("pay", answer["id"])).counterparty_id == stored(final).counterparty_id

    def test_is_not_given_back_a_second_time_by_a_reversal_nor_after_one(self, dollar, final):
        refund(dollar, final, 500, "USD", at=FREE)

        with pytest.raises(Refusal) as reversal:
            do(ReversePayment(dollar.id, final, "wrong amount"), at=FREE)

        assert reversal.value.code == "not_reversible"

    def test_that_is_reversed_is_not_refunded_besides(self, dollar, final):
        do(ReversePayment(dollar.id, final, "wrong amount"), at=FREE)

        with pytest.raises(Refusal) as refused:
            refund(dollar, final, 500, "USD", at=FREE)

        assert refused.value.code == "exceeds_refundable"


def test_another_currency_has_no_way_back(db):
    one = factories.merchant(accounts_count=1, currency="GBP", limit_minor=10_000)
    key = paid_in(one, currency="GBP")

    with pytest.raises(Refusal) as refused:
        refund(one, key, currency="GBP")

    assert refused.value.code == "not_refundable"
