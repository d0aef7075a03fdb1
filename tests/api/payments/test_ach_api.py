"""Payments in the United States as a merchant's program, and as somebody who means harm, meets them."""

import uuid
from datetime import UTC, datetime

import pytest

from apps.core import tenancy
from apps.core.ids import public_id
from apps.payments import public as payments
from apps.payments.formats.nacha import dishonour_entry
from tests.api.payments.test_payments_api import Caller
from tests.factories import do
from tests.integration.payments import us_bank
from tests.integration.payments.test_ach_returns import answer_file, returned, settle, take
from tests.integration.payments.us_bank import export, stored

CREDITOR = {"name": "Ada Example", "routing_number": us_bank.THEIRS, "account_number": "000123456789"}


@pytest.fixture
def merchant(db):
    us_bank.open_us_bank()
    made = us_bank.merchant(funded_minor=1_000_000, limit_minor=100_000)
    do(payments.SetAchCollectionPolicy(made.id))
    return made


@pytest.fixture
def caller(merchant):
    return Caller(merchant.id)


def payout(merchant, **changes):
    body = {
        "type": "payout",
        "account_id": public_id("acc", merchant.accounts[0]),
        "amount": {"amount": "25.00", "currency": "USD"},
        "creditor": CREDITOR,
    }
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


def authorisation(**changes):
    debtor = {**CREDITOR, "account_number": str(uuid.uuid4().int)[:10]}
    body = {
        "debtor": debtor,
        "authorised_by": "internet",
        "signed_on": "2026-05-04",
        "evidence": "session 4711",
    }
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


def collection(merchant, under, **changes):
    body = {
        "mandate_id": under,
        "account_id": public_id("acc", merchant.accounts[0]),
        "amount": {"amount": "25.00", "currency": "USD"},
    }
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


class TestAPayout:
    def test_is_ordered_once_however_often_it_is_sent(self, caller, merchant):
        key = uuid.uuid4().hex

        first, again = (caller.post("payments", payout(merchant), key=key) for _ in range(2))

        assert first.status_code == again.status_code == 201
        assert first.json() == again.json()
        assert (first.json()["rail"], first.json()["state"]) == ("ach", "approved")
        assert "123456789" not in first.content.decode()
        assert merchant.balance().held == 2_500

    @pytest.mark.parametrize(
        "creditor",
        [
            {**CREDITOR, "routing_number": "021000022"},
            {**CREDITOR, "routing_number": ""},
            {**CREDITOR, "routing_number": "٠٢١٠٠٠٠٢١"},
            {**CREDITOR, "routing_number": None},
            {**CREDITOR, "routing_number": 21000021},
            {**CREDITOR, "account_number": ""},
            {**CREDITOR, "account_number": "1" * 18},
            {**CREDITOR, "account_number": "12\u000034"},
            {**CREDITOR, "account_number": "\ud800"},
            {**CREDITOR, "account_number": ["1"]},
            {**CREDITOR, "account_kind": "gold"},
            {**CREDITOR, "holder": "ghost"},
            {**CREDITOR, "name": ""},
            {**CREDITOR, "name": "漢字"},
            {**CREDITOR, "iban": "NL91ABNA0417164300"},
            {"name": "Ada", "iban": "NL91ABNA0417164300"},
            {},
            "021000021",
            None,
        ],
    )
    def test_with_bad_accounts_is_refused_in_words(self, caller, merchant, creditor):
        answer = caller.post("payments", payout(merchant, creditor=creditor))

        assert answer.status_code in (400, 422), answer.content
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert merchant.balance().held == 0

    @pytest.mark.parametrize(
        "changes",
        [
            {"same_day": "perhaps"},
            {"same_day": True, "rail": "fednow"},
            {"remittance": "x" * 81},
            {"amount": {"amount": "100000000.00", "currency": "USD"}},
            {"amount": {"amount": "25.00", "currency": "EUR"}},
        ],
    )
    def test_that_no_entry_can_carry_is_refused(self, caller, merchant, changes):
        assert caller.post("payments", payout(merchant, **changes)).status_code in (400, 409, 422)
        assert merchant.balance().held == 0

    def test_can_be_taken_back_by_its_owner_alone(self, caller, merchant, tmp_path):
        told = caller.post("payments", payout(merchant)).json()
        export(tmp_path)
        stranger = Caller(us_bank.merchant().id)

        path = f"payments/{told['id']}/reverse"
        answers = [
            stranger.post(path, {"reason": "x"}).status_code,
            caller.post(path, {}).status_code,
            caller.post(path, {"reason": " "}).status_code,
            caller.post(path, {"reason": "wrong payee"}).status_code,
            caller.post(path, {"reason": "wrong payee"}).status_code,
        ]

        assert answers == [404, 422, 422, 201, 409]


