"""Customers as a merchant's program meets them."""

import json
import uuid

import pytest

from apps.core import tenancy
from apps.core.models import OutboxEvent, StoredAnswer
from tests.callers import Program
from tests.factories import operator

ADA = {
    "kind": "person",
    "name": "Ada Example",
    "country": "NL",
    "email": "Ada@Example.com",
    "phone": "+31 20 123 4567",
}


@pytest.fixture
def program(organisation_id):
    operator()
    return Program(organisation_id, "customers.read", "customers.write", "accounts.read", "accounts.write")


def created(program, **changes):
    answer = program.post("customers", ADA | changes)
    assert answer.status_code == 201, answer.content
    return answer.json()


class TestCreateCustomer:
    def test_it_answers_with_the_customer(self, program):
        told = created(program, reference="C-1")

        assert told["id"].startswith("pty_")
        assert (told["name"], told["email"], told["phone"]) == (
            "Ada Example",
            "Ada@Example.com",
            "+31201234567",
        )
        assert program.get(f"customers/{told['id']}").json() == told

    def test_the_same_key_creates_one_customer(self, program):
        key = str(uuid.uuid4())

        first = program.post("customers", ADA, key=key)
        second = program.post("customers", ADA, key=key)

        assert second.json() == first.json() and second.headers["Idempotent-Replayed"] == "true"
        assert len(program.get("customers").json()["items"]) == 1

    def test_another_body_under_the_same_key_is_refused(self, program):
        key = str(uuid.uuid4())
        program.post("customers", ADA, key=key)

        assert program.post("customers", ADA | {"name": "Eve"}, key=key).status_code == 422

    def test_nothing_that_is_kept_holds_the_name_in_clear(self, program, owner_sql, organisation_id):
        created(program, name="Unmistakable Person")

        with tenancy.scope(tenancy.PLATFORM):
            kept = [
                *StoredAnswer.objects.filter(organisation_id=organisation_id).values_list(
                    "answer", flat=True
                ),
                *OutboxEvent.objects.filter(organisation_id=organisation_id).values_list(
                    "payload", flat=True
                ),
            ]
        audit = owner_sql(
            "SELECT string_agg(data, '') FROM compliance_auditentry WHERE organisation_id = %s",
            [organisation_id],
        )
        row = owner_sql(
            "SELECT row_to_json(p)::text FROM accounts_party p WHERE organisation_id = %s", [organisation_id]
        )
        assert kept
        assert "Unmistakable" not in json.dumps(kept) + str(audit) + str(row)

    @pytest.mark.parametrize(
        ("changes", "place"),
        [
            ({"kind": "robot"}, "kind"),
            ({"name": ""}, "name"),
            ({"name": "x" * 141}, "name"),
            ({"name": 12}, "name"),
            ({"name": 1.5}, "name"),
            ({"name": "line\nbreak"}, "name"),
            ({"name": None}, "name"),
            ({"country": "XX"}, "country"),
            ({"country": "Netherlands"}, "country"),
            ({"email": "not an address"}, "email"),
            ({"email": "a@b@c.example"}, "email"),
            ({"phone": "12"}, "phone"),
            ({"phone": "call me"}, "phone"),
            ({"nickname": "Ada"}, "nickname"),
        ],
    )
    def test_bad_input_is_refused_by_name(self, program, changes, place):
        answer = program.post("customers", ADA | changes)

        assert answer.status_code == 422, answer.content
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert place in json.dumps(answer.json())
        assert program.get("customers").json()["items"] == []

    @pytest.mark.parametrize(
        ("raw", "status"),
        [
            (b'{"kind": "person", "name": "A\\u0000da", "country": "NL"}', 400),
            (b'{"kind": "person", "name": "\\ud800", "country": "NL"}', 400),
            (b'{"kind": "person", "kind": "company", "name": "A", "country": "NL"}', 400),
            (b"[]", 422),
            (b"nonsense", 400),
            (b'{"kind": "person", "country": "NL", "name": "' + b"x" * 1_000_000 + b'"}', 413),
        ],
        ids=["nul", "surrogate", "said twice", "a list", "no json", "a name of 1 MB"],
    )
    def test_a_body_that_cannot_be_meant_is_refused(self, program, raw, status):
        assert program.post("customers", raw=raw).status_code == status

    def test_a_key_is_needed(self, program):
        answer = program.http.post("/api/v1/customers", json.dumps(ADA), content_type="application/json")

        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")


