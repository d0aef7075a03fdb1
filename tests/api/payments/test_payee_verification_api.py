"""Verification of payee over the API, and payouts that confirm one or choose their rail."""

import json
import uuid
from datetime import timedelta

import psycopg
import pytest

from apps.accounts import public as accounts
from apps.core import clock, tenancy
from apps.core.errors import Refusal
from apps.core.ids import parse_public_id, public_id
from apps.core.money import Money
from apps.payments import payee_verification, transport
from apps.payments import public as payments
from apps.payments.commands import AnswerPayeeVerification, RequestPayeeVerification
from apps.payments.domain.payee import Result
from apps.payments.models_instant import PayeeVerification, ProviderCircuit
from apps.payments.payee_verification import Finding, read_answer, verify_payee
from apps.payments.transport import Reply
from tests import factories
from tests.api.payments.test_payments_api import PAYOUT, Caller, payout, transfer
from tests.factories import do
from tests.instants import URLS, Line

THEIRS = {"name": "Ada Lovelace", "iban": "NL91ABNA0417164300"}


@pytest.fixture
def merchant(db):
    with tenancy.scope(tenancy.PLATFORM):
        ProviderCircuit.objects.all().delete()
    return factories.merchant(funded_minor=100_000, limit_minor=50_000)


@pytest.fixture
def caller(merchant):
    return Caller(merchant.id)


@pytest.fixture
def directory(settings, monkeypatch):
    """Connect a provider that knows who has the account, and count what it is asked."""
    settings.PROVIDER_URLS = URLS
    counter = Line().counter
    counter.directory = {THEIRS["iban"]: "Ada Lovelace", PAYOUT["iban"]: "Ada Lovelace"}
    asked = []

    def post(url, body, *, content_type, total_s):
        asked.append(json.loads(body))
        return Reply(reached=True, body=counter.verify(body))

    monkeypatch.setattr(transport, "post", post)
    return asked


def own_iban(merchant):
    with tenancy.scope(merchant.id):
        return accounts.payment_account(merchant.accounts[0]).iban


