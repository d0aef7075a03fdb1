"""What a provider's own event means in the words of the payments context. Pure: members in, members out.

Only what says all that the books need is translated: whose money it is, how much, and that it moved.
What is about nothing of ours is ignored with a reason; what must mean our money and does not say it
clearly becomes a dead letter, never a guess.

* Stripe: `payment_intent.*`, made with our account in `metadata.account_id`.
* Adyen: notification items whose `merchantReference` is the reference of a card request of ours.
* TrueLayer: money that came into a merchant account, by the source's map of their accounts to ours.
* GoCardless, and TrueLayer's payments: their events name no amount. Whoever makes the payment may say
  account, amount and currency in its metadata; that is believed only where the source's settings say
  that nobody else writes metadata (`metadata_names_amount`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.core.errors import Refusal
from apps.core.money import Money

# Counted otherwise than ISO 4217 has it (docs.stripe.com/currencies; Adyen's list of currency codes).
_OTHER_UNITS = {
    "stripe": frozenset({"ISK", "UGX"}),
    "adyen": frozenset({"CLP", "CVE", "IDR", "ISK"}),
}
_STRIPE = {
    "payment_intent.created": "payin.created",
    "payment_intent.processing": "payin.pending",
    "payment_intent.payment_failed": "payin.failed",
    "payment_intent.canceled": "payin.cancelled",
    "payment_intent.succeeded": "payin.succeeded",
}
# Event code: the object, and its status when `success` is true and when it is false.
_ADYEN = {
    "AUTHORISATION": ("authorisation", "authorised", "declined"),
    "CAPTURE": ("capture", "succeeded", "failed"),
    "REFUND": ("refund", "succeeded", "failed"),
    "CANCELLATION": ("void", "succeeded", "failed"),
    "NOTIFICATION_OF_CHARGEBACK": ("dispute", "inquiry", ""),
    "CHARGEBACK": ("dispute", "opened", ""),
    "CHARGEBACK_REVERSED": ("dispute", "won", ""),
}
# They take back what was told as done; the books do not turn round by themselves.
_TAKEN_BACK = frozenset({"CAPTURE_FAILED", "REFUND_FAILED", "REFUNDED_REVERSED", "SECOND_CHARGEBACK"})
_ADYEN_REASONS = {
    "not enough balance": "insufficient_funds",
    "expired card": "expired_card",
    "invalid card number": "incorrect_number",
    "cvc declined": "incorrect_cvc",
    "issuer unavailable": "issuer_unavailable",
    "fraud": "fraud_suspected",
    "issuer suspected fraud": "fraud_suspected",
    "restricted card": "not_permitted",
    "not supported": "card_not_supported",
}
_GOCARDLESS_NO_MONEY = {
    "payments.created": "payin.created",
    "payments.submitted": "payin.pending",
    "payments.customer_approval_granted": "payin.pending",
    "payments.cancelled": "payin.cancelled",
    "payments.failed": "payin.failed",
}
_GOCARDLESS_TAKEN_BACK = frozenset({"payments.late_failure_settled", "payments.charged_back"})
_TRUELAYER_NO_MONEY = {
    "payment_authorized": "payin.pending",
    "payment_executed": "payin.pending",
    "payment_creditable": "payin.pending",
    "payment_failed": "payin.failed",
}
_OURS = re.compile(r"(att|opr)_[0-9a-z]{20,40}")
_NAMED = "names no amount of ours"


class Untranslatable(Refusal):
    code = "untranslatable"
    title = "The provider's event tells of money in a way that cannot be booked."


@dataclass(frozen=True, slots=True)
class Told:
    """An event in our words; `ignored` says why it has none."""

    event_type: str
    payload: dict[str, Any] = field(default_factory=dict)
    ignored: str = ""


Translate = Callable[[str, dict[str, Any], Mapping[str, Any]], Told]


def translate(
    provider: str, event_type: str, payload: dict[str, Any], settings: Mapping[str, Any] | None = None
) -> Told:
    """Say in our words what a provider's event means; what has no meaning here stays as it came.

    `settings` are the source's own. Raises Untranslatable for an event that must mean money for one of
    our accounts and does not say it.
    """
    translation = TRANSLATIONS.get(provider)
    return (
        Told(event_type, payload) if translation is None else translation(event_type, payload, settings or {})
    )


def _stripe(event_type: str, payload: dict[str, Any], settings: Mapping[str, Any]) -> Told:
    if event_type not in _STRIPE:
        return Told(event_type, payload)
    intent = _object(_object(payload, "data"), "object")
    metadata = _object(intent, "metadata")
    if "account_id" not in metadata:
        return Told(event_type, payload)  # an intent that was not made for an account of ours
    meaning = _STRIPE[event_type]
    if meaning != "payin.succeeded":
        return Told(meaning)
    money = _money("stripe", intent.get("amount_received"), intent.get("currency"), member="amount_received")
    return Told(meaning, _payin(intent.get("id"), metadata["account_id"], money, intent.get("description")))


def _adyen(event_type: str, item: dict[str, Any], settings: Mapping[str, Any]) -> Told:
    reference = item.get("merchantReference")
    if event_type not in _ADYEN and event_type not in _TAKEN_BACK:
        return Told(event_type, item)
    if not isinstance(reference, str) or _OURS.fullmatch(reference) is None:
        return Told(event_type, ignored="its merchant reference is not one of ours")
    success = {True: True, "true": True, False: False, "false": False}.get(item.get("success", ""))
    if success is None:
        raise Untranslatable(member="success")
    if event_type in _TAKEN_BACK:
        if success:
            raise Untranslatable(member="eventCode", reason="it takes back what is booked; book it by hand")
        return Told(event_type, ignored="it did not happen")
    kind, done, failed = _ADYEN[event_type]
    status = done if success else failed
    if not status:
        return Told(event_type, ignored="it did not happen")
    amount = _object(item, "amount")
    money = _money("adyen", amount.get("value"), amount.get("currency"), member="amount")
    # A change carries its own reference, or only the payment's: then it is found by the processor's name for it.
    named = reference.startswith("att_") if kind == "authorisation" else reference.startswith("opr_")
    word = {
        "object": kind,
        "id": item.get("pspReference"),
        "reference": reference if named and kind != "dispute" else "",
        "status": status,
        "amount": money.minor,
        "currency": money.currency,
        "authorisation": "" if kind == "authorisation" else item.get("originalReference"),
        "code": "" if success else _adyen_code(item.get("reason")),
    }
    return Told(f"card.{kind}.{status}", word)


def _adyen_code(reason: Any) -> str:
    """Give the code of a refusal; what stands in `reason` is a sentence."""
    text = reason.strip().lower() if isinstance(reason, str) else ""
    return _ADYEN_REASONS.get(text, re.sub(r"[^a-z0-9]+", "_", text).strip("_")[:40])


def _gocardless(event_type: str, event: dict[str, Any], settings: Mapping[str, Any]) -> Told:
    if event_type in _GOCARDLESS_NO_MONEY:
        return Told(_GOCARDLESS_NO_MONEY[event_type])
    if event_type == "payments.paid_out":
        return Told(event_type, ignored="the payout's money is booked from the bank's statement")
    metadata = _object(event, "resource_metadata")
    if event_type in _GOCARDLESS_TAKEN_BACK and _says_amount(metadata, settings):
        raise Untranslatable(member="action", reason="it takes back what is booked; book it by hand")
    if event_type != "payments.confirmed":
        return Told(event_type, event)
    return _from_metadata(event_type, _object(event, "links").get("payment"), metadata, settings)


def _truelayer(event_type: str, event: dict[str, Any], settings: Mapping[str, Any]) -> Told:
    if event_type in _TRUELAYER_NO_MONEY:
        return Told(_TRUELAYER_NO_MONEY[event_type])
    if event_type == "payment_settled":
        return _from_metadata(event_type, event.get("payment_id"), _object(event, "metadata"), settings)
    if event_type != "external_payment_received":
        return Told(event_type, event)
    account = _object(settings, "accounts").get(str(event.get("merchant_account_id")))
    if account is None:
        return Told(event_type, ignored="its merchant account is not in the source's `accounts`")
    money = _money("truelayer", event.get("amount_in_minor"), event.get("currency"), member="amount_in_minor")
    remitter = _object(event, "remitter")
    told = _payin(event.get("transaction_id"), account, money, remitter.get("reference"))
    return Told("payin.succeeded", told | {"debtor": _debtor(remitter)})


def _debtor(remitter: dict[str, Any]) -> dict[str, str]:
    name = remitter.get("account_holder_name")
    listed = remitter.get("account_identifiers")
    ibans = [
        one["iban"]
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict) and isinstance(one.get("iban"), str)
    ]
    return {"name": name if isinstance(name, str) else "", "iban": ibans[0] if ibans else ""}


def _says_amount(metadata: dict[str, Any], settings: Mapping[str, Any]) -> bool:
    return settings.get("metadata_names_amount") is True and "account_id" in metadata


def _from_metadata(
    event_type: str, reference: Any, metadata: dict[str, Any], settings: Mapping[str, Any]
) -> Told:
    if not _says_amount(metadata, settings):
        return Told(event_type, ignored=_NAMED)
    try:
        money = Money.parse(str(metadata.get("amount")), str(metadata.get("currency")))
    except Refusal:
        raise Untranslatable(member="metadata.amount") from None
    if money.minor <= 0:
        raise Untranslatable(member="metadata.amount")
    return Told(
        "payin.succeeded", _payin(reference, metadata["account_id"], money, metadata.get("reference"))
    )


def _payin(reference: Any, account_id: Any, money: Money, remittance: Any) -> dict[str, Any]:
    return {
        "id": reference,
        "account_id": account_id,
        "amount": {"amount": money.decimal_text(), "currency": money.currency},
        "reference": remittance if isinstance(remittance, str) else "",
    }


def _money(provider: str, minor: Any, currency: Any, *, member: str) -> Money:
    # JSON's true is an int to Python.
    if type(minor) is not int or minor <= 0 or not isinstance(currency, str):
        raise Untranslatable(member=member)
    if currency.upper() in _OTHER_UNITS.get(provider, ()):
        raise Untranslatable(member="currency")
    try:
        return Money(minor, currency.upper())
    except Refusal:
        raise Untranslatable(member="currency") from None


def _object(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


TRANSLATIONS: dict[str, Translate] = {
    "stripe": _stripe,
    "adyen": _adyen,
    "gocardless": _gocardless,
    "truelayer": _truelayer,
}
"""Whose own events are understood. Standard Webhooks, Svix and the sandbox send our words already."""
