"""`/readyz` says no when the database does not answer, however it fails to."""

import json

import pytest
from django.db import InterfaceError, OperationalError
from django.test import RequestFactory

from apps.core.http import health


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_does_not_answer_is_503(monkeypatch, error):
    def fail():
        raise error("gone, with the address of the server")

    monkeypatch.setattr(health, "_database", fail)

    answer = health.readyz(RequestFactory().get("/readyz"))

    assert answer.status_code == 503
    assert json.loads(answer.content) == {
        "ok": False,
        "checks": {"database": {"ok": False, "error": error.__name__}},
    }
