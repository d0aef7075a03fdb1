"""Staff: who hands out roles, and to whom not."""

import secrets

import pytest
from django.contrib.auth.hashers import make_password

from apps.accounts import public as accounts
from apps.accounts.models import User
from apps.core.actors import Actor
from apps.core.errors import Conflict, Denied, Invalid, NotFound
from apps.core.ids import parse_public_id
from tests.factories import do

HASH = make_password("correct horse battery")


def hired(role="viewer"):
    name = f"{role}-{secrets.token_hex(4)}"
    answer = do(accounts.CreateStaffUser(None, username=name, password_hash=HASH, role=role))
    return User.objects.get(id=parse_public_id("usr", answer["id"]))


@pytest.fixture
def administrator(db):
    return accounts.staff_actor(hired("administrator"))


class TestStaffActor:
    def test_it_has_the_permissions_of_the_role_and_no_organisation(self, db):
        user = hired("operator")

        actor = accounts.staff_actor(user)

        assert (actor.kind, actor.id, actor.organisation_id) == ("staff", user.public_id, None)
        assert actor.permissions == accounts.permissions_of("operator")

    def test_a_disabled_user_is_no_actor(self, db, administrator):
        user = hired()
        do(accounts.DisableUser(None, user_id=user.id), actor=administrator)
        user.refresh_from_db()

        with pytest.raises(Denied):
            accounts.staff_actor(user)

    def test_a_customer_is_no_staff(self, organisation_id):
        customer = do(accounts.CreateCustomer(organisation_id, "person", "Ada", "NL"))
        login = do(
            accounts.CreateCustomerLogin(
                organisation_id,
                customer_id=parse_public_id("pty", customer["id"]),
                username=secrets.token_hex(6),
                password_hash=HASH,
            )
        )
        with pytest.raises(Denied):
            accounts.staff_actor(User.objects.get(id=parse_public_id("usr", login["id"])))


class TestChangeStaffRole:
    def test_an_administrator_gives_another_role(self, administrator):
        user = hired("viewer")

        do(accounts.ChangeStaffRole(None, user_id=user.id, role="approver"), actor=administrator)

        user.refresh_from_db()
        assert accounts.staff_actor(user).may("payments.approve")

    def test_nobody_changes_their_own(self, administrator):
        own = parse_public_id("usr", administrator.id)

        for command in (
            accounts.ChangeStaffRole(None, user_id=own, role="operator"),
            accounts.DisableUser(None, user_id=own),
        ):
            with pytest.raises(Denied) as refusal:
                do(command, actor=administrator)
            assert refusal.value.code == "own_account"

    @pytest.mark.parametrize(
        "role", ["viewer", "operator", "approver", "ledger_accountant", "integrations", "compliance_officer"]
    )
    def test_only_an_administrator_may(self, db, role):
        with pytest.raises(Denied):
            do(
                accounts.ChangeStaffRole(None, user_id=hired().id, role="operator"),
                actor=accounts.staff_actor(hired(role)),
            )

    def test_an_api_client_never_may(self, organisation_id):
        client = Actor("api", "cli_x", organisation_id, frozenset({"staff.write"}))

        with pytest.raises(Denied):
            do(accounts.ChangeStaffRole(None, user_id=hired().id, role="operator"), actor=client)

    def test_unknown_roles_and_users_are_refused(self, administrator, organisation_id):
        with pytest.raises(Invalid):
            do(accounts.ChangeStaffRole(None, user_id=hired().id, role="root"), actor=administrator)
        with pytest.raises(NotFound):
            do(accounts.ChangeStaffRole(None, user_id=organisation_id, role="viewer"), actor=administrator)


class TestCreateStaffUser:
    def test_a_name_is_taken_once(self, db):
        user = hired()

        with pytest.raises(Conflict):
            do(accounts.CreateStaffUser(None, username=user.username, password_hash=HASH, role="viewer"))

    @pytest.mark.parametrize(
        "given", [{"password_hash": "correct horse battery"}, {"username": ""}, {"username": "a\x00b"}]
    )
    def test_bad_input_is_refused(self, db, given):
        with pytest.raises(Invalid):
            do(
                accounts.CreateStaffUser(
                    None, **({"username": "x", "password_hash": HASH, "role": "viewer"} | given)
                )
            )

    def test_the_database_knows_no_superuser(self, db, owner_sql):
        import psycopg

        with pytest.raises(psycopg.errors.CheckViolation):
            owner_sql("UPDATE accounts_user SET is_superuser = true WHERE id = %s", [hired().id])


class TestOpenOrganisation:
    def test_there_is_one_operator(self, db):
        from tests.factories import operator

        operator()
        with pytest.raises(Conflict):
            do(accounts.OpenOrganisation(None, "Second", "NL", kind="operator", bank_code="BZNT"))

    @pytest.mark.parametrize("given", [{"country": "Narnia"}, {"name": ""}, {"kind": "charity"}])
    def test_bad_input_is_refused(self, db, given):
        with pytest.raises(Invalid):
            do(accounts.OpenOrganisation(None, **({"name": "Acme", "country": "NL"} | given)))

    def test_an_organisation_cannot_open_another(self, organisation_id):
        client = Actor("api", "cli_x", organisation_id, frozenset({"organisations.write"}))

        with pytest.raises(Denied):
            do(accounts.OpenOrganisation(None, "Acme", "NL"), actor=client)
