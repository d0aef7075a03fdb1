"""The token endpoint and its neighbours, as programs and attackers meet them."""

import io
import json

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client

from apps.authz import public as authz
from apps.authz.models import AccessToken, Application
from apps.core import tenancy
from apps.core.errors import Conflict, Invalid
from apps.core.ids import public_id
from apps.core.models import StoredAnswer
from tests.callers import FORM, Program, basic, post_form, register, token_for
from tests.factories import do, operator

OWN = {"grant_type": "client_credentials"}


@pytest.fixture
def registered(organisation_id):
    operator()
    return register(organisation_id, "accounts.read", "payments.read", "openid")


class TestClientCredentials:
    def test_a_token_has_the_registered_scopes_and_lives_ten_minutes(self, registered):
        told = post_form("/oauth/token", OWN, basic(*registered)).json()

        assert (told["token_type"], told["expires_in"]) == ("Bearer", 600)
        assert told["scope"].split() == ["accounts.read", "payments.read"]
        assert "refresh_token" not in told

    def test_fewer_scopes_can_be_asked_for_and_others_cannot(self, registered):
        fewer = post_form("/oauth/token", OWN | {"scope": "accounts.read"}, basic(*registered))
        more = post_form("/oauth/token", OWN | {"scope": "accounts.write"}, basic(*registered))

        assert fewer.json()["scope"] == "accounts.read"
        assert (more.status_code, more.json()["error"]) == (400, "invalid_scope")

    def test_the_secret_may_stand_in_the_body(self, registered):
        client_id, secret = registered

        assert (
            post_form("/oauth/token", OWN | {"client_id": client_id, "client_secret": secret}).status_code
            == 200
        )

    @pytest.mark.parametrize("secret", ["", "wrong", "x" * 10_000, "a\x00b", "é"])
    def test_a_wrong_secret_is_refused(self, registered, secret):
        answer = post_form("/oauth/token", OWN, basic(registered[0], secret))

        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    def test_the_stored_digest_is_no_secret(self, registered):
        with tenancy.scope(tenancy.PLATFORM):
            digest = Application.objects.get(client_id=registered[0]).client_secret

        assert post_form("/oauth/token", OWN, basic(registered[0], digest)).status_code == 401

    @pytest.mark.parametrize("client_id", ["", "nobody", "a\x00b", "x" * 1_000, "cli_' OR 1=1"])
    def test_an_unknown_client_is_refused(self, registered, client_id):
        assert post_form("/oauth/token", OWN, basic(client_id, registered[1])).status_code in (400, 401)

    @pytest.mark.parametrize(
        ("data", "error"),
        [
            ({}, "invalid_request"),
            ({"grant_type": "password", "username": "x", "password": "y"}, "unsupported_grant_type"),
            ({"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}, "unsupported_grant_type"),
            (
                {"grant_type": "authorization_code", "code": "x", "redirect_uri": "https://x"},
                "unauthorized_client",
            ),
            ({"grant_type": "refresh_token", "refresh_token": "x"}, "unauthorized_client"),
            (OWN | {"scope": "a\x00b"}, "invalid_request"),
            (OWN | {"scope": "x" * 5_000}, "invalid_request"),
            (OWN | {"resource": "https://api.example"}, "invalid_target"),
        ],
    )
    def test_what_cannot_be_meant_is_named(self, registered, data, error):
        answer = post_form("/oauth/token", data, basic(*registered))

        assert answer.status_code == 400
        assert answer.json()["error"] == error
        assert answer.headers["Cache-Control"] == "no-store"

    def test_only_a_form_in_the_body_is_read(self, registered):
        headers = basic(*registered)

        assert Client().get("/oauth/token", OWN, headers=headers).status_code == 405
        assert (
            Client().post("/oauth/token?grant_type=client_credentials", "", FORM, headers=headers).status_code
            == 400
        )
        assert (
            Client().post("/oauth/token", json.dumps(OWN), "application/json", headers=headers).status_code
            == 400
        )
        doubled = "grant_type=client_credentials&scope=accounts.read&scope=payments.read"
        assert Client().post("/oauth/token", doubled, FORM, headers=headers).status_code == 400

    def test_a_token_works_in_no_address(self, registered):
        token = token_for(*registered)

        assert Client().get(f"/api/v1/accounts?access_token={token}").status_code == 401

    @pytest.mark.parametrize(
        "header", ["Bearer", "Bearer a b", "Bearer " + "x" * 600, "bearer \xff", "Basic eDp5", "Bearer a\x00"]
    )
    def test_a_header_that_is_no_token_is_refused(self, registered, header):
        assert Client().get("/api/v1/accounts", headers={"Authorization": header}).status_code == 401


class TestEndOfATokensLife:
    def test_it_expires(self, registered, owner_sql):
        token = token_for(*registered)
        owner_sql(
            "UPDATE authz_accesstoken SET expires = now() WHERE token_checksum = %s", [authz.digest_of(token)]
        )

        assert authz.find_holder(token) is None

    def test_its_client_revokes_it_and_no_other_does(self, registered, organisation_id):
        token, other = token_for(*registered), register(organisation_id, "accounts.read")

        assert post_form("/oauth/revoke", {"token": token}, basic(*other)).status_code == 200
        assert authz.find_holder(token) is not None
        assert post_form("/oauth/revoke", {"token": token}, basic(*registered)).status_code == 200
        assert authz.find_holder(token) is None

    def test_a_disabled_client_has_none_and_gets_none(self, registered, organisation_id):
        token = token_for(*registered)

        do(authz.DisableApiClient(organisation_id, client_id=registered[0]))

        assert authz.find_holder(token) is None
        assert post_form("/oauth/token", OWN, basic(*registered)).status_code == 401
        with pytest.raises(Conflict):
            do(authz.DisableApiClient(organisation_id, client_id=registered[0]))

    def test_another_secret_ends_the_former(self, registered, organisation_id):
        secret = authz.new_client_secret()

        do(
            authz.RotateClientSecret(
                organisation_id, client_id=registered[0], secret_digest=authz.digest_of(secret)
            )
        )

        assert post_form("/oauth/token", OWN, basic(*registered)).status_code == 401
        assert post_form("/oauth/token", OWN, basic(registered[0], secret)).status_code == 200

    def test_expired_ones_are_cleared_away(self, registered, owner_sql):
        from apps.authz.tasks import clear_expired_tokens

        token = token_for(*registered)
        digest = authz.digest_of(token)
        owner_sql(
            "UPDATE authz_accesstoken SET expires = now() - interval '2 days' WHERE token_checksum = %s",
            [digest],
        )

        clear_expired_tokens()

        with tenancy.scope(tenancy.PLATFORM):
            assert not AccessToken.objects.filter(token_checksum=digest).exists()


class TestIntrospection:
    def test_a_client_learns_about_a_token_of_its_organisation(self, registered):
        told = post_form("/oauth/introspect", {"token": token_for(*registered)}, basic(*registered)).json()

        assert told["active"] is True
        assert (told["client_id"], told["iss"]) == (registered[0], settings.ISSUER)

    def test_a_token_of_another_organisation_is_not_active(self, registered, make_organisation):
        stranger = register(make_organisation().id, "accounts.read")

        told = post_form("/oauth/introspect", {"token": token_for(*registered)}, basic(*stranger)).json()

        assert told == {"active": False}

    def test_nobody_asks_without_a_secret(self, registered):
        assert (
            post_form("/oauth/introspect", {"token": "x"}, basic(registered[0], "wrong")).status_code == 401
        )


class TestMetadata:
    @pytest.mark.parametrize(
        "path",
        [
            "/.well-known/oauth-authorization-server",
            "/.well-known/oauth-authorization-server/oauth",
            "/.well-known/openid-configuration",
            "/oauth/.well-known/openid-configuration",
        ],
    )
    def test_it_names_the_issuer_of_the_settings_whatever_the_host(self, db, path):
        told = Client(headers={"Host": "localhost"}).get(path).json()

        assert told["issuer"] == settings.ISSUER
        assert told["code_challenge_methods_supported"] == ["S256"]
        assert told["response_types_supported"] == ["code"]
        assert told["id_token_signing_alg_values_supported"] == ["ES256"]

    def test_every_endpoint_it_names_is_there(self, db):
        told = Client().get("/.well-known/openid-configuration").json()

        for name, address in told.items():
            if name.endswith("_endpoint") or name == "jwks_uri":
                assert Client().get("/oauth" + address.removeprefix(settings.ISSUER)).status_code != 404, name

    def test_the_key_set_has_no_private_half(self, db):
        for key in Client().get("/oauth/jwks").json()["keys"]:
            assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


class TestRegisterApiClient:
    @pytest.mark.parametrize(
        "given",
        [
            {"scopes": ()},
            {"scopes": ("everything",)},
            {"scopes": ("clients.write",)},
            {"name": ""},
            {"name": "a\x00b"},
            {"grant_types": ()},
            {"grant_types": ("password",)},
            {"grant_types": ("refresh-token",)},
            {"secret_digest": ""},
            {"secret_digest": "a secret in clear"},
            {"redirect_uris": ("https://x.example",)},
            {"public": True},
            {"grant_types": ("authorization-code",)},
        ],
    )
    def test_bad_input_registers_nothing(self, organisation_id, given):
        fine = {"name": "Shop", "scopes": ("accounts.read",), "secret_digest": authz.digest_of("x")}

        with pytest.raises(Invalid):
            do(authz.RegisterApiClient(organisation_id, **(fine | given)))

        with tenancy.scope(organisation_id):
            assert not authz.clients(organisation_id).exists()

    @pytest.mark.parametrize(
        "uri",
        [
            "http://client.example/cb",
            "https://",
            "javascript:alert(1)",
            "https://x.example/#f",
            "https://u:p@x.example/",
            "https://*.example/",
            "https://x.example/ y",
            "//x.example",
            "https://[::1",
            "a" * 600,
        ],
    )
    def test_an_address_that_a_code_must_not_go_to_is_refused(self, organisation_id, uri):
        with pytest.raises(Invalid):
            do(
                authz.RegisterApiClient(
                    organisation_id,
                    name="Shop",
                    scopes=("openid",),
                    secret_digest=authz.digest_of("x"),
                    grant_types=("authorization-code",),
                    redirect_uris=(uri,),
                )
            )

    def test_the_command_line_shows_the_secret_once_and_nothing_keeps_it(self, organisation_id):
        out = io.StringIO()
        call_command(
            "create_api_client",
            organisation=public_id("org", organisation_id),
            name="Tour",
            scopes="accounts.read,payments.read",
            json=True,
            stdout=out,
        )
        made = json.loads(out.getvalue())

        assert (
            authz.find_holder(token_for(made["client_id"], made["client_secret"])).organisation_id
            == organisation_id
        )
        with tenancy.scope(tenancy.PLATFORM):
            assert made["client_secret"] not in str(
                list(StoredAnswer.objects.values_list("answer", flat=True))
            )

    @pytest.mark.parametrize(("whose", "scopes"), [("org_x", "accounts.read"), (None, "nonsense")])
    def test_the_command_line_refuses_in_a_sentence(self, organisation_id, whose, scopes):
        with pytest.raises(CommandError):
            call_command(
                "create_api_client",
                organisation=whose or public_id("org", organisation_id),
                name="Tour",
                scopes=scopes,
            )


class TestBearer:
    def test_finding_the_holder_is_one_question(self, registered):
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        token = token_for(*registered)
        with CaptureQueriesContext(
            connection,
        ) as questions:
            authz.find_holder(token)

        assert len(questions) == 1

    def test_a_scope_taken_from_the_client_is_gone_from_its_tokens(self, organisation_id, owner_sql):
        operator()
        program = Program(organisation_id, "accounts.read", "customers.read")
        owner_sql(
            "UPDATE authz_application SET allowed_scopes = '{accounts.read}' WHERE client_id = %s",
            [program.client_id],
        )

        assert program.get("customers").status_code == 403
        assert program.get("accounts").status_code == 200