class TestADebit:
    def test_is_authorised_ordered_and_shown_like_any_collection(self, caller, merchant):
        mandate = caller.post("ach-authorisations", authorisation())
        told = mandate.json()
        answer = caller.post("ach-collections", collection(merchant, told["id"]))

        assert (mandate.status_code, told["scheme"], told["sec_code"], told["prenote"]) == (
            201,
            "ach",
            "WEB",
            None,
        )
        assert (answer.status_code, answer.json()["state"], answer.json()["rail"]) == (201, "approved", "ach")
        assert caller.get(f"collections/{answer.json()['id']}").json() == answer.json()
        assert "session 4711" not in mandate.content.decode()

    @pytest.mark.parametrize(
        "changes",
        [
            {"debtor": {**CREDITOR, "routing_number": "1"}},
            {"debtor": None},
            {"authorised_by": "pigeon"},
            {"signed_on": "2099-01-01"},
            {"signed_on": "yesterday"},
            {"evidence": ""},
            {"evidence": "x" * 501},
            {"evidence": "a\u0000b"},
            {"recurrence": "never"},
            {"prenote": "perhaps"},
            {"reference": "/x/"},
        ],
    )
    def test_is_not_authorised_by_bad_input(self, caller, changes):
        assert caller.post("ach-authorisations", authorisation(**changes)).status_code in (400, 422)

    @pytest.mark.parametrize(
        ("changes", "status"),
        [
            ({"amount": {"amount": "25.00", "currency": "EUR"}}, (400, 422)),
            ({"amount": {"amount": "0", "currency": "USD"}}, (400, 422)),
            ({"mandate_id": "mdt_nothing"}, (400, 404)),
            ({"account_id": "acc_nothing"}, (400, 404)),
            ({"remittance": "x" * 81}, (400, 422)),
        ],
    )
    def test_is_refused_in_words(self, caller, merchant, changes, status):
        key = caller.post("ach-authorisations", authorisation()).json()["id"]

        assert caller.post("ach-collections", collection(merchant, key, **changes)).status_code in status

    def test_under_a_mandate_of_another_kind_or_owner_is_refused(self, caller, merchant):
        key = caller.post("ach-authorisations", authorisation()).json()["id"]
        other = us_bank.merchant()
        do(payments.SetAchCollectionPolicy(other.id))

        by_stranger = Caller(other.id).post("ach-collections", collection(other, key))
        as_sepa = caller.post("collections", collection(merchant, key))

        assert by_stranger.status_code == 404
        assert as_sepa.status_code in (400, 409, 422)

    def test_is_not_presented_again_before_it_came_back(self, caller, merchant):
        key = caller.post("ach-authorisations", authorisation()).json()["id"]
        told = caller.post("ach-collections", collection(merchant, key)).json()

        answer = caller.post(f"collections/{told['id']}/retry")

        assert (answer.status_code, answer.json()["code"]) == (409, "not_to_be_retried")

    def test_needs_its_permission(self, merchant):
        reader = Caller(merchant.id, frozenset({"payments.read"}))

        for path in ("ach-authorisations", "ach-collections", "collections/x/retry", "payments/x/reverse"):
            assert reader.post(path, {}).status_code == 403


class TestArguments:
    def test_are_listed_to_whom_they_concern_and_closed_with_a_reason(self, caller, merchant, tmp_path):
        told = caller.post("payments", payout(merchant)).json()
        export(tmp_path, at=datetime(2026, 11, 24, 22, 0, tzinfo=UTC))
        settle(told)
        back = returned(told)
        take(answer_file(back))
        take(answer_file(dishonour_entry(back, code="R61", trace="021000020000077")))

        (item,) = caller.get("return-disputes").json()["items"]
        stranger = Caller(us_bank.merchant().id)

        assert (item["payment_id"], item["state"], item["dishonour_code"]) == (
            told["id"],
            "dishonoured",
            "R61",
        )
        assert stranger.get("return-disputes").json()["items"] == []
        path = f"return-disputes/{item['id']}/close"
        assert stranger.post(path, {"reason": "x"}).status_code == 404
        assert caller.post(path, {"reason": ""}).status_code == 422
        assert caller.post(path, {"reason": "settled by telephone"}).json()["state"] == "closed"
        with tenancy.scope(merchant.id):
            counterparty = public_id("cpt", stored(told).counterparty_id)
        resumed = caller.post(f"counterparties/{counterparty}/resume", {"reason": "they called"})
        assert resumed.json() == {"counterparty_id": counterparty, "resumed": True}
        assert stranger.post(f"counterparties/{counterparty}/resume", {"reason": "x"}).status_code == 404
