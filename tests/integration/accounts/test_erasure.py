"""A customer who is erased: nothing of the name can be read or found again."""

import pytest

from apps.accounts import public as accounts
from apps.core import clock, tenancy
from apps.core.crypto.erasure import destroy_subject_key
from apps.core.errors import Conflict
from apps.core.ids import parse_public_id
from apps.core.registries import ERASERS
from tests.factories import do


@pytest.fixture
def erased(organisation_id):
    answer = do(
        accounts.CreateCustomer(organisation_id, "person", "Ada Example", "NL", email="ada@example.com")
    )
    key = parse_public_id("pty", answer["id"])
    do(
        accounts.AddBeneficiary(
            organisation_id, name="Her Landlord", iban="NL91ABNA0417164300", customer_id=key
        )
    )
    with tenancy.scope(organisation_id):
        ERASERS.entries["accounts"](organisation_id, key)
        destroy_subject_key(organisation_id=organisation_id, subject_id=key, at=clock.database_now())
    return key


class TestErasure:
    def test_what_was_personal_is_shown_as_erased(self, erased, organisation_id):
        with tenancy.scope(organisation_id):
            told = accounts.customer_data(accounts.customer(erased))
            (payee,) = accounts.beneficiaries(organisation_id, party_id=erased)
            shown = payee.name.shown()

        assert (told["name"], told["email"], shown) == ("erased", "erased", "erased")

    def test_nothing_finds_the_customer(self, erased, organisation_id):
        with tenancy.scope(organisation_id):
            for by, value in (("email", "ada@example.com"), ("name", "Ada Example")):
                assert accounts.customers_matching(organisation_id, by=by, value=value) == []

    def test_nothing_can_be_added(self, erased, organisation_id):
        with pytest.raises(Conflict):
            do(accounts.ChangeCustomer(organisation_id, customer_id=erased, name="Ada Again"))
        with pytest.raises(Conflict):
            do(
                accounts.AddBeneficiary(
                    organisation_id, name="X", iban="DE89370400440532013000", customer_id=erased
                )
            )
