"""What only the database saw becomes a problem document, without a word about its tables."""

import psycopg
import pytest
from django.db import DataError, IntegrityError

from apps.core.http.problems import exception_handler


@pytest.mark.parametrize(
    ("error", "cause", "status", "code"),
    [
        (
            IntegrityError("customers_once"),
            psycopg.errors.UniqueViolation("customers_once"),
            409,
            "collision",
        ),
        (DataError("out of range"), psycopg.errors.NumericValueOutOfRange("out of range"), 422, "invalid"),
    ],
)
def test_a_constraint_is_a_4xx(error, cause, status, code):
    error.__cause__ = cause

    answer = exception_handler(error, {})

    assert (answer.status_code, answer.data["code"]) == (status, code)
    assert str(error) not in str(answer.data)
