"""Mandates, collections, returns and recalls as a merchant's program meets them."""

import pytest

from apps.core.ids import public_id
from tests.api.payments.test_payments_api import Caller
from tests.integration.payments.collecting import CREDITOR_ID, collector

DEBTOR = {"name": "Helena Brandt", "iban": "DE02120300000000202051"}
SIGNED = "2026-05-04"


@pytest.fixture
def merchant(db):
    return collector(funded_minor=100_000)


@pytest.fixture
def caller(merchant):
    return Caller(merchant.id)


def mandate(caller, **changes):
    body = {"debtor": DEBTOR, "signed_on": SIGNED, **changes}
    return caller.post("mandates", {name: value for name, value in body.items() if value is not None})


def order(merchant, under, **changes):
    body = {
        "mandate_id": under,
        "account_id": public_id("acc", merchant.inner.accounts[0]),
        "amount": {"amount": "25.00", "currency": "EUR"},
    }
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


class TestAMandate:
    def test_is_recorded_shown_and_listed(self, caller):
        answer = mandate(caller, reference="GYM-1")

        told = answer.json()
        assert answer.status_code == 201
        assert (told["state"], told["reference"], told["scheme"], told["creditor_id"]) == (
            "active",
            "GYM-1",
            "core",
            CREDITOR_ID,
        )
        assert told["lapses_on"] == "2029-05-04"
        assert caller.get(f"mandates/{told['id']}").json() == told
        assert caller.get("mandates", state="active").json()["items"] == [told]
        assert "202051" not in answer.content.decode()

    def test_goes_from_draft_to_its_end(self, caller):
        key = mandate(caller, signed_on=None).json()["id"]

        states = [
            caller.post(f"mandates/{key}/{step}", body).json()["state"]
            for step, body in [
                ("sign", {"signed_on": SIGNED}),
                ("amend", {"reference": "NEW-1"}),
                ("suspend", {"reason": "moving house"}),
                ("resume", {}),
                ("cancel", {"reason": "left"}),
            ]
        ]
        after = caller.post(f"mandates/{key}/resume")

        assert states == ["active", "active", "suspended", "active", "cancelled"]
        assert (after.status_code, after.json()["code"]) == (409, "illegal_transition")

    def test_has_a_reference_of_its_own(self, caller):
        mandate(caller, reference="GYM-1")

        again = mandate(caller, reference="GYM-1")

        assert (again.status_code, again.json()["code"]) == (409, "mandate_reference_taken")

    @pytest.mark.parametrize(
        "change",
        [
            {"reference": "//"},
            {"reference": "x" * 36},
            {"reference": "ümlaut"},
            {"scheme": "swift"},
            {"recurrence": "daily"},
            {"prenotification_days": 0},
            {"prenotification_days": 61},
            {"prenotification_days": "soon"},
            {"signed_on": "2999-01-01"},
            {"signed_on": "1999-01-01"},
            {"signed_on": "yesterday"},
            {"debtor": {"name": "", "iban": DEBTOR["iban"]}},
            {"debtor": {"name": "Ada", "iban": "DE02120300000000202052"}},
            {"debtor": {"name": "A\x00da", "iban": DEBTOR["iban"]}},
            {"debtor": "Ada"},
            {"debtor": None},
        ],
    )
    def test_of_bad_input_is_a_4xx_and_leaves_nothing(self, caller, change):
        answer = mandate(caller, **change)

        assert 400 <= answer.status_code < 500
        assert caller.get("mandates").json()["items"] == []

    def test_needs_the_operators_word_before(self, db):
        from tests import factories

        answer = mandate(Caller(factories.merchant().id))

        assert (answer.status_code, answer.json()["code"]) == (409, "no_collection_policy")


