"""The payments API as a merchant's program, and as somebody who means harm, meets it."""

import json
import uuid

import pytest
from rest_framework.test import APIClient

from apps.authz.authentication import ApiClient
from apps.core.actors import Actor
from apps.core.ids import public_id
from tests import factories

ALL = frozenset({"payments.read", "payments.write", "payments.approve"})
PAYOUT = {"name": "Example Supplies BV", "iban": "NL91ABNA0417164300"}


class Caller:
    """An API client of an organisation; every write has a key of its own unless one is given."""

    def __init__(self, organisation_id, permissions=ALL, name="tests"):
        self.http = APIClient(raise_request_exception=False)
        self.http.force_authenticate(user=ApiClient(Actor("api", name, organisation_id, permissions)))

    def get(self, path, **query):
        return self.http.get(f"/api/v1/{path}", query)

    def post(self, path, body=None, *, key=None, raw=None, headers=None):
        return self.http.post(
            f"/api/v1/{path}",
            raw if raw is not None else json.dumps(body or {}),
            content_type="application/json",
            headers=headers if headers is not None else {"Idempotency-Key": key or uuid.uuid4().hex},
        )


@pytest.fixture
def merchant(db):
    return factories.merchant(funded_minor=100_000, limit_minor=10_000)


@pytest.fixture
def caller(merchant):
    return Caller(merchant.id)


def transfer(merchant, **changes):
    body = {
        "type": "transfer",
        "account_id": public_id("acc", merchant.accounts[0]),
        "destination_account_id": public_id("acc", merchant.accounts[1]),
        "amount": {"amount": "12.50", "currency": "EUR"},
    }
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


def payout(merchant, **changes):
    return transfer(
        merchant, **{"type": "payout", "destination_account_id": None, "creditor": PAYOUT, **changes}
    )


class TestAnOrder:
    def test_of_a_transfer_is_answered_with_the_settled_payment(self, caller, merchant):
        answer = caller.post("payments", transfer(merchant, reference="order-1"))

        told = answer.json()
        assert answer.status_code == 201
        assert (told["state"], told["amount"]) == ("settled", {"amount": "12.50", "currency": "EUR"})
        assert caller.get(f"payments/{told['id']}").json() == told

    def test_of_a_payout_can_be_approved_by_another_client_only(self, caller, merchant):
        told = caller.post("payments", payout(merchant, amount={"amount": "500", "currency": "EUR"})).json()

        by_maker = caller.post(f"payments/{told['id']}/approve")
        by_other = Caller(merchant.id, name="another").post(f"payments/{told['id']}/approve")

        assert (told["state"], by_maker.status_code, by_maker.json()["code"]) == (
            "ordered",
            403,
            "same_person",
        )
        assert (by_other.status_code, by_other.json()["state"]) == (200, "approved")

    def test_can_be_cancelled_until_it_leaves(self, caller, merchant):
        told = caller.post("payments", payout(merchant)).json()

        first = caller.post(f"payments/{told['id']}/cancel", {"reason": "changed our mind"})
        second = caller.post(f"payments/{told['id']}/cancel")

        assert (first.status_code, first.json()["state"]) == (200, "cancelled")
        assert (second.status_code, second.json()["code"]) == (409, "illegal_transition")

    def test_shows_what_happened_with_the_journals(self, caller, merchant):
        told = caller.post("payments", payout(merchant)).json()

        events = caller.get(f"payments/{told['id']}/events").json()["items"]

        assert [event["event"] for event in events] == ["order", "approve"]

    def test_can_be_refunded_and_the_refunds_listed(self, caller, merchant):
        paid = caller.post("payments", transfer(merchant)).json()

        refund = caller.post(
            f"payments/{paid['id']}/refunds", {"amount": {"amount": "2.50", "currency": "EUR"}}
        )
        too_much = caller.post(
            f"payments/{paid['id']}/refunds", {"amount": {"amount": "10.01", "currency": "EUR"}}
        )

        assert (refund.status_code, refund.json()["parent_id"]) == (201, paid["id"])
        assert (too_much.status_code, too_much.json()["facts"]["refundable"]) == (422, 1000)
        listed = caller.get(f"payments/{paid['id']}/refunds").json()["items"]
        assert [item["id"] for item in listed] == [refund.json()["id"]]
        assert [item["id"] for item in caller.get("refunds").json()["items"]] == [refund.json()["id"]]


