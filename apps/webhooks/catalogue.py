"""The catalogue of events: names, JSON Schemas (2020-12) and examples, all made from the event classes."""

from __future__ import annotations

import dataclasses
import types
import typing
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID

from apps.core.events import EVENTS, Event
from apps.core.money import Money

_MONEY = {
    "type": "object",
    "properties": {
        "minor": {"type": "integer", "description": "Minor units of the currency (ISO 4217)."},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
    },
    "required": ["minor", "currency"],
    "additionalProperties": False,
}
_PLAIN: dict[Any, tuple[dict[str, Any], Any]] = {
    str: ({"type": "string"}, "text"),
    int: ({"type": "integer"}, 1),
    bool: ({"type": "boolean"}, True),
    UUID: ({"type": "string", "format": "uuid"}, "01890a5d-ac96-774b-bcce-b302099a8057"),
    datetime: ({"type": "string", "format": "date-time"}, "2026-01-31T12:00:00+00:00"),
    date: ({"type": "string", "format": "date"}, "2026-01-31"),
    Money: (_MONEY, {"minor": 1234, "currency": "EUR"}),
    Any: ({}, None),
    dict: ({"type": "object"}, {}),
}


def event_types() -> list[dict[str, Any]]:
    """List every event with its description, the schema of its `data`, and an example of the whole body."""
    return [_entry(cls) for _, cls in sorted(EVENTS.items())]


def event_type(name: str) -> dict[str, Any] | None:
    """Return the newest version of an event's entry, or None."""
    versions = [cls for (known, _), cls in sorted(EVENTS.items()) if known == name]
    return _entry(versions[-1]) if versions else None


def _entry(cls: type[Event]) -> dict[str, Any]:
    schema, example = _dataclass(cls)
    object_type, id_field = cls.OBJECT
    return {
        "name": cls.NAME,
        "version": cls.VERSION,
        "description": (cls.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " "),
        "object_type": object_type,
        "schema": {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema},
        "example": {
            "id": "evt_01hzy3kq2v8m4n6p9r1s3t5w7x",
            "type": cls.NAME,
            "version": cls.VERSION,
            "timestamp": "2026-01-31T12:00:00Z",
            "object": {"type": object_type, "id": str(example.get(id_field, "text"))},
            "data": example,
        },
    }


def _dataclass(cls: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    hints = typing.get_type_hints(cls)
    properties, example, required = {}, {}, []
    for field in dataclasses.fields(cls):
        properties[field.name], example[field.name] = _kind(hints[field.name])
        required.append(field.name)
    schema = {"type": "object", "properties": properties, "required": required}
    return schema, example


def _kind(kind: Any) -> tuple[dict[str, Any], Any]:
    """Return a type's schema and an example of it. Raises TypeError for one that events cannot hold."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        schema, example = _kind(next(one for one in arguments if one is not type(None)))
        return {"anyOf": [schema, {"type": "null"}]}, example
    if origin in (tuple, list):
        schema, example = _kind(arguments[0])
        return {"type": "array", "items": schema}, [example]
    if origin is dict:
        return _PLAIN[dict]
    if origin is typing.Literal:
        return {"enum": list(arguments)}, arguments[0]
    if isinstance(kind, type) and issubclass(kind, Enum):
        values = [one.value for one in kind]
        return {"enum": values}, values[0]
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind)
    raise TypeError(f"{kind!r} has no JSON Schema")