class TestACollection:
    def test_is_ordered_shown_listed_and_cancelled(self, caller, merchant):
        key = mandate(caller).json()["id"]

        answer = caller.post("collections", order(merchant, key, reference="june"))

        told = answer.json()
        assert answer.status_code == 201
        assert (told["type"], told["state"], told["sequence_type"], told["mandate_id"]) == (
            "collection",
            "approved",
            "RCUR",
            key,
        )
        assert caller.get(f"collections/{told['id']}").json() == told
        assert caller.get("collections", mandate_id=key, state="approved").json()["items"] == [told]
        assert caller.get("payments", type="collection").json()["items"][0]["id"] == told["id"]

        gone = caller.post(f"collections/{told['id']}/cancel", {"reason": "paid in cash"})
        again = caller.post(f"collections/{told['id']}/cancel")
        assert (gone.status_code, gone.json()["state"], gone.json()["mandate_id"]) == (200, "cancelled", key)
        assert (again.status_code, again.json()["code"]) == (409, "illegal_transition")

    def test_is_ordered_once_under_one_key(self, caller, merchant):
        key = mandate(caller).json()["id"]

        first = caller.post("collections", order(merchant, key), key="once")
        second = caller.post("collections", order(merchant, key), key="once")

        assert first.content == second.content
        assert len(caller.get("collections").json()["items"]) == 1

    def test_over_the_policys_limit_waits_for_a_second_person(self, db):
        merchant = collector(approval_above_minor=2_499)
        caller = Caller(merchant.id)
        told = caller.post("collections", order(merchant, mandate(caller).json()["id"])).json()

        by_maker = caller.post(f"payments/{told['id']}/approve")
        by_other = Caller(merchant.id, name="another").post(f"payments/{told['id']}/approve")

        assert (told["state"], by_maker.json()["code"], by_other.json()["state"]) == (
            "ordered",
            "same_person",
            "approved",
        )

    @pytest.mark.parametrize(
        "change",
        [
            {"amount": {"amount": "0", "currency": "EUR"}},
            {"amount": {"amount": "-1", "currency": "EUR"}},
            {"amount": {"amount": "1e9", "currency": "EUR"}},
            {"amount": {"amount": "25.00", "currency": "USD"}},
            {"amount": 25},
            {"mandate_id": "mdt_nonsense"},
            {"mandate_id": "pay_01kvr4z8y2f1s9d3m5n7p9q1r3"},
            {"mandate_id": None},
            {"account_id": "acc_nonsense"},
            {"collection_date": "2001-01-01"},
            {"collection_date": "9999-12-31"},
            {"collection_date": "soon"},
            {"sequence_type": "OOFF"},
            {"sequence_type": "XXXX"},
            {"remittance": "x" * 141},
            {"remittance": "a\x07b"},
            {"reference": "x" * 71},
        ],
    )
    def test_of_bad_input_is_a_4xx_and_leaves_nothing(self, caller, merchant, change):
        key = mandate(caller).json()["id"]

        answer = caller.post("collections", order(merchant, key, **change))

        assert 400 <= answer.status_code < 500
        assert caller.get("collections").json()["items"] == []

    def test_needs_a_mandate_that_stands(self, caller, merchant):
        key = mandate(caller).json()["id"]
        caller.post(f"mandates/{key}/suspend")

        answer = caller.post("collections", order(merchant, key))

        assert (answer.status_code, answer.json()["code"]) == (409, "mandate_not_usable")


class TestAnotherOrganisation:
    def test_sees_and_touches_nothing(self, caller, merchant):
        key = mandate(caller).json()["id"]
        told = caller.post("collections", order(merchant, key)).json()
        other_merchant = collector()
        other = Caller(other_merchant.id)

        assert other.get(f"mandates/{key}").status_code == 404
        assert other.get(f"collections/{told['id']}").status_code == 404
        assert other.get("collections", mandate_id=key).json()["items"] == []
        for step in ("amend", "suspend", "cancel", "resume"):
            assert other.post(f"mandates/{key}/{step}", {"reference": "X"}).status_code == 404
        assert other.post(f"collections/{told['id']}/cancel").status_code == 404
        assert other.post("collections", order(other_merchant, key)).status_code == 404
        foreign_account = order(merchant, mandate(other).json()["id"])
        assert other.post("collections", foreign_account).status_code == 404

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("get", "mandates"),
            ("post", "mandates"),
            ("get", "collections"),
            ("post", "collections"),
            ("get", "returns"),
        ],
    )
    def test_needs_the_permission(self, merchant, method, path):
        caller = Caller(merchant.id, frozenset({"accounts.read"}))

        assert getattr(caller, method)(path).status_code == 403


class TestARecall:
    def test_is_of_a_transfer_that_has_left(self, caller, merchant):
        waiting = caller.post(
            "payments",
            {
                "type": "payout",
                "account_id": public_id("acc", merchant.inner.accounts[0]),
                "amount": {"amount": "25.00", "currency": "EUR"},
                "creditor": {"name": "Example Supplies BV", "iban": "NL91ABNA0417164300"},
            },
        ).json()

        early = caller.post(f"payments/{waiting['id']}/recall", {"reason": "FRAD"})
        unknown = caller.post(f"payments/{waiting['id']}/recall", {"reason": "MOOD"})

        assert (early.status_code, early.json()["code"]) == (409, "not_recallable")
        assert unknown.status_code == 422
        assert caller.get(f"payments/{waiting['id']}/recall").status_code == 404