class TestIdempotency:
    def test_gives_the_same_bytes_for_the_same_key_and_body(self, caller, merchant):
        first = caller.post("payments", transfer(merchant), key="k")
        second = caller.post("payments", transfer(merchant), key="k")

        assert second.content == first.content
        assert (first.status_code, second.status_code) == (201, 201)
        assert second["Idempotent-Replayed"] == "true"
        assert merchant.balance(1).posted == 1_250

    def test_refuses_the_key_for_another_body(self, caller, merchant):
        caller.post("payments", transfer(merchant), key="k")

        answer = caller.post("payments", transfer(merchant, reference="other"), key="k")

        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_conflict")

    def test_tells_a_refusal_again(self, caller, merchant):
        body = transfer(merchant, amount={"amount": "99999", "currency": "EUR"})
        first, second = caller.post("payments", body, key="k"), caller.post("payments", body, key="k")

        assert (first.status_code, first.json()["code"]) == (422, "insufficient_funds")
        assert second.json()["facts"] == first.json()["facts"]

    @pytest.mark.parametrize(
        ("headers", "code"),
        [
            ({}, "idempotency_key_missing"),
            ({"Idempotency-Key": ""}, "idempotency_key_malformed"),
            ({"Idempotency-Key": "x" * 256}, "idempotency_key_malformed"),
            ({"Idempotency-Key": "a b"}, "idempotency_key_malformed"),
            ({"Idempotency-Key": '"'}, "idempotency_key_malformed"),
        ],
    )
    def test_needs_a_key(self, caller, merchant, headers, code):
        answer = caller.post("payments", transfer(merchant), headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (400, code)


class TestBadInput:
    @pytest.mark.parametrize(
        "amount",
        [
            {"amount": 12.5, "currency": "EUR"},
            {"amount": 12, "currency": "EUR"},
            {"amount": "1e3", "currency": "EUR"},
            {"amount": "-1.00", "currency": "EUR"},
            {"amount": "0", "currency": "EUR"},
            {"amount": "0.001", "currency": "EUR"},
            {"amount": "1000000000.00", "currency": "EUR"},
            {"amount": "9" * 30, "currency": "EUR"},
            {"amount": "١٢", "currency": "EUR"},
            {"amount": "1.00", "currency": "XXX"},
            {"amount": "1.00", "currency": "eur"},
            {"amount": "1.00", "currency": "EURO"},
            {"amount": "1.00"},
            {"currency": "EUR"},
            {},
            None,
            "1.00 EUR",
            5,
            [],
            {"amount": None, "currency": "EUR"},
            {"amount": ["1"], "currency": "EUR"},
            {"amount": True, "currency": "EUR"},
            {"amount": "NaN", "currency": "EUR"},
            {"amount": "Infinity", "currency": "EUR"},
            {"amount": "1.00", "currency": "GBP"},
            {"amount": " 1.00", "currency": "EUR"},
            {"amount": "1_0", "currency": "EUR"},
        ],
    )
    def test_in_the_amount_is_named_and_moves_nothing(self, caller, merchant, amount):
        answer = caller.post("payments", {**transfer(merchant), "amount": amount})

        assert answer.status_code == 422, answer.content
        assert answer["Content-Type"] == "application/problem+json"
        assert merchant.balance(0).posted == 100_000

    @pytest.mark.parametrize(
        "changes",
        [
            {"type": "gift"},
            {"type": None},
            {"account_id": None},
            {"account_id": 7},
            {"account_id": "x" * 10**5},
            {"destination_account_id": None},
            {"reference": "x" * 71},
            {"reference": "x" * 100_000},
            {"remittance": "x" * 141},
            {"remittance": {"a": 1}},
            {"creditor": PAYOUT},
            {"reference": []},
        ],
    )
    def test_in_a_transfer_is_a_4xx(self, caller, merchant, changes):
        answer = caller.post("payments", transfer(merchant, **changes))

        assert 400 <= answer.status_code < 500, answer.content
        assert answer["Content-Type"] == "application/problem+json"

    @pytest.mark.parametrize(
        "creditor",
        [
            {"name": "X", "iban": "NL91ABNA0417164301"},
            {"name": "X", "iban": "DE00"},
            {"name": "X", "iban": ""},
            {"name": "", "iban": "NL91ABNA0417164300"},
            {"name": "   ", "iban": "NL91ABNA0417164300"},
            {"name": "x" * 71, "iban": "NL91ABNA0417164300"},
            {"name": "x" * 200_000, "iban": "NL91ABNA0417164300"},
            {"iban": "NL91ABNA0417164300"},
            {"name": "X"},
            {},
            [],
            "X",
            {"name": 5, "iban": 7},
            {"name": "X\u202e", "iban": "NL91ABNA0417164300\n; DROP TABLE"},
        ],
    )
    def test_in_a_creditor_is_a_4xx_and_holds_nothing(self, caller, merchant, creditor):
        answer = caller.post("payments", payout(merchant, creditor=creditor))

        assert 400 <= answer.status_code < 500, answer.content
        assert merchant.balance(0).held == 0

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"{",
            b"[]",
            b'"x"',
            b"null",
            b"\xff\xfe",
            b'{"type": "transfer", "type": "payout"}',
            b"[" * 5000,
            b'{"amount": NaN}',
            b'{"reference": "\\u0000"}',
            b'{"reference": "\\ud800"}',
            b"{" + b" " * 300_000 + b"}",
        ],
    )
    def test_that_is_no_object_is_a_4xx(self, caller, raw):
        answer = caller.post("payments", raw=raw)

        assert 400 <= answer.status_code < 500, answer.content
        assert answer["Content-Type"] == "application/problem+json"

    @pytest.mark.parametrize(
        "path",
        [
            "payments/pay_",
            "payments/x",
            "payments/pay_00000000000000000000000000",
            "payments/acc_1/events",
            "payments/%00",
            "payments/pay_00000000000000000000000000/events",
        ],
    )
    def test_in_an_id_is_404(self, caller, path):
        assert caller.get(path).status_code == 404

    @pytest.mark.parametrize(
        "query",
        [
            {"limit": "0"},
            {"limit": "201"},
            {"limit": "x"},
            {"limit": "-1"},
            {"limit": "١"},
            {"cursor": "x"},
            {"cursor": "=="},
            {"cursor": "\x00"},
            {"type": "gift"},
            {"state": "done"},
            {"account_id": "no"},
        ],
    )
    def test_in_a_query_is_a_4xx(self, caller, query):
        answer = caller.get("payments", **query)

        assert 400 <= answer.status_code < 500, answer.content

    def test_of_another_kind_of_body_is_415(self, caller):
        answer = caller.http.post("/api/v1/payments", "a=1", content_type="application/x-www-form-urlencoded")

        assert answer.status_code == 415


