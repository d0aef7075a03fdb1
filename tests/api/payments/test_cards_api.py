"""Card payments as a merchant's program, and as somebody who means harm, meets them."""

import uuid

import pytest

from apps.core.ids import public_id
from tests import factories
from tests.api.payments.test_payments_api import Caller
from tests.processor import CardWorld

NUMBER = "4111111111111111"


@pytest.fixture
def world(db):
    return CardWorld()


@pytest.fixture
def merchant(world):
    return factories.merchant(accounts_count=1)


@pytest.fixture
def caller(merchant):
    return Caller(merchant.id)


def order(merchant, **changes):
    body = {
        "type": "card",
        "account_id": public_id("acc", merchant.accounts[0]),
        "amount": {"amount": "100.00", "currency": "EUR"},
        "card_token": "tok_visa",
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def eur(text):
    return {"amount": text, "currency": "EUR"}


class TestAnOrder:
    def test_is_answered_with_what_the_processor_made_of_it(self, caller, merchant):
        answer = caller.post("payments", order(merchant, reference="order-1"))

        told = answer.json()
        assert answer.status_code == 201
        assert (told["type"], told["rail"], told["state"]) == ("card", "card", "captured")
        assert told["card"]["captured"] == told["card"]["refundable"] == eur("100.00")
        assert [one["state"] for one in told["card"]["attempts"]] == ["authorised"]
        assert "tok_visa" not in answer.content.decode()
        assert caller.get(f"payments/{told['id']}").json() == told

    def test_given_again_is_answered_the_same_and_charged_once(self, caller, merchant, world):
        before = len(world.server.desk.calls)
        first = caller.post("payments", order(merchant), key="once")
        caller.post(f"payments/{first.json()['id']}/refunds", {"amount": eur("1.00")})
        second = caller.post("payments", order(merchant), key="once")
        other = caller.post("payments", order(merchant, reference="else"), key="once")

        assert second.content == first.content
        assert second.headers["Idempotent-Replayed"] == "true"
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
        calls = world.server.desk.calls[before:]
        assert calls.count("POST /v1/authorisations") == 1

    def test_while_the_first_is_being_answered_waits(self, caller, merchant, world, monkeypatch):
        from apps.payments import processor

        real, seen = processor.call, []

        def slow(*arguments, **options):
            if not seen:
                seen.append(None)
                seen[0] = Caller(merchant.id).post("payments", order(merchant), key="twice")
            return real(*arguments, **options)

        monkeypatch.setattr(processor, "call", slow)
        first = caller.post("payments", order(merchant), key="twice")

        assert (first.status_code, first.json()["state"]) == (201, "captured")
        assert (seen[0].status_code, seen[0].json()["code"]) == (409, "in_flight")

    def test_that_is_declined_says_so_with_advice(self, caller, merchant):
        answer = caller.post("payments", order(merchant, card_token="tok_decline_insufficient_funds"))

        told = answer.json()
        assert answer.status_code == 201
        assert (told["state"], told["failure_code"], told["advice"]) == (
            "failed",
            "insufficient_funds",
            "retry",
        )
        again = caller.post(f"payments/{told['id']}/attempts", {"card_token": "tok_visa"})
        assert (again.status_code, again.json()["state"]) == (201, "captured")
        listed = caller.get(f"payments/{told['id']}/attempts").json()["items"]
        assert [one["state"] for one in listed] == ["declined", "authorised"]

    def test_that_is_not_to_be_retried_is_refused(self, caller, merchant):
        told = caller.post("payments", order(merchant, card_token="tok_decline_stolen_card")).json()
        again = caller.post(f"payments/{told['id']}/attempts", {"card_token": "tok_decline_stolen_card"})

        assert (again.status_code, again.json()["code"]) == (422, "retry_not_advised")

    def test_that_needs_the_payer_tells_where_to_go(self, caller, merchant, world):
        told = caller.post(
            "payments", order(merchant, card_token="tok_3ds", return_url="https://shop.example/done")
        ).json()

        assert told["state"] == "requires_action"
        assert told["card"]["action_url"].startswith(world.server.url)

    @pytest.mark.parametrize(
        "changes",
        [
            {"card_token": None},
            {"card_token": ""},
            {"card_token": "visa"},
            {"card_token": 7},
            {"capture": "later"},
            {"return_url": "javascript:alert(1)"},
            {"return_url": "x" * 501},
            {"amount": eur("0")},
            {"amount": eur("-1")},
            {"amount": {"amount": 1, "currency": "EUR"}},
            {"amount": {"amount": "1", "currency": "USD"}},
            {"amount": {"amount": "1", "currency": "XXX"}},
            {"creditor": {"name": "A", "iban": "NL91ABNA0417164300"}},
            {"speed": "instant"},
            {"reference": "x" * 71},
            {"remittance": "a\u0000b"},
            {"account_id": "acc_1"},
        ],
    )
    def test_that_cannot_be_is_refused(self, caller, merchant, changes):
        answer = caller.post("payments", order(merchant, **changes))

        assert 400 <= answer.status_code < 500, answer.content

    def test_of_another_type_takes_no_card(self, caller, merchant):
        answer = caller.post("payments", order(merchant, type="payout"))

        assert answer.status_code == 422

    def test_for_another_organisations_account_is_not_found(self, caller, merchant):
        other = factories.merchant(accounts_count=1)
        answer = caller.post("payments", order(merchant, account_id=public_id("acc", other.accounts[0])))

        assert answer.status_code == 404

    def test_needs_the_scope_and_a_key(self, merchant):
        reader = Caller(merchant.id, frozenset({"payments.read"}))

        assert reader.post("payments", order(merchant)).status_code == 403
        assert Caller(merchant.id).post("payments", order(merchant), headers={}).status_code == 400


class TestACardNumber:
    @pytest.mark.parametrize(
        "changes",
        [
            {"card_token": NUMBER},
            {"card_token": f"tok_{NUMBER}"},
            {"card_token": int(NUMBER)},
            {"reference": NUMBER},
            {"reference": "4111 1111 1111 1111"},
            {"remittance": f"card {NUMBER}"},
            {"return_url": f"https://shop.example/?c={NUMBER}"},
            {"card": {"number": NUMBER}},
            {"metadata": [[{"a": NUMBER}]]},
            {"capture": NUMBER},
        ],
    )
    def test_is_refused_wherever_it_stands_and_written_nowhere(
        self, caller, merchant, changes, caplog, owner_sql
    ):
        answer = caller.post("payments", order(merchant, **changes))

        assert (answer.status_code, answer.json()["code"]) == (422, "card_number_refused")
        assert NUMBER not in answer.content.decode()
        assert NUMBER not in caplog.text
        for table in ("core_storedanswer", "core_outboxevent", "payments_payment", "payments_attempt"):
            like = f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%%{NUMBER}%%'"
            assert owner_sql(like) == [(0,)], table

    def test_is_refused_in_what_follows_too(self, caller, merchant, world):
        told = caller.post("payments", order(merchant, card_token="tok_dispute")).json()
        world.pass_time(seconds=1)
        world.tell_all(merchant)
        (dispute,) = caller.get("disputes").json()["items"]
        tries = [
            (f"payments/{told['id']}/refunds", {"amount": eur("1"), "reason": NUMBER}),
            (f"payments/{told['id']}/cancel", {"reason": NUMBER}),
            (f"payments/{told['id']}/captures", {"note": NUMBER}),
            (f"payments/{told['id']}/attempts", {"card_token": NUMBER}),
            (f"disputes/{dispute['id']}/evidence", {"text": f"see {NUMBER}"}),
        ]
        for path, body in tries:
            answer = caller.post(path, body)
            assert answer.status_code in (409, 422), path
            assert NUMBER not in answer.content.decode()
            assert answer.json()["code"] in ("card_number_refused", "exceeds_refundable"), path


class TestCaptures:
    def test_are_made_in_parts_and_listed(self, caller, merchant):
        told = caller.post("payments", order(merchant, capture="manual")).json()
        first = caller.post(f"payments/{told['id']}/captures", {"amount": eur("30.00")})
        too_much = caller.post(f"payments/{told['id']}/captures", {"amount": eur("70.01")})
        rest = caller.post(f"payments/{told['id']}/captures")

        assert told["state"] == "authorised"
        assert (first.status_code, first.json()["type"], first.json()["state"]) == (
            201,
            "capture",
            "succeeded",
        )
        assert (too_much.status_code, too_much.json()["facts"]["capturable"]) == (422, 7_000)
        assert rest.json()["amount"] == eur("70.00")
        assert caller.get(f"payments/{told['id']}").json()["state"] == "captured"
        listed = caller.get(f"payments/{told['id']}/captures").json()["items"]
        assert [one["id"] for one in listed] == [rest.json()["id"], first.json()["id"]]

    def test_given_again_capture_once(self, caller, merchant):
        told = caller.post("payments", order(merchant, capture="manual")).json()
        first, second = (
            caller.post(f"payments/{told['id']}/captures", {"amount": eur("30.00")}, key="c")
            for _ in range(2)
        )

        assert first.content == second.content
        assert caller.get(f"payments/{told['id']}").json()["card"]["captured"] == eur("30.00")

    def test_of_what_is_no_card_are_refused(self, world):
        merchant = factories.merchant(funded_minor=10_000)
        caller = Caller(merchant.id)
        told = caller.post(
            "payments",
            {
                "type": "transfer",
                "account_id": public_id("acc", merchant.accounts[0]),
                "destination_account_id": public_id("acc", merchant.accounts[1]),
                "amount": eur("1.00"),
            },
        ).json()
        answer = caller.post(f"payments/{told['id']}/captures")

        assert (answer.status_code, answer.json()["code"]) == (409, "not_a_card_payment")

    def test_end_with_a_cancellation(self, caller, merchant):
        told = caller.post("payments", order(merchant, capture="manual")).json()
        answer = caller.post(f"payments/{told['id']}/cancel", {"reason": "out of stock"})
        again = caller.post(f"payments/{told['id']}/captures")

        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
        assert (again.status_code, again.json()["code"]) == (409, "nothing_authorised")


class TestRefunds:
    def test_are_partial_several_and_listed(self, caller, merchant):
        told = caller.post("payments", order(merchant)).json()
        made = [
            caller.post(f"payments/{told['id']}/refunds", {"amount": eur(text), "reason": "returned"})
            for text in ("10.00", "20.00")
        ]
        too_much = caller.post(f"payments/{told['id']}/refunds", {"amount": eur("70.01")})

        assert [one.status_code for one in made] == [201, 201]
        assert {one.json()["state"] for one in made} == {"succeeded"}
        assert (too_much.status_code, too_much.json()["facts"]["refundable"]) == (422, 7_000)
        listed = caller.get(f"payments/{told['id']}/refunds").json()["items"]
        assert [one["id"] for one in listed] == [one.json()["id"] for one in reversed(made)]
        card = caller.get(f"payments/{told['id']}").json()["card"]
        assert (card["refunded"], card["refundable"]) == (eur("30.00"), eur("70.00"))


class TestDisputes:
    def opened(self, caller, merchant, world, token="tok_dispute_won"):
        told = caller.post("payments", order(merchant, card_token=token)).json()
        world.pass_time(seconds=1)
        world.tell_all(merchant)
        (dispute,) = caller.get("disputes", payment_id=told["id"]).json()["items"]
        return dispute

    def test_are_listed_shown_and_contested(self, caller, merchant, world):
        dispute = self.opened(caller, merchant, world)
        shown = caller.get(f"disputes/{dispute['id']}").json()
        answer = caller.post(f"disputes/{dispute['id']}/evidence", {"text": "Signed for by Ada Example."})

        assert shown == dispute
        assert (dispute["state"], dispute["amount"]) == ("opened", eur("100.00"))
        assert (answer.status_code, answer.json()["state"]) == (200, "contested")
        assert answer.json()["answer_delivered"] is True
        assert "Ada" not in answer.content.decode()
        assert caller.post(f"disputes/{dispute['id']}/accept").status_code == 409

    def test_are_accepted(self, caller, merchant, world):
        dispute = self.opened(caller, merchant, world, "tok_dispute")
        answer = caller.post(f"disputes/{dispute['id']}/accept")

        assert (answer.status_code, answer.json()["state"]) == (200, "lost")
        assert [one["id"] for one in caller.get("disputes", state="lost").json()["items"]] == [dispute["id"]]

    def test_of_others_are_not_found(self, caller, merchant, world):
        dispute = self.opened(caller, merchant, world)
        other = Caller(factories.merchant(accounts_count=1).id)

        assert other.get(f"disputes/{dispute['id']}").status_code == 404
        assert other.post(f"disputes/{dispute['id']}/accept").status_code == 404
        assert other.get("disputes").json()["items"] == []

    def test_are_asked_for_sensibly(self, caller):
        assert caller.get("disputes", state="odd").status_code == 422
        assert caller.get("disputes", payment_id="pay_1").status_code == 404
        assert caller.get("disputes/dsp_1").status_code == 404
        assert caller.get("disputes", limit="0").status_code == 400
        assert caller.post("disputes/dsp_1/evidence", {"text": "x"}).status_code == 404


class TestEveryDoor:
    @pytest.mark.parametrize("path", ["attempts", "captures", "refunds", "cancel"])
    @pytest.mark.parametrize("raw", ["", "[]", "null", '"x"', "{", '{"a":' * 50 + "1" + "}" * 50])
    def test_takes_odd_bodies_without_failing(self, caller, merchant, path, raw):
        answer = caller.post(f"payments/{public_id('pay', uuid.uuid4())}/{path}", raw=raw)

        assert 400 <= answer.status_code < 500

    @pytest.mark.parametrize("raw", ["[]", "null", '"x"', "{", '{"type": "card"}', '{"type": ["card"]}'])
    def test_takes_odd_orders_without_failing(self, caller, raw):
        assert 400 <= caller.post("payments", raw=raw).status_code < 500
