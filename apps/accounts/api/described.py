"""Examples of this API's OpenAPI description."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample

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
