"""The authorization code flow with PKCE, as a client, a customer and an attacker meet it."""

import base64
import hashlib
import json
import secrets
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.test import Client
from jwcrypto import jwk, jwt

from apps.accounts import public as accounts
from apps.authz.models import AccessToken, Grant
from apps.core import tenancy
from apps.core.ids import parse_public_id
from tests.callers import Program, basic, post_form, register
from tests.factories import do, operator

URI = "https://client.example/callback"
PASSWORD = "correct horse battery"


class Person:
    """A customer with a browser."""

    def __init__(self, organisation_id):
        customer = do(accounts.CreateCustomer(organisation_id, "person", "Ada Example", "NL"))
        self.party_id = parse_public_id("pty", customer["id"])
        self.username = f"ada-{secrets.token_hex(6)}"
        self.user_id = do(
            accounts.CreateCustomerLogin(
                organisation_id,
                customer_id=self.party_id,
                username=self.username,
                password_hash=make_password(PASSWORD),
            )
        )["id"]
        # From a place of their own: logins are limited per address.
        self.browser = Client(
            REMOTE_ADDR=f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
        )

    def log_in(self, address, password=PASSWORD):
        return self.browser.post(address, {"username": self.username, "password": password})


class Requester:
    """A registered client that knows how to ask."""

    def __init__(self, organisation_id, *scopes, grants=("authorization-code",), public=False):
        self.id, self.secret = register(
            organisation_id,
            *(scopes or ("openid", "accounts.read")),
            grant_types=grants,
            redirect_uris=(URI,),
            public=public,
        )
        self.verifier = secrets.token_urlsafe(48)
        self.challenge = (
            base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")
        )

    def address(self, **changes):
        asked = {
            "client_id": self.id,
            "redirect_uri": URI,
            "response_type": "code",
            "scope": "openid accounts.read",
            "state": "s-1",
            "nonce": "n-1",
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
        } | changes
        return "/oauth/authorize?" + urlencode(
            {name: value for name, value in asked.items() if value is not None}
        )

    def redeem(self, code, **changes):
        data = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": URI,
            "code_verifier": self.verifier,
        }
        given = {name: value for name, value in (data | changes).items() if value is not None}
        if not self.secret:
            return post_form("/oauth/token", given | {"client_id": self.id})
        return post_form("/oauth/token", given, basic(self.id, self.secret))


@pytest.fixture
def person(organisation_id):
    operator()
    return Person(organisation_id)


@pytest.fixture
def client(organisation_id):
    return Requester(organisation_id)


def returned(answer):
    """Return what the browser brings back to the client."""
    assert answer.status_code == 302, answer.content
    assert answer.headers["Location"].startswith(URI)
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


def consent_page(person, client, **changes):
    login = person.browser.get(client.address(**changes))
    assert login.status_code == 302, login.content
    consent = person.log_in(login.headers["Location"])
    assert consent.status_code == 302, consent.content
    return consent.headers["Location"]


def code_for(person, client, **changes):
    return returned(person.browser.post(consent_page(person, client, **changes), {"decision": "allow"}))[
        "code"
    ]