class TestPages:
    def test_walk_through_all_payments_newest_first(self, caller, merchant):
        made = [caller.post("payments", transfer(merchant, reference=str(n))).json()["id"] for n in range(5)]

        walked, page = [], caller.get("payments", limit=2, type="transfer").json()
        while True:
            walked += [item["id"] for item in page["items"]]
            if page["next"] is None:
                break
            page = caller.http.get(page["next"]).json()

        assert walked == made[::-1]


class TestPermission:
    @pytest.mark.parametrize(
        ("permissions", "method", "path"),
        [
            ({"payments.write"}, "get", "payments"),
            ({"payments.read"}, "post", "payments"),
            ({"payments.read", "payments.write"}, "post", "payments/pay_00000000000000000000000000/approve"),
        ],
    )
    def test_is_needed_for_each_method(self, merchant, permissions, method, path):
        answer = getattr(Caller(merchant.id, frozenset(permissions)), method)(path)

        assert (answer.status_code, answer.json()["code"]) == (403, "denied")

    def test_without_a_token_is_401(self, db):
        answer = APIClient().get("/api/v1/payments")

        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith("Bearer")

    def test_with_an_unknown_token_is_401(self, db):
        for token in ("Bearer x", "Bearer", "Bearer " + "x" * 10_000, "Bearer a b", "Basic x"):
            assert APIClient().get("/api/v1/payments", headers={"Authorization": token}).status_code == 401

    def test_never_reaches_another_organisations_payment(self, caller, merchant):
        paid = caller.post("payments", transfer(merchant)).json()
        stranger = Caller(factories.merchant().id)

        assert stranger.get(f"payments/{paid['id']}").status_code == 404
        assert stranger.get(f"payments/{paid['id']}/events").status_code == 404
        assert (
            stranger.post(
                f"payments/{paid['id']}/refunds", {"amount": {"amount": "1", "currency": "EUR"}}
            ).status_code
            == 404
        )
        assert stranger.post(f"payments/{paid['id']}/cancel").status_code == 404
        assert stranger.get("payments").json()["items"] == []
        assert stranger.post("payments", transfer(merchant)).status_code == 404
