"""What a provider's own event means in the words of the payments context. Pure: members in, members out.

Only what says all that the books need is translated: the account, the amount and the moment money moved.
Stripe's `payment_intent.*` does, when whoever made the intent named the payment account in
`metadata.account_id`. GoCardless' events name neither amount nor account, and Adyen's AUTHORISATION is
a promise and no money; both are stored, verified and left to whoever reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.core.errors import Refusal
from apps.core.money import Money

# Stripe counts these in hundredths although ISO 4217 gives them none (docs.stripe.com/currencies).
_OTHER_UNITS = frozenset({"ISK", "UGX"})
_STRIPE = {
    "payment_intent.created": "payin.created",
    "payment_intent.processing": "payin.pending",
    "payment_intent.payment_failed": "payin.failed",
    "payment_intent.canceled": "payin.cancelled",
    "payment_intent.succeeded": "payin.succeeded",
}


class Untranslatable(Refusal):
    code = "untranslatable"
    title = "The provider's event tells of money in a way that cannot be booked."


@dataclass(frozen=True, slots=True)
class Told:
    """An event in our words."""

    event_type: str
    payload: dict[str, Any]


def translate(provider: str, event_type: str, payload: dict[str, Any]) -> Told:
    """Say in our words what a provider's event means; what has no meaning here stays as it came.

    Raises Untranslatable for an event that must mean money for one of our accounts and does not say it.
    """
    if provider != "stripe" or event_type not in _STRIPE:
        return Told(event_type, payload)
    data = payload.get("data")
    intent = data.get("object") if isinstance(data, dict) else None
    metadata = intent.get("metadata") if isinstance(intent, dict) else None
    if not isinstance(intent, dict) or not isinstance(metadata, dict) or "account_id" not in metadata:
        return Told(event_type, payload)  # an intent that was not made for an account of ours
    meaning = _STRIPE[event_type]
    return Told(meaning, _stripe_payin(intent, metadata) if meaning == "payin.succeeded" else {})


def _stripe_payin(intent: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
    minor, currency = intent.get("amount_received"), intent.get("currency")
    # JSON's true is an int to Python.
    if type(minor) is not int or minor <= 0 or not isinstance(currency, str):
        raise Untranslatable(member="amount_received")
    if currency.upper() in _OTHER_UNITS:
        raise Untranslatable(member="currency")
    try:
        money = Money(minor, currency.upper())
    except Refusal:
        raise Untranslatable(member="currency") from None
    description = intent.get("description")
    return {
        "id": intent.get("id"),
        "account_id": metadata["account_id"],
        "amount": {"amount": money.decimal_text(), "currency": money.currency},
        "reference": description if isinstance(description, str) else "",
    }
