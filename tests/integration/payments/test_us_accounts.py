"""Accounts in the United States: who is at the other end, and our own."""

import uuid

import pytest
from django.db import IntegrityError, connection

from apps.core import clock, tenancy
from apps.core.errors import Invalid
from apps.core.ids import parse_public_id
from apps.payments import counterparties
from apps.payments import public as payments
from apps.payments.models import Counterparty, SettlementAccount
from tests import factories
from tests.factories import do

ROUTING, ACCOUNT = "021000021", "000123456789"


class Made:
    """What a handler is given, as far as counterparties use it."""

    def __init__(self):
        self.at = clock.database_now()

    def new_id(self):
        return uuid.uuid7() if hasattr(uuid, "uuid7") else uuid.uuid4()


def us(merchant, context=None, **changes):
    values = {
        "name": "Ada Example",
        "routing_number": ROUTING,
        "account_number": ACCOUNT,
        "account_kind": "checking",
        "holder": "person",
    } | changes
    with tenancy.scope(merchant.id):
        return counterparties.us_counterparty(
            organisation_id=merchant.id, context=context or Made(), **values
        )


@pytest.fixture
def merchant(db):
    return factories.merchant()


class TestACounterparty:
    def test_is_found_again_by_name_and_account(self, merchant):
        first = us(merchant)

        assert us(merchant, account_number="0001 2345 6789").pk == first.pk
        assert us(merchant, account_kind="savings").pk != first.pk
        assert us(merchant, routing_number="011000015").pk != first.pk
        assert first.account.reveal() == ACCOUNT

    def test_is_what_its_bank_has_corrected_from_then_on(self, merchant):
        old, context = us(merchant), Made()
        new = us(merchant, account_number="77")
        old.replaced_by_id, old.replaced_at = new.pk, context.at
        with tenancy.scope(merchant.id):
            old.save()
            before = counterparties.current(old, at=old.created_at)

        assert (us(merchant).pk, before.pk) == (new.pk, old.pk)

    def test_of_another_organisation_replaces_none(self, merchant):
        mine = us(merchant)
        theirs = us(factories.merchant())

        with pytest.raises(IntegrityError), tenancy.scope(merchant.id):
            Counterparty.objects.filter(pk=mine.pk).update(replaced_by_id=theirs.pk)

    @pytest.mark.parametrize(
        "change",
        [{"routing_number": "1"}, {"account_number": ""}, {"account_kind": "gold"}, {"holder": "ghost"}],
    )
    def test_is_refused_with_the_field_that_is_wrong(self, merchant, change):
        with pytest.raises(Invalid) as refusal:
            us(merchant, **change)

        assert refusal.value.facts["field"] == f"creditor.{next(iter(change))}"

    def test_has_one_account_and_no_more(self, merchant):
        key = us(merchant).pk

        with (
            pytest.raises(IntegrityError, match="payments_counterparty_one_account"),
            tenancy.scope(merchant.id),
        ):
            Counterparty.objects.filter(pk=key).update(routing_number="")
        with tenancy.scope(merchant.id), connection.cursor() as cursor:
            cursor.execute("SELECT account_number FROM payments_counterparty WHERE id = %s", [key])
            assert ACCOUNT.encode() not in bytes(cursor.fetchone()[0])


class TestASettlementAccount:
    def test_in_the_united_states_has_a_routing_number(self, db):
        number = str(uuid.uuid4().int)[:12]
        answer = do(
            payments.AddSettlementAccount(
                None,
                factories.operator(),
                number,
                "USD",
                "Op",
                "A Bank",
                pays_out=False,
                routing_number=ROUTING,
            )
        )

        with tenancy.scope(tenancy.PLATFORM):
            row = SettlementAccount.objects.get(pk=parse_public_id("sta", answer["id"]))
        assert (row.iban, row.routing_number) == (number, ROUTING)

    def test_is_refused_with_a_wrong_one(self, db):
        with pytest.raises(Invalid):
            do(
                payments.AddSettlementAccount(
                    None, factories.operator(), "123", "USD", "Op", "A Bank", routing_number="123456789"
                )
            )
