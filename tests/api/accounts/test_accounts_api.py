"""Payment accounts, balances and statements as a merchant's program meets them."""

import pytest
from schwifty import IBAN

from apps.core.ids import parse_public_id, public_id
from apps.core.money import Money
from tests.callers import Program
from tests.factories import PayinEventFactory, do, merchant, operator

SCOPES = ("customers.read", "customers.write", "accounts.read", "accounts.write")


@pytest.fixture
def program(organisation_id):
    operator()
    return Program(organisation_id, *SCOPES)


def opened(program, **body):
    answer = program.post("accounts", {"currency": "EUR"} | body)
    assert answer.status_code == 201, answer.content
    return answer.json()


def fund(organisation_id, account_id, minor):
    key = parse_public_id("acc", account_id)
    do(PayinEventFactory(organisation_id=organisation_id, account_id=key, amount=Money(minor, "EUR")))


class TestOpenAccount:
    def test_it_gets_a_valid_iban_of_its_own(self, program):
        first, second = opened(program), opened(program)

        assert first["iban"] != second["iban"]
        assert IBAN(first["iban"], validate_bban=True).country_code == "NL"
        assert (first["status"], first["customer_id"]) == ("open", None)

    def test_it_belongs_to_a_customer(self, program):
        customer = program.post(
            "customers", {"kind": "company", "name": "Example BV", "country": "NL"}
        ).json()

        account = opened(program, customer_id=customer["id"], label="Savings")

        listed = program.get("accounts", customer_id=customer["id"]).json()["items"]
        assert listed == [account] == [program.get(f"accounts/{account['id']}").json()]

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"currency": "XXX"}, 422),
            ({"currency": "eur"}, 422),
            ({"currency": 978}, 422),
            ({}, 422),
            ({"currency": "EUR", "iban": "NL91ABNA0417164300"}, 422),
            ({"currency": "EUR", "customer_id": "pty_00000000000000000000000000"}, 404),
            ({"currency": "EUR", "customer_id": "nobody"}, 404),
            ({"currency": "EUR", "label": "x" * 71}, 422),
        ],
    )
    def test_bad_input_opens_nothing(self, program, body, status):
        assert program.post("accounts", body).status_code == status
        assert program.get("accounts").json()["items"] == []


class TestStatus:
    def test_an_account_is_blocked_unblocked_and_closed(self, program):
        account = opened(program)["id"]

        blocked = program.post(f"accounts/{account}/block", {"reason": "customer_request"}).json()
        unblocked = program.post(f"accounts/{account}/unblock").json()
        closed = program.post(f"accounts/{account}/close").json()

        assert [blocked["status"], unblocked["status"], closed["status"]] == ["blocked", "open", "closed"]
        assert (blocked["block_reason"], unblocked["block_reason"]) == ("customer_request", None)

    def test_what_is_not_possible_is_refused_with_the_status(self, program):
        account = opened(program)["id"]
        assert program.post(f"accounts/{account}/unblock").status_code == 409
        program.post(f"accounts/{account}/block", {"reason": "customer_request"})

        answer = program.post(f"accounts/{account}/close")

        assert (answer.status_code, answer.json()["facts"]["status"]) == (409, "blocked")

    def test_a_block_by_law_is_not_the_clients_to_lift(self, program):
        account = opened(program)["id"]
        program.post(f"accounts/{account}/block", {"reason": "legal_order"})

        assert program.post(f"accounts/{account}/unblock").status_code == 403

    def test_an_account_with_money_is_not_closed(self, program, organisation_id):
        account = opened(program)["id"]
        fund(organisation_id, account, 100)

        answer = program.post(f"accounts/{account}/close")

        assert (answer.status_code, answer.json()["code"]) == (409, "account_not_empty")
        assert program.get(f"accounts/{account}").json()["status"] == "open"

    def test_an_unknown_reason_is_refused(self, program):
        assert program.post(f"accounts/{opened(program)['id']}/block", {"reason": "mood"}).status_code == 422


