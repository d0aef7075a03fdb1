"""Column types that recur: money, currencies, transaction ids."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Func


class MoneyMinorField(models.BigIntegerField):  # type: ignore[type-arg]
    """An amount in minor units; its currency stands in a column beside it."""


class CurrencyField(models.CharField):  # type: ignore[type-arg]
    """An ISO 4217 code: three capital letters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 3, **options})


class CurrentTransaction(Func):
    """The 64-bit id of the writing transaction, which later readers compare with their horizon."""

    function = "pg_current_xact_id"
    template = "%(function)s()"
    arity = 0


class TransactionIdField(models.Field):  # type: ignore[type-arg]
    """An xid8, filled in by the database."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"db_default": CurrentTransaction(), "editable": False, **options})

    def db_type(self, connection: Any) -> str:
        """Return PostgreSQL's 64-bit transaction id type."""
        return "xid8"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> int | None:
        """Read the id as an integer (the driver hands it over as text)."""
        return None if value is None else int(value)


class NextValue(Func):
    """The next value of a sequence."""

    function = "nextval"
    template = "%(function)s('%(sequence)s')"
    arity = 0

    def __init__(self, sequence: str) -> None:
        super().__init__(sequence=sequence)
