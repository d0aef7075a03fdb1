"""Reading what a request says."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request

from apps.core.errors import Invalid


def read(shape: Any, request: Request) -> dict[str, Any]:
    """Read a request's body in the shape of a serializer. Raises ValidationError."""
    serializer = shape(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def one_of(name: str, value: str | None, known: list[str]) -> list[str]:
    """Read a filter of the query. Raises Invalid for a word that means nothing."""
    if value is None:
        return []
    if value not in known:
        raise Invalid(field=name, allowed=known)
    return [value]