class TestAVerification:
    @pytest.mark.parametrize(
        ("name", "result", "told"),
        [
            ("Ada Lovelace", "match", None),
            ("Ada Lovelacce", "close_match", "Ada Lovelace"),
            ("Charles Babbage", "no_match", None),
        ],
    )
    def test_asks_the_provider_and_tells_the_name_for_a_close_match_alone(
        self, caller, directory, name, result, told
    ):
        answer = caller.post("payee-verifications", {**THEIRS, "name": name})

        body = answer.json()
        assert (answer.status_code, body["result"], body["matched_name"]) == (201, result, told)
        assert caller.get(f"payee-verifications/{body['id']}").json() == body

    @pytest.mark.parametrize(("name", "result"), [("Ada Example", "match"), ("Bob Builder", "no_match")])
    def test_of_an_account_of_ours_is_answered_by_ourselves(self, merchant, caller, directory, name, result):
        answer = caller.post("payee-verifications", {"name": name, "iban": own_iban(merchant)}).json()

        assert (answer["result"], answer["provider"], directory) == (result, "own", [])

    def test_of_a_closed_account_is_no_match(self, merchant, caller):
        iban = own_iban(factories.merchant(accounts_count=1))
        with tenancy.scope(tenancy.PLATFORM):
            account = accounts.payment_account_by_iban(iban)
        do(accounts.ClosePaymentAccount(account.organisation_id, account.id))

        assert caller.post("payee-verifications", {"name": "Ada Example", "iban": iban}).json()["result"] == (
            "no_match"
        )

    def test_without_a_provider_is_not_possible(self, caller, settings):
        settings.PROVIDER_URLS = {}

        assert caller.post("payee-verifications", THEIRS).json()["result"] == "not_possible"

    def test_asks_once_for_the_same_key(self, caller, directory):
        first = caller.post("payee-verifications", THEIRS, key="v1")
        again = caller.post("payee-verifications", THEIRS, key="v1")
        other = caller.post("payee-verifications", {**THEIRS, "name": "Eve"}, key="v1")

        assert (again.json(), len(directory)) == (first.json(), 1)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")

    def test_that_a_crash_left_without_an_answer_is_asked_again(self, merchant, directory):
        actor = merchant.client("payments.write")
        do(RequestPayeeVerification(merchant.id, **THEIRS), actor=actor, key="crashed")

        key, replayed = verify_payee(merchant.id, **THEIRS, actor=actor, key="crashed")

        with tenancy.scope(merchant.id):
            assert (PayeeVerification.objects.get(pk=key).result, replayed) == ("match", True)

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({}, 400),
            ({"name": "Ada"}, 400),
            ({"name": "", "iban": THEIRS["iban"]}, 400),
            ({"name": "x" * 71, "iban": THEIRS["iban"]}, 400),
            ({"name": "Ada", "iban": "NL00ABNA0417164300"}, 422),
            ({"name": "Ada", "iban": "x" * 43}, 400),
            ({"name": "\u2028", "iban": THEIRS["iban"]}, 422),
            ({"name": ["Ada"], "iban": {}}, 400),
            ([], 400),
        ],
    )
    def test_refuses_what_nobody_could_mean(self, caller, directory, body, status):
        answer = caller.post("payee-verifications", raw=json.dumps(body))

        assert (answer.status_code // 100, directory) == (status // 100, [])

    def test_needs_a_key_and_the_scope(self, merchant, caller):
        assert caller.post("payee-verifications", THEIRS, headers={}).status_code == 400
        reader = Caller(merchant.id, frozenset({"payments.read"}))
        assert reader.post("payee-verifications", THEIRS).status_code == 403

    def test_is_nobody_elses(self, caller, directory, make_organisation):
        told = caller.post("payee-verifications", THEIRS).json()

        stranger = Caller(make_organisation().id)
        assert stranger.get(f"payee-verifications/{told['id']}").status_code == 404
        for bad in ("vop_x", "pay_01", "../etc"):
            assert caller.get(f"payee-verifications/{bad}").status_code == 404

    def test_seals_the_names_it_keeps(self, caller, directory, owner_sql):
        told = caller.post("payee-verifications", {**THEIRS, "name": "Ada Lovelacce"}).json()
        key = parse_public_id("vop", told["id"])

        rows = owner_sql(
            "SELECT name, iban, matched_name FROM payments_payeeverification WHERE id = %s", [key]
        )
        answers = owner_sql("SELECT answer FROM core_storedanswer WHERE answer LIKE %s", [f"%{told['id']}%"])

        assert all(b"Lovelac" not in bytes(value) for value in rows[0])
        assert answers and all("Lovelac" not in answer for (answer,) in answers)


class TestAProvider:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"null",
            b"[]",
            b'"match"',
            b"{}",
            b'{"result": "yes"}',
            b'{"result": ["match"]}',
            b'{"result": "close_match"}',
            b'{"result": "close_match", "matched_name": 5}',
            b'{"result": "close_match", "matched_name": "a\\u0000b"}',
            b'{"result": "close_match", "matched_name": "' + b"x" * 141 + b'"}',
            b"[" * 4_000,
            b"x" * 5_000,
            b'{"result": "match"',
        ],
    )
    def test_that_answers_nonsense_answers_nothing(self, body):
        found = read_answer(body)

        assert (found.result, found.matched_name, found.error) == (
            Result.NOT_POSSIBLE,
            "",
            "unusable_answer",
        )

    def test_tells_no_name_with_a_plain_match(self):
        assert read_answer(b'{"result": "match", "matched_name": "Ada"}').matched_name == ""

    def test_that_fails_is_left_alone_for_a_while(self, merchant):
        class Failing:
            asked = 0

            def verify(self, *, name, iban):
                self.asked += 1
                return Finding(Result.NOT_POSSIBLE, "payee_verification", error="timeout")

        provider = Failing()
        for _ in range(8):
            verify_payee(
                merchant.id,
                **THEIRS,
                actor=merchant.client("payments.write"),
                key=None,
                provider=provider,
            )

        assert provider.asked == 5
        with tenancy.scope(tenancy.PLATFORM):
            assert ProviderCircuit.objects.get(name=payee_verification.PROVIDER).opened == 1

    def test_and_its_first_answer_stands(self, merchant):
        actor = merchant.client("payments.write")
        key = parse_public_id("vop", do(RequestPayeeVerification(merchant.id, **THEIRS), actor=actor)["id"])
        for result in ("no_match", "match"):
            answer = do(AnswerPayeeVerification(merchant.id, key, result, "p"), actor=actor)

        assert answer["result"] == "no_match"


