"""The description of the API, for programs and for people."""

import re

import pytest
from django.test import Client


@pytest.fixture(scope="module")
def page():
    return Client().get("/api/v1/docs")


class TestDocs:
    def test_every_operation_of_the_schema_is_shown(self, page):
        schema = Client().get("/api/v1/schema").content.decode()
        operations = set(re.findall(r"operationId: (\w+)", schema))

        assert len(operations) > 20
        assert operations == set(re.findall(r'<section id="(\w+)"', page.content.decode()))

    def test_the_page_needs_nothing_that_its_policy_forbids(self, page):
        text = page.content.decode()

        assert page.status_code == 200
        assert "<script" not in text and "style=" not in text and "<style" not in text
        assert re.findall(r'(?:src|href)="(?!/|#)', text) == []
        assert "script-src 'self'" in page.headers["Content-Security-Policy"]

    def test_it_shows_members_examples_and_errors(self, page):
        text = page.content.decode()

        assert "ada@example.com" in text and "amount.currency" in text
        assert "or null" in text and "140 characters at most" in text
        assert "The object is not in a state in which this can be done." in text

    def test_operations_have_readable_names_and_answers_for_what_goes_wrong(self):
        schema = Client().get("/api/v1/schema", headers={"Accept": "application/json"})
        text = schema.content.decode()

        for name in ("list_customers", "create_customer", "open_account", "get_balance", "get_statement"):
            assert name in text
