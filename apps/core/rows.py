"""Many rows into a table with one statement that stays the same, however many there are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection, models
from psycopg.types.json import Jsonb

T = TypeVar("T")

ROWS_MAX = 1_000
"""The most rows of one statement."""


def insert_rows(model: type[models.Model], rows: Sequence[models.Model], *, or_ignore: bool = False) -> int:
    """Insert new rows and return how many were; columns that the database fills itself are left to it.

    Ten times as fast as a list of VALUES: each column travels as one array, so that the statement is
    parsed once and the driver adapts one value a column. `or_ignore` passes over rows that are there.
    """
    own = [field for field in model._meta.concrete_fields if not _left_to_database(field, rows)]
    inserted = sum(
        _insert(model, own, [_array(field, chunk) for field in own], or_ignore=or_ignore)
        for chunk in _chunks(rows)
    )
    for row in rows:
        row._state.adding, row._state.db = False, "default"
    return inserted


def insert_values(model: type[models.Model], names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows given as tuples of plain values of these fields, for those that need no instances."""
    own = [model._meta.get_field(name) for name in names]
    for chunk in _chunks(rows):
        _insert(model, own, [_literal(column) for column in zip(*chunk, strict=True)])


def _chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    return (rows[start : start + ROWS_MAX] for start in range(0, len(rows), ROWS_MAX))


def _insert(
    model: type[models.Model], fields: Sequence[Any], arrays: Sequence[str], *, or_ignore: bool = False
) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_statement(model, tuple(field.name for field in fields), or_ignore), arrays)
        return cursor.rowcount


@cache
def _statement(model: type[models.Model], names: tuple[str, ...], or_ignore: bool) -> str:
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    # Without its length: a cast would cut what is too long, where an assignment refuses it.
    kinds = (str(field.db_type(connection)).split("(")[0] for field in fields)
    holes = ", ".join(f"%s::{kind}[]" for kind in kinds)
    conflict = " ON CONFLICT DO NOTHING" if or_ignore else ""
    return f'INSERT INTO "{model._meta.db_table}" ({columns}) SELECT * FROM unnest({holes}){conflict}'


def _left_to_database(field: Any, rows: Sequence[models.Model]) -> bool:
    """Tell whether no row gives the field a value: then its default in the database stands."""
    if not field.has_db_default():
        return False
    given = (str, int, bytes, date, Decimal, UUID)
    return not any(isinstance(row.__dict__.get(field.attname), given) for row in rows)


def _array(field: Any, rows: Sequence[models.Model]) -> str:
    """Write one column of the rows as an array's literal."""
    values: Iterable[Any]
    if isinstance(field, _PLAIN) and type(field).pre_save is models.Field.pre_save:
        values = map(attrgetter(field.attname), rows)
    else:
        values = (field.get_db_prep_save(field.pre_save(row, True), connection) for row in rows)
    return _literal(values)


def _literal(values: Iterable[Any]) -> str:
    texts, before, text = [], _NOTHING, ""
    for value in values:
        if value is not before:  # many a column says the same in every row
            text, before = _element(value), value
        texts.append(text)
    return "{" + ",".join(texts) + "}"


_NOTHING: Any = object()
_PLAIN = (models.UUIDField, models.CharField, models.TextField, models.IntegerField, models.BooleanField)
"""Fields whose values go to the database as they are."""


def _element(value: Any) -> str:
    """Write a value as an element of an array's literal (PostgreSQL 8.15.6)."""
    kind = type(value)
    write = _WRITERS.get(kind)
    if write is None:
        known = [_WRITERS[base] for base in kind.__mro__ if base in _WRITERS]
        if not known:
            raise TypeError(f"no way to write a {kind.__name__} into an array")
        write = _WRITERS[kind] = known[0]  # a choice is a text, the driver's numbers are numbers
    return write(value)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_WRITERS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "NULL",
    bool: lambda value: "t" if value else "f",
    int: lambda value: str(int(value)),
    str: _quoted,
    UUID: str,
    date: lambda value: value.isoformat(),
    datetime: lambda value: f'"{value.isoformat()}"',
    Jsonb: lambda value: _quoted(json.dumps(value.obj)),
    Decimal: str,
    bytes: lambda value: f'"\\\\x{value.hex()}"',
}