class TestChangeCustomer:
    def test_it_changes_what_is_given(self, program):
        told = created(program)

        changed = program.send("patch", f"customers/{told['id']}", {"name": "Ada King", "email": ""}).json()

        assert (changed["name"], changed["email"], changed["phone"]) == ("Ada King", None, told["phone"])

    def test_changing_nothing_is_refused(self, program):
        assert program.send("patch", f"customers/{created(program)['id']}", {}).status_code == 422


class TestSearchCustomers:
    @pytest.mark.parametrize(
        "wanted", [{"email": "ADA@example.COM"}, {"name": "ada  example"}, {"phone": "0031 20 1234567"}]
    )
    def test_it_finds_by_the_whole_value(self, program, wanted):
        told = created(program)
        created(program, name="Somebody Else", email="else@example.com", phone="+31209999999")

        found = program.post("customers/search", wanted).json()["items"]

        assert [row["id"] for row in found] == [told["id"]]

    @pytest.mark.parametrize(
        "wanted", [{"email": "ada@example"}, {"name": "ada"}, {"email": "nobody@example.com"}]
    )
    def test_a_part_finds_nothing(self, program, wanted):
        created(program)

        assert program.post("customers/search", wanted).json()["items"] == []

    @pytest.mark.parametrize("wanted", [{}, {"email": "a@b.example", "name": "x"}, {"iban": "x"}])
    def test_exactly_one_member_is_asked_for(self, program, wanted):
        assert program.post("customers/search", wanted).status_code == 422


class TestListCustomers:
    def test_pages_follow_each_other(self, program):
        made = [created(program, name=f"Person {letter}")["id"] for letter in "abc"]

        first = program.get("customers", limit=2).json()
        second = program.http.get(first["next"]).json()

        assert [row["id"] for row in first["items"] + second["items"]] == made[::-1]
        assert second["next"] is None

    @pytest.mark.parametrize(
        "query", [{"limit": "0"}, {"limit": "x"}, {"limit": "201"}, {"cursor": "§"}, {"cursor": "AA"}]
    )
    def test_a_bad_page_is_refused(self, program, query):
        assert program.get("customers", **query).status_code == 400


class TestBeneficiaries:
    def test_a_payee_is_added_listed_and_removed(self, program):
        customer = created(program)["id"]

        made = program.post(
            f"customers/{customer}/beneficiaries",
            {"name": "Example Supplies BV", "iban": "nl91 abna 0417 1643 00"},
        )

        assert made.status_code == 201, made.content
        assert made.json()["iban"] == "NL91ABNA0417164300"
        assert program.get(f"customers/{customer}/beneficiaries").json()["items"] == [made.json()]
        assert program.send("delete", f"beneficiaries/{made.json()['id']}").status_code == 200
        assert program.get(f"customers/{customer}/beneficiaries").json()["items"] == []

    def test_of_parallel_requests_for_one_iban_one_succeeds(self, program, in_threads):
        path = f"customers/{created(program)['id']}/beneficiaries"
        body = {"name": "Example Supplies BV", "iban": "NL91ABNA0417164300"}

        answers = in_threads(lambda _: program.post(path, body).status_code, range(6))

        assert sorted(answers) == [201, 409, 409, 409, 409, 409]

    def test_the_same_iban_twice_is_refused(self, program):
        path = f"customers/{created(program)['id']}/beneficiaries"
        body = {"name": "Example Supplies BV", "iban": "NL91ABNA0417164300"}
        program.post(path, body)

        assert program.post(path, body).status_code == 409

    @pytest.mark.parametrize(
        "iban", ["NL91ABNA0417164301", "NL91", "XX91ABNA0417164300", "", "DE89370400440532013001"]
    )
    def test_a_wrong_iban_is_refused(self, program, iban):
        path = f"customers/{created(program)['id']}/beneficiaries"

        answer = program.post(path, {"name": "Example", "iban": iban})

        assert answer.status_code == 422
        assert not iban or iban not in answer.content.decode()


class TestScopes:
    def test_reading_needs_its_scope(self, organisation_id):
        operator()
        program = Program(organisation_id, "payments.read")

        assert program.get("customers").status_code == 403
        assert program.post("customers", ADA).status_code == 403
        assert program.post("customers/search", {"name": "x"}).status_code == 403

    def test_without_a_token_there_is_nothing(self, program):
        program.use("unknown")

        answer = program.get("customers")

        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
