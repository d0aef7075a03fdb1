"""Coming in: both factors or nothing."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.hashers import make_password
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.accounts.public import User
from apps.compliance.public import audit_of_object
from apps.console import site
from apps.core import clock, ids, tenancy
from tests.console.world import PASSWORD, browser, code_of, staff

LOGIN, CODE, SETUP = "/console/login/", "/console/login/code/", "/console/login/setup/"


def first_factor(client, user: User, password: str = PASSWORD):
    return client.post(LOGIN, {"username": user.username, "password": password})


class TestThePassword:
    def test_leads_to_the_code_and_logs_nobody_in_by_itself(self, db):
        client, user = browser(), staff("viewer")

        answer = first_factor(client, user)

        assert answer["Location"] == CODE
        assert "_auth_user_id" not in client.session
        assert client.get("/console/")["Location"].startswith(LOGIN)

    def test_of_a_customer_is_as_wrong_as_any(self, db):
        user = User.objects.create(
            id=ids.uuid7(clock.database_now()),
            username=f"customer-{ids.uuid7(clock.database_now())}",
            kind="customer",
            password=make_password(PASSWORD),
        )

        answer = first_factor(browser(), user)

        assert answer.status_code == 200
        assert "correct username and password" in answer.content.decode()

    def test_of_a_disabled_user_is_as_wrong_as_any(self, db):
        user = staff("viewer")
        User.objects.filter(pk=user.pk).update(is_active=False)

        assert first_factor(browser(), user).status_code == 200

    def test_wrong_five_times_locks_the_name_out(self, db):
        client, user = browser(), staff("viewer")

        statuses = [first_factor(client, user, "wrong").status_code for _ in range(6)]

        assert statuses[0] == 200
        assert statuses[-1] == 429
        assert first_factor(client, user).status_code == 429

    @pytest.mark.parametrize("name", ["", "\0", "x" * 5_000, "’; DROP TABLE"])
    def test_bad_names_are_refused_in_words(self, db, name):
        assert browser().post(LOGIN, {"username": name, "password": "p"}).status_code == 200


class TestTheCode:
    def test_lets_in_and_is_audited(self, logged_in):
        client = logged_in("viewer")

        assert client.get("/console/").status_code == 200
        with tenancy.scope(tenancy.PLATFORM):
            (entry,) = audit_of_object(client.user.public_id, limit=1)
        assert (entry.action, entry.outcome) == ("console.log_in", "done")

    def test_is_refused_when_wrong_and_makes_guessers_wait(self, db):
        client, user = browser(), staff("viewer")
        first_factor(client, user)

        wrong = client.post(CODE, {"code": "000000"})
        again = client.post(CODE, {"code": "000001"})

        assert "not the present code" in wrong.content.decode()
        assert "wait a moment" in again.content.decode()
        assert "_auth_user_id" not in client.session

    def test_works_once(self, db):
        user = staff("viewer")
        code = code_of(user)
        for client, lets_in in ((browser(), True), (browser(), False)):
            first_factor(client, user)
            answer = client.post(CODE, {"code": code})
            assert (answer.status_code == 302) is lets_in

    def test_needs_the_password_first(self, db):
        assert browser().get(CODE)["Location"] == LOGIN
        assert browser().get(SETUP)["Location"] == LOGIN

    def test_leads_only_to_pages_of_the_console(self, db):
        user, client = staff("viewer"), browser()
        client.post(f"{LOGIN}?next=//evil.example/", {"username": user.username, "password": PASSWORD})

        assert client.post(CODE, {"code": code_of(user)})["Location"] == "/console/"

    def test_leads_to_the_page_that_was_asked_for(self, db):
        user, client = staff("viewer"), browser()
        client.post(f"{LOGIN}?next=/console/payments/", {"username": user.username, "password": PASSWORD})

        assert client.post(CODE, {"code": code_of(user)})["Location"] == "/console/payments/"


class TestTheFirstLogin:
    def test_sets_the_second_factor_up_from_the_secret_on_the_page(self, db):
        client, user = browser(), staff("viewer", with_device=False)
        first_factor(client, user)

        page = client.get(SETUP).content.decode()
        device = TOTPDevice.objects.get(user=user)
        code = f"{TOTP(device.bin_key).token():06d}"
        answer = client.post(SETUP, {"code": code})

        assert "<svg" in page and 'style="' not in page
        assert len(re.search(r'class="secret">([A-Z2-7 ]+)<', page)[1].replace(" ", "")) == 32
        assert answer["Location"] == "/console/"
        assert TOTPDevice.objects.get(user=user).confirmed

    def test_shows_no_secret_once_there_is_a_device(self, db):
        client, user = browser(), staff("viewer")
        first_factor(client, user)

        assert client.get(SETUP)["Location"] == CODE


class TestTheSession:
    def test_ends_after_a_working_day(self, logged_in, monkeypatch):
        client = logged_in("viewer")

        monkeypatch.setattr(site, "SESSION_LONGEST", timedelta(0))

        assert client.get("/console/")["Location"].startswith(LOGIN)

    def test_ends_when_the_user_is_disabled(self, logged_in):
        client = logged_in("viewer")

        User.objects.filter(pk=client.user.pk).update(is_active=False)

        assert client.get("/console/")["Location"].startswith(LOGIN)

    def test_loses_pages_with_the_role(self, logged_in):
        client = logged_in("viewer")

        User.objects.filter(pk=client.user.pk).update(role="administrator")

        assert client.get("/console/payments/").status_code == 403

    def test_is_ended_by_a_form_and_not_by_a_link(self, logged_in):
        client = logged_in("viewer")

        assert client.get("/console/logout/").status_code == 403
        assert client.post("/console/logout/")["Location"] == LOGIN
        assert client.get("/console/")["Location"].startswith(LOGIN)

    def test_idles_a_quarter_of_an_hour_at_most(self, logged_in):
        assert logged_in("viewer").session.get_expiry_age() == 15 * 60

    def test_needs_the_token_of_our_own_forms(self, db):
        client = browser(enforce_csrf_checks=True)

        answer = client.post(LOGIN, {"username": "a", "password": "b"})

        assert answer.status_code == 403
        assert "style" not in answer.content.decode().replace("stylesheet", "")