class TestTheFlow:
    def test_a_customer_logs_in_consents_and_the_client_gets_tokens(self, person, client):
        consent = consent_page(person, client)
        page = person.browser.get(consent)
        assert b"Test program" in page.content and b"Read payment accounts" in page.content
        assert "form-action 'self' https://client.example;" in page.headers["Content-Security-Policy"]

        told = returned(person.browser.post(consent, {"decision": "allow"}))
        assert (told["state"], told["iss"]) == ("s-1", settings.ISSUER)

        tokens = client.redeem(told["code"]).json()
        assert tokens["expires_in"] == 600 and "refresh_token" not in tokens
        keys = jwk.JWKSet.from_json(Client().get("/oauth/jwks").content.decode())
        claims = json.loads(jwt.JWT(jwt=tokens["id_token"], key=keys, algs=["ES256"]).claims)
        assert (claims["iss"], claims["aud"], claims["nonce"]) == (settings.ISSUER, client.id, "n-1")
        assert claims["sub"] == person.user_id
        answer = Client().get(
            "/oauth/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"}
        )
        assert answer.json() == {"sub": person.user_id}

    def test_the_token_shows_the_customers_own_accounts_alone(self, person, client, organisation_id):
        own = do(accounts.OpenPaymentAccount(organisation_id, currency="EUR", party_id=person.party_id))
        other = do(accounts.OpenPaymentAccount(organisation_id, currency="EUR"))

        caller = Program.__new__(Program).use(client.redeem(code_for(person, client)).json()["access_token"])

        assert [row["id"] for row in caller.get("accounts").json()["items"]] == [own["id"]]
        assert caller.get(f"accounts/{own['id']}/balance").status_code == 200
        assert caller.get(f"accounts/{other['id']}").status_code == 404
        assert caller.get("customers").status_code == 403
        assert caller.get("payments").status_code == 403

    def test_a_refusal_goes_back_with_state_and_issuer(self, person, client):
        told = returned(person.browser.post(consent_page(person, client), {"decision": "deny"}))

        assert told == {"error": "access_denied", "state": "s-1", "iss": settings.ISSUER}

    def test_a_public_client_proves_itself_by_the_verifier_and_rotates(self, person, organisation_id):
        client = Requester(organisation_id, grants=("authorization-code", "refresh-token"), public=True)
        first = client.redeem(code_for(person, client)).json()

        again = {"grant_type": "refresh_token", "client_id": client.id}
        second = post_form("/oauth/token", again | {"refresh_token": first["refresh_token"]}).json()
        assert second["refresh_token"] != first["refresh_token"]

        replay = post_form("/oauth/token", again | {"refresh_token": first["refresh_token"]})
        assert replay.json()["error"] == "invalid_grant"
        third = post_form("/oauth/token", again | {"refresh_token": second["refresh_token"]})
        assert third.json()["error"] == "invalid_grant"

    def test_a_confidential_client_keeps_its_refresh_token(self, person, organisation_id):
        client = Requester(organisation_id, grants=("authorization-code", "refresh-token"))
        first = client.redeem(code_for(person, client)).json()

        data = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        second = post_form("/oauth/token", data, basic(client.id, client.secret)).json()

        assert second["refresh_token"] == first["refresh_token"]
        assert second["access_token"] != first["access_token"]

    def test_a_disabled_customer_loses_the_tokens(self, person, client):
        token = client.redeem(code_for(person, client)).json()["access_token"]

        do(accounts.DisableUser(None, user_id=parse_public_id("usr", person.user_id)))

        assert (
            Client().get("/oauth/userinfo", headers={"Authorization": f"Bearer {token}"}).status_code == 401
        )

    def test_nothing_that_is_stored_could_be_used(self, person, client):
        code = code_for(person, client)
        token = client.redeem(code).json()["access_token"]

        with tenancy.scope(tenancy.PLATFORM):
            stored = [
                *AccessToken.objects.values_list("token", "token_checksum"),
                *Grant.objects.values_list("code"),
            ]
        assert code not in str(stored) and token not in str(stored)


class TestCodes:
    def test_a_second_use_revokes_what_the_first_gave(self, person, client):
        code = code_for(person, client)
        token = client.redeem(code).json()["access_token"]

        assert client.redeem(code).json()["error"] == "invalid_grant"
        assert (
            Client().get("/oauth/userinfo", headers={"Authorization": f"Bearer {token}"}).status_code == 401
        )

    @pytest.mark.parametrize(
        "changes",
        [
            {"code_verifier": None},
            {"code_verifier": "x" * 43},
            {"redirect_uri": "https://client.example/other"},
        ],
    )
    def test_a_wrong_use_is_invalid_grant_and_the_last(self, person, client, changes):
        code = code_for(person, client)

        assert client.redeem(code, **changes).json()["error"] in ("invalid_grant", "invalid_request")
        assert client.redeem(code).json()["error"] == "invalid_grant"

    def test_a_missing_verifier_is_invalid_grant(self, person, client):
        assert client.redeem(code_for(person, client), code_verifier=None).json()["error"] == "invalid_grant"

    def test_another_client_cannot_use_it(self, person, client, organisation_id):
        code = code_for(person, client)
        other = Requester(organisation_id)
        other.verifier = client.verifier

        assert other.redeem(code).json()["error"] == "invalid_grant"
        assert client.redeem(code).status_code == 200

    def test_of_parallel_uses_one_at_most_gives_a_token(self, person, client, in_threads):
        code = code_for(person, client)

        answers = in_threads(lambda _: client.redeem(code).status_code, range(6))

        assert sorted(answers) == [200, 400, 400, 400, 400, 400]
        with tenancy.scope(tenancy.PLATFORM):
            assert AccessToken.objects.filter(application__client_id=client.id).count() <= 1


