"""What the views of every API have in common in its OpenAPI description."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers


class ProblemOut(serializers.Serializer[Any]):
    """An error (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    correlation_id = serializers.CharField()
    facts = serializers.DictField(required=False)
    errors = serializers.ListField(child=serializers.DictField(), required=False)  # type: ignore[assignment]  # a field named as DRF names an attribute


IDEMPOTENT = [
    OpenApiParameter(
        "Idempotency-Key",
        str,
        OpenApiParameter.HEADER,
        required=True,
        description="1 to 255 visible characters; the same key and body give the first answer again.",
    )
]
PAGED = [
    OpenApiParameter("limit", int, description="1 to 200, by default 50."),
    OpenApiParameter("cursor", str, description="From the `next` of the page before."),
]
_TEXTS = {
    400: "The request cannot be read.",
    401: "There is no valid token.",
    403: "The token lacks the scope.",
    404: "There is no such object.",
    409: "The object is not in a state in which this can be done.",
    422: "A field has a value that it cannot have.",
}


def answers(shape: Any, *problems: int, status: int = 200) -> dict[int, Any]:
    """Describe the answer and the problems of an operation; 401 and 403 are always possible."""
    described: dict[int, Any] = {status: shape}
    for code in sorted({401, 403, *problems}):
        described[code] = OpenApiResponse(ProblemOut, description=_TEXTS[code])
    return described