class TestBalance:
    def test_it_tells_posted_pending_and_available(self, program, organisation_id):
        account = opened(program)["id"]
        fund(organisation_id, account, 12_345)

        told = program.get(f"accounts/{account}/balance").json()

        assert told["posted"] == told["available"] == {"amount": "123.45", "currency": "EUR"}
        assert told["pending"] == {"amount": "0.00", "currency": "EUR"}

    def test_it_tells_what_was_recorded_and_what_was_effective(self, program, organisation_id):
        account = opened(program)["id"]
        before = program.get(f"accounts/{account}/balance").json()["at"]
        fund(organisation_id, account, 500)

        then = program.get(f"accounts/{account}/balance", at=before).json()
        later = program.get(f"accounts/{account}/balance", effective_date="2199-12-31").json()

        assert (then["posted"]["amount"], later["posted"]["amount"]) == ("0.00", "5.00")

    @pytest.mark.parametrize(
        "query",
        [
            {"at": "yesterday"},
            {"at": "2026-01-01T00:00:00"},
            {"at": "0001-01-01T00:00:00+14:00"},
            {"effective_date": "2026-02-30"},
            {"effective_date": "9999-12-31"},
            {"at": "2026-01-01T00:00:00Z", "effective_date": "2026-01-01"},
            {"at": "\x00"},
        ],
    )
    def test_a_moment_that_is_none_is_refused(self, program, query):
        assert program.get(f"accounts/{opened(program)['id']}/balance", **query).status_code == 422


class TestStatement:
    def test_pages_carry_the_running_balance(self, program, organisation_id):
        account = opened(program)["id"]
        for minor in (100, 200, 300):
            fund(organisation_id, account, minor)

        first = program.get(f"accounts/{account}/statement", limit=2).json()
        second = program.http.get(first["next"]).json()

        entries = first["items"] + second["items"]
        assert [entry["amount"]["amount"] for entry in entries] == ["1.00", "2.00", "3.00"]
        assert [entry["balance"]["amount"] for entry in entries] == ["1.00", "3.00", "6.00"]
        assert second["next"] is None

    def test_the_newest_can_come_first(self, program, organisation_id):
        account = opened(program)["id"]
        for minor in (100, 200, 300):
            fund(organisation_id, account, minor)

        first = program.get(f"accounts/{account}/statement", limit=2, order="newest").json()
        second = program.http.get(first["next"]).json()

        assert [entry["amount"]["amount"] for entry in first["items"] + second["items"]] == [
            "3.00",
            "2.00",
            "1.00",
        ]

    @pytest.mark.parametrize("query", [{"cursor": "AAAA"}, {"order": "random"}, {"cursor": "MjAyNi8x"}])
    def test_a_bad_question_is_refused(self, program, query):
        assert program.get(f"accounts/{opened(program)['id']}/statement", **query).status_code in (400, 422)


class TestOtherOrganisations:
    def test_nothing_of_another_organisation_is_there(self, program):
        stranger = merchant(accounts_count=1)
        account = public_id("acc", stranger.accounts[0])

        for path in ("", "/balance", "/statement"):
            assert program.get(f"accounts/{account}{path}").status_code == 404
        assert program.post(f"accounts/{account}/block", {"reason": "other"}).status_code == 404
        assert program.post(f"accounts/{account}/close").status_code == 404
        assert program.get("accounts").json()["items"] == []

    def test_a_customer_of_another_organisation_cannot_be_referred_to(self, program, make_organisation):
        other = Program(make_organisation().id, *SCOPES)
        theirs = other.post("customers", {"kind": "person", "name": "Ada", "country": "NL"}).json()["id"]

        assert program.get(f"customers/{theirs}").status_code == 404
        assert program.post("accounts", {"currency": "EUR", "customer_id": theirs}).status_code == 404
        assert program.send("patch", f"customers/{theirs}", {"name": "Eve"}).status_code == 404
        assert program.post("customers/search", {"name": "Ada"}).json()["items"] == []