class TestRequests:
    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
            ({"code_challenge_method": "plain"}, "invalid_request"),
            ({"code_challenge": "short"}, "invalid_request"),
            ({"response_type": "token"}, "unauthorized_client"),
            ({"response_type": "code id_token"}, "unauthorized_client"),
            ({"scope": "payments.write"}, "invalid_scope"),
            ({"scope": "accounts.write"}, "invalid_scope"),
            ({"request": "x.y.z"}, "request_not_supported"),
            ({"request_uri": "urn:x"}, "request_uri_not_supported"),
            ({"prompt": "none"}, "login_required"),
        ],
    )
    def test_what_is_wrong_goes_back_with_the_issuer(self, person, organisation_id, changes, error):
        client = Requester(organisation_id, "openid", "accounts.read", "accounts.write", "payments.write")

        told = returned(person.browser.get(client.address(**changes)))

        assert told["iss"] == settings.ISSUER and told["state"] == "s-1"
        assert told["error"] == error or told["error"] == "unsupported_response_type"

    @pytest.mark.parametrize(
        "changes",
        [
            {"redirect_uri": "https://evil.example/"},
            {"redirect_uri": URI + "/"},
            {"redirect_uri": URI + "?x=1"},
            {"redirect_uri": None},
            {"client_id": "cli_unknown"},
            {"client_id": None},
            {"client_id": "a\x00b"},
            {"nonce": "n" * 256},
            {"nonce": "a\x00b"},
            {"state": "s" * 3000},
            {"scope": "open\x00id"},
        ],
    )
    def test_what_cannot_be_trusted_goes_nowhere(self, person, client, changes):
        answer = person.browser.get(client.address(**changes))

        assert answer.status_code == 400
        assert b"This cannot be done" in answer.content

    def test_a_parameter_said_twice_goes_nowhere(self, person, client):
        assert person.browser.get(client.address() + "&scope=openid").status_code == 400

    def test_the_form_cannot_change_what_was_asked(self, person, client):
        consent = consent_page(person, client, scope="openid")

        code = returned(
            person.browser.post(
                consent,
                {
                    "decision": "allow",
                    "scope": "openid accounts.read",
                    "client_id": "x",
                    "redirect_uri": "https://evil",
                },
            )
        )["code"]

        assert client.redeem(code).json()["scope"] == "openid"

    def test_a_decision_counts_once(self, person, client):
        consent = consent_page(person, client)
        person.browser.post(consent, {"decision": "allow"})

        assert person.browser.post(consent, {"decision": "allow"}).status_code == 400

    def test_another_browser_cannot_decide(self, person, client):
        assert Client().post(consent_page(person, client), {"decision": "allow"}).status_code == 400

    def test_a_form_from_elsewhere_is_refused(self, person, client):
        consent = consent_page(person, client)
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = person.browser.cookies

        assert strict.post(consent, {"decision": "allow"}).status_code == 403

    def test_a_client_of_another_organisation_gets_nothing(self, person, make_organisation):
        stranger = Requester(make_organisation().id)
        login = person.browser.get(stranger.address())
        consent = person.log_in(login.headers["Location"]).headers["Location"]

        assert returned(person.browser.post(consent, {"decision": "allow"}))["error"] == "access_denied"

    def test_a_fresh_login_can_be_demanded(self, person, client):
        code_for(person, client)

        assert person.browser.get(client.address()).headers["Location"].startswith("/oauth/consent")
        for demand in ({"prompt": "login"}, {"max_age": "0"}):
            assert person.browser.get(client.address(**demand)).headers["Location"].startswith("/oauth/login")


class TestLogin:
    def test_staff_cannot_log_in_here(self, person, client):
        name = f"staff-{secrets.token_hex(4)}"
        do(
            accounts.CreateStaffUser(
                None, username=name, password_hash=make_password(PASSWORD), role="viewer"
            )
        )
        address = person.browser.get(client.address()).headers["Location"]

        answer = person.browser.post(address, {"username": name, "password": PASSWORD})

        assert answer.status_code == 401

    def test_the_staffs_cookie_is_left_alone(self, person, client):
        code_for(person, client)

        assert settings.SESSION_COOKIE_NAME not in person.browser.cookies
        cookie = person.browser.cookies["customer"]
        assert (cookie["samesite"], cookie["httponly"], cookie["path"]) == ("Lax", True, "/oauth")

    @pytest.mark.parametrize(
        "given",
        [
            {"username": "", "password": ""},
            {"username": "a\x00b", "password": "x"},
            {"username": "x" * 1_000_000, "password": "x"},
            {"username": "x", "password": "y" * 100_000},
            {},
        ],
    )
    def test_nonsense_fails_like_a_wrong_password(self, person, client, given):
        address = person.browser.get(client.address()).headers["Location"]

        assert person.browser.post(address, given).status_code == 401

    def test_guessing_is_locked_out_although_the_last_guess_is_right(self, person, client):
        address = person.browser.get(client.address()).headers["Location"]

        answers = [person.log_in(address, password=f"guess {number}").status_code for number in range(5)]

        assert answers[:4] == [401] * 4
        assert person.log_in(address).status_code in (403, 429)
