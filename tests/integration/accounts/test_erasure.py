"""A customer who is erased: nothing of the name can be read or found again."""

import pytest

from apps.accounts import public as accounts
from apps.compliance import public as compliance
from apps.core import clock, ids, tenancy
from apps.core.commands import execute
from apps.core.crypto.erasure import destroy_subject_key
from apps.core.errors import Conflict, NotFound
from apps.core.ids import parse_public_id
from apps.core.registries import ERASERS
from tests.console.world import staff
from tests.factories import do, operator


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


class TestTheCommand:
    @pytest.fixture
    def staffed(self, organisation_id):
        key = parse_public_id(
            "pty", do(accounts.CreateCustomer(organisation_id, "person", "Ada Example", "NL"))["id"]
        )
        maker = accounts.staff_actor(staff("compliance_officer", with_device=False))
        checker = accounts.staff_actor(staff("approver", with_device=False))
        return key, maker, checker

    def ask(self, organisation_id, key, maker):
        command = accounts.EraseCustomer(organisation_id, key, "asked to be forgotten")
        return execute(command, actor=maker, key=None, at=clock.database_now())

    def agree(self, organisation_id, outcome, checker):
        assert outcome.status == "pending_approval"
        command = compliance.ApproveRequest(organisation_id, outcome.answer["approval_id"])
        return execute(command, actor=checker, key=None, at=clock.database_now())

    def test_erases_when_a_second_person_agrees(self, organisation_id, staffed):
        key, maker, checker = staffed

        self.agree(organisation_id, self.ask(organisation_id, key, maker), checker)

        with tenancy.scope(organisation_id):
            assert accounts.customer_data(accounts.customer(key))["name"] == "erased"
            actions = [entry.action for entry in compliance.audit_of_object(ids.public_id("pty", key))]
        assert "accounts.erase_customer" in actions

    def test_waits_for_the_accounts_to_be_closed(self, organisation_id, staffed):
        key, maker, checker = staffed
        operator()  # whose bank code the account's IBAN carries
        do(accounts.OpenPaymentAccount(organisation_id, currency="EUR", party_id=key))

        with pytest.raises(accounts.AccountsOpen):
            self.agree(organisation_id, self.ask(organisation_id, key, maker), checker)

        with tenancy.scope(organisation_id):
            assert accounts.customer_data(accounts.customer(key))["name"] == "Ada Example"

    def test_of_another_organisation_is_not_found(self, organisation_id, staffed, make_organisation):
        key, maker, checker = staffed
        other = make_organisation().id

        with pytest.raises(NotFound):
            self.agree(other, self.ask(other, key, maker), checker)
