"""Commands and events as data: dataclasses to plain JSON and back, by their type hints.

What can be said: str, int, bool, None, UUID, date, datetime, Money, enums, nested dataclasses,
tuples of one kind, dictionaries of JSON. Anything else is a programming error, found at import.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from datetime import date, datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from apps.core.errors import Invalid
from apps.core.money import Money

T = TypeVar("T")

_AS_IT_IS = frozenset({str, int, bool, type(None)})


def to_data(value: Any) -> Any:
    """Turn a value into JSON-able data."""
    if type(value) in _AS_IT_IS:
        return value
    if value is None or (isinstance(value, (str, int)) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Money):
        return {"minor": value.minor, "currency": value.currency}
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [to_data(item) for item in value]
    if isinstance(value, dict):
        return {str(name): to_data(item) for name, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: to_data(getattr(value, name)) for name in _field_types(type(value))}
    raise TypeError(f"{type(value).__name__} cannot be told as data")


def canonical_json(value: Any) -> bytes:
    """Write data as the one JSON text that equal values share: sorted names, no spaces, UTF-8.

    Raises Invalid for a text that UTF-8 cannot say, which is one with half a surrogate pair.
    """
    text = json.dumps(to_data(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Invalid(field="text", reason="half a surrogate pair") from None


def digest(*parts: Any) -> bytes:
    """Return the SHA-256 of the canonical JSON of the parts."""
    return hashlib.sha256(canonical_json(list(parts))).digest()


@cache
def _field_types(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def from_data(cls: type[T], data: Any) -> T:
    """Make a dataclass from its data. Raises Invalid naming the field that does not fit."""
    return typing.cast(T, _read(cls, data, cls.__name__))


def _read(kind: Any, data: Any, place: str) -> Any:
    if kind is Any:
        return data
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _read_union(arguments, data, place)
    if origin is tuple:
        if not isinstance(data, (list, tuple)):
            raise Invalid(field=place)
        return tuple(_read(arguments[0], item, f"{place}[{i}]") for i, item in enumerate(data))
    if origin is dict or kind is dict:
        return _checked(dict, data, place)
    if origin is typing.Literal:
        if data not in arguments:
            raise Invalid(field=place)
        return data
    return _read_plain(kind, data, place)


def _read_union(arguments: tuple[Any, ...], data: Any, place: str) -> Any:
    if data is None and type(None) in arguments:
        return None
    (kind,) = [argument for argument in arguments if argument is not type(None)]
    return _read(kind, data, place)


def _read_plain(kind: Any, data: Any, place: str) -> Any:
    if kind in (str, int, bool):
        return _checked(kind, data, place)
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, _checked(dict, data, place), place)
    try:
        if kind in (date, datetime):
            return kind.fromisoformat(_checked(str, data, place))
        if issubclass(kind, (UUID, Enum)):
            return kind(data)
    except (TypeError, ValueError, AttributeError):
        raise Invalid(field=place) from None
    raise TypeError(f"{place}: {kind!r} cannot be read from data")


def _read_dataclass(kind: Any, data: dict[str, Any], place: str) -> Any:
    hints = _field_types(kind)
    unknown = set(data) - set(hints)
    if unknown:
        raise Invalid(field=f"{place}.{sorted(unknown)[0]}")
    values = {name: _read(hints[name], item, f"{place}.{name}") for name, item in data.items()}
    try:
        return kind(**values)
    except TypeError:
        raise Invalid(field=place) from None


def _checked(kind: type, data: Any, place: str) -> Any:
    if type(data) is not kind:
        raise Invalid(field=place)
    return data
