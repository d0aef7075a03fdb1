"""JSON as money needs it: no floats that lose digits, no names said twice, no endless nesting."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from apps.core.errors import Refusal

BODY_MAX_BYTES = 256 * 1024
DEPTH_MAX = 20


class BodyTooLarge(Refusal):
    code = "body_too_large"
    status = 413
    title = "The body of a request is too large."


class StrictJsonParser(BaseParser):
    """Parse a JSON body (RFC 8259), refusing what readers disagree about.

    A repeated name, NaN and Infinity, a NUL character, a lone surrogate, more than 20 levels and a
    body over 256 KiB are refused. Raises ParseError, BodyTooLarge.
    """

    media_type = "application/json"
    body_bytes_max = BODY_MAX_BYTES

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Read the body and return its value."""
        body = stream.read(self.body_bytes_max + 1)
        if len(body) > self.body_bytes_max:
            raise BodyTooLarge(bytes_max=self.body_bytes_max)
        try:
            text = body.decode("utf-8")
            _check_depth(text)
            data = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse_constant)
            _check_text(data)
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {_reason(error)}.") from None
        return data


class LongJsonParser(StrictJsonParser):
    """The same for the few views that take lists of thousands: 8 MiB."""

    body_bytes_max = 8 * 1024 * 1024


def _reason(error: ValueError) -> str:
    if isinstance(error, UnicodeError):
        return "it is not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    return str(error)


def _check_depth(text: str) -> None:
    """Refuse deep nesting before the parser recurses into it; brackets in strings count too little."""
    depth, inside, escaped = 0, False, False
    for character in text:
        if inside:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                inside = False
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
            if depth > DEPTH_MAX:
                raise ValueError(f"more than {DEPTH_MAX} levels")
        elif character in "]}":
            depth -= 1


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name {name[:40]!r} is said twice")
        found[name] = value
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _check_text(value: Any) -> None:
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError("a NUL character")
        value.encode("utf-8")
    elif isinstance(value, dict):
        for name, inner in value.items():
            _check_text(name)
            _check_text(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_text(inner)
