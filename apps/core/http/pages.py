"""Keyset pages: a cursor names the last row seen, never a number of rows to skip."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import QuerySet
from rest_framework.request import Request

from apps.core.errors import Refusal

LIMIT_DEFAULT, LIMIT_MAX = 50, 200


class BadCursor(Refusal):
    code = "bad_cursor"
    status = 400
    title = "This is not a cursor that a page gave."


class BadLimit(Refusal):
    code = "bad_limit"
    status = 400
    title = "The limit is a whole number from 1 to 200."


def limit_of(request: Request) -> int:
    """Read `limit` of the query. Raises BadLimit."""
    text = request.query_params.get("limit", str(LIMIT_DEFAULT))
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= LIMIT_MAX):
        raise BadLimit(given=text[:20])
    return int(text)


def encode_cursor(key: str) -> str:
    """Make an opaque cursor of a row's sort key."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def decode_cursor(text: str) -> str:
    """Read a cursor back to the sort key. Raises BadCursor."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        raise BadCursor from None


def page_by_id(request: Request, rows: QuerySet[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Cut one page, newest first, out of rows with a time-ordered UUID key.

    Returns the rows and {"next": address or null}. Raises BadCursor, BadLimit.
    """
    limit, cursor = limit_of(request), request.query_params.get("cursor")
    if cursor:
        try:
            rows = rows.filter(pk__lt=UUID(decode_cursor(cursor)))
        except ValueError:
            raise BadCursor from None
    found = list(rows.order_by("-pk")[: limit + 1])
    return found[:limit], page_links(request, str(found[limit - 1].pk) if len(found) > limit else None)


def page_links(request: Request, last_key: str | None) -> dict[str, Any]:
    """Return {"next": the address of the next page, or null on the last}."""
    if last_key is None:
        return {"next": None}
    query = {**request.query_params.dict(), "cursor": encode_cursor(last_key)}
    return {"next": request.build_absolute_uri(f"{request.path}?{urlencode(query)}")}