class TestAPayout:
    def verified(self, caller, name="Ada Lovelace"):
        return caller.post("payee-verifications", {"name": name, "iban": PAYOUT["iban"]}).json()["id"]

    @pytest.mark.parametrize(("name", "result"), [("Ada Lovelace", "match"), ("Eve Mallory", "no_match")])
    def test_keeps_what_the_payer_was_told_and_confirmed(self, caller, merchant, directory, name, result):
        key = self.verified(caller, name)

        told = caller.post(
            "payments", payout(merchant, creditor={**PAYOUT, "name": name}, verification_id=key)
        ).json()

        assert (told["verification_id"], told["payee_result"]) == (key, result)

    def test_keeps_it_for_ever(self, caller, merchant, directory, owner_sql):
        told = caller.post(
            "payments",
            payout(
                merchant,
                creditor={**PAYOUT, "name": "Ada Lovelace"},
                verification_id=self.verified(caller),
            ),
        ).json()

        key = parse_public_id("pay", told["id"])
        for column, value in (("payee_result", "no_match"), ("verification_id", None), ("speed", "instant")):
            with pytest.raises(psycopg.Error):
                owner_sql(f"UPDATE payments_payment SET {column} = %s WHERE id = %s", [value, key])

    def test_may_use_the_name_that_a_close_match_told(self, caller, merchant, directory):
        key = self.verified(caller, "Ada Lovelacce")

        told = caller.post(
            "payments",
            payout(merchant, creditor={**PAYOUT, "name": "Ada Lovelace"}, verification_id=key),
        )

        assert (told.status_code, told.json()["payee_result"]) == (201, "close_match")

    @pytest.mark.parametrize(
        ("creditor", "reason"),
        [
            ({"name": "Eve Mallory", "iban": PAYOUT["iban"]}, "another_name"),
            ({"name": "Ada Lovelace", "iban": "DE75512108001245126199"}, "another_account"),
        ],
    )
    def test_confirms_no_other_payee(self, caller, merchant, directory, creditor, reason):
        answer = caller.post(
            "payments", payout(merchant, creditor=creditor, verification_id=self.verified(caller))
        )

        assert (answer.status_code, answer.json()["code"]) == (409, "payee_not_verified")
        assert answer.json()["facts"]["reason"] == reason

    def test_confirms_nothing_old_unanswered_or_anothers(
        self, caller, merchant, directory, make_organisation
    ):
        body = payout(merchant, creditor={**PAYOUT, "name": "Ada Lovelace"})
        theirs = self.verified(Caller(make_organisation().id))
        open_one = do(RequestPayeeVerification(merchant.id, **THEIRS))["id"]

        assert caller.post("payments", {**body, "verification_id": theirs}).status_code == 404
        unanswered = caller.post("payments", {**body, "verification_id": open_one})
        assert unanswered.json()["facts"]["reason"] == "unanswered"
        old = payments.CreatePayout(
            merchant.id,
            merchant.accounts[0],
            Money(100, "EUR"),
            payments.Creditor("Ada Lovelace", PAYOUT["iban"]),
            verification_id=parse_public_id("vop", self.verified(caller)),
        )
        with pytest.raises(Refusal) as refusal:
            do(old, at=clock.database_now() + timedelta(hours=25))
        assert refusal.value.facts == {"reason": "too_old"}

    def test_needs_one_where_the_policy_says_so(self, caller, merchant, directory):
        do(payments.SetPayoutPolicy(merchant.id, Money(50_000, "EUR"), verify_payee=True))
        do(payments.SetPayoutPolicy(merchant.id, Money(50_000, "EUR")))  # leaves that as it is
        body = payout(merchant, creditor={**PAYOUT, "name": "Ada Lovelace"})

        without = caller.post("payments", body)
        with_one = caller.post("payments", {**body, "verification_id": self.verified(caller)})

        assert (without.status_code, without.json()["facts"]["reason"]) == (409, "missing")
        assert with_one.status_code == 201

    def test_goes_where_nobody_could_answer(self, caller, merchant, settings):
        settings.PROVIDER_URLS = {}
        do(payments.SetPayoutPolicy(merchant.id, Money(50_000, "EUR"), verify_payee=True))
        key = self.verified(caller)

        told = caller.post(
            "payments",
            payout(merchant, creditor={**PAYOUT, "name": "Ada Lovelace"}, verification_id=key),
        )

        assert (told.status_code, told.json()["payee_result"]) == (201, "not_possible")


class TestARail:
    def test_is_chosen_by_the_speed(self, caller, merchant, settings):
        settings.PROVIDER_URLS = URLS

        rails = [
            caller.post("payments", payout(merchant, **wish)).json()["rail"]
            for wish in ({}, {"speed": "standard"}, {"speed": "instant"}, {"rail": "sepa_inst"})
        ]

        assert rails == ["sepa_ct", "sepa_ct", "sepa_inst", "sepa_inst"]

    def test_that_is_not_connected_is_not_chosen_and_not_given(self, caller, merchant, settings):
        settings.PROVIDER_URLS = {}

        wished = caller.post("payments", payout(merchant, speed="instant"))
        demanded = caller.post("payments", payout(merchant, rail="sepa_inst"))

        assert (wished.status_code, wished.json()["rail"]) == (201, "sepa_ct")
        assert (demanded.status_code, demanded.json()["code"]) == (422, "no_rail")
        assert demanded.json()["facts"]["rails"] == {"sepa_inst": "not_connected"}

    @pytest.mark.parametrize(
        "wish",
        [
            {"speed": "yesterday"},
            {"speed": ""},
            {"rail": "book"},
            {"rail": "swift"},
            {"rail": "fednow"},
            {"speed": 1},
            {"verification_id": "nonsense"},
            {"verification_id": public_id("vop", uuid.UUID(int=7))},
        ],
    )
    def test_of_nonsense_is_refused_clearly(self, caller, merchant, wish, settings):
        settings.PROVIDER_URLS = URLS

        answer = caller.post("payments", payout(merchant, **wish))

        assert 400 <= answer.status_code < 500
        assert answer.json()["code"]

    def test_is_nothing_for_a_transfer(self, caller, merchant):
        for wish in ({"speed": "instant"}, {"rail": "sepa_ct"}):
            assert caller.post("payments", transfer(merchant, **wish)).status_code == 422
