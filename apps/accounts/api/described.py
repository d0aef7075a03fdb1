"""What the views of this API have in common in its OpenAPI description."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from apps.accounts.api.serializers import ProblemOut

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


CUSTOMER_EXAMPLE = OpenApiExample(
    "A person",
    {
        "kind": "person",
        "name": "Ada Example",
        "country": "NL",
        "email": "ada@example.com",
        "reference": "C-1001",
    },
    request_only=True,
)
ACCOUNT_EXAMPLE = OpenApiExample(
    "An account in euros",
    {"currency": "EUR", "customer_id": "pty_01h2xcejqtf2nbrexx3vqjhp41", "label": "Savings"},
    request_only=True,
)
SEARCH_EXAMPLE = OpenApiExample("By e-mail address", {"email": "ada@example.com"}, request_only=True)
BENEFICIARY_EXAMPLE = OpenApiExample(
    "A payee", {"name": "Example Supplies BV", "iban": "NL91ABNA0417164300"}, request_only=True
)
