"""Adyen, both forms, told apart by the header.

Standard notifications carry a signature in every item: base64 HMAC-SHA256, with a hexadecimal key,
over eight fields joined by colons. All items must be signed, not the first alone. The fields are not
escaped, so an item is refused when any of them but the merchant's reference holds a colon: then the
joined text can be parted in one way only, and a colon cannot be moved from one field to the next.
Banking and management webhooks sign the body, in the header `HmacSignature`.
"""

from __future__ import annotations

from typing import Any

from apps.webhooks.signatures.base import (
    EVENTS_MAX,
    Adapter,
    ProviderEvent,
    Rejected,
    Secret,
    SignedRequest,
    Unreadable,
    Verdict,
    digest_id,
    hmac_base64,
    json_object,
    match_hmac,
    moment,
    text_field,
    text_or_empty,
)


def verify(request: SignedRequest) -> Verdict:
    """Check either form of Adyen's signature. Raises Rejected."""
    if "hmacsignature" in request.headers:
        given = request.header("hmacsignature")
        return match_hmac(request, [given], lambda secret: hmac_base64(_hex_key(secret), request.body))
    return _verify_items(request)


def _hex_key(secret: Secret) -> bytes:
    try:
        return bytes.fromhex(secret.value)
    except ValueError:
        raise Rejected("bad_secret") from None


def _verify_items(request: SignedRequest) -> Verdict:
    try:
        items = _items(request.body)
    except Unreadable as unreadable:
        known = {"empty_body": "missing_signature", "too_many_events": "too_many_events"}
        raise Rejected(known.get(unreadable.reason, "malformed_body")) from None
    verdicts = [_verify_item(request, item) for item in items]
    return verdicts[0]


def _verify_item(request: SignedRequest, item: dict[str, Any]) -> Verdict:
    additional = item.get("additionalData")
    given = additional.get("hmacSignature") if isinstance(additional, dict) else None
    if not isinstance(given, str) or not given:
        raise Rejected("missing_signature")
    content = _signed_content(item)
    return match_hmac(request, [given], lambda secret: hmac_base64(_hex_key(secret), content))


def _signed_content(item: dict[str, Any]) -> bytes:
    amount = item.get("amount")
    if amount is not None and not isinstance(amount, dict):
        raise Rejected("malformed_body")
    amount = amount or {}
    fields = {
        "pspReference": _text(item.get("pspReference")),
        "originalReference": _text(item.get("originalReference")),
        "merchantAccountCode": _text(item.get("merchantAccountCode")),
        "merchantReference": _text(item.get("merchantReference")),
        "value": _text(amount.get("value")),
        "currency": _text(amount.get("currency")),
        "eventCode": _text(item.get("eventCode")),
        "success": _text(item.get("success")),
    }
    if any(":" in value for name, value in fields.items() if name != "merchantReference"):
        raise Rejected("ambiguous_fields")
    return ":".join(fields.values()).encode("utf-8", "surrogateescape")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    raise Rejected("malformed_body")


def _items(body: bytes) -> list[dict[str, Any]]:
    listed = json_object(body).get("notificationItems")
    if not isinstance(listed, list) or not listed:
        raise Unreadable("no_events")
    if len(listed) > EVENTS_MAX:
        raise Unreadable("too_many_events")
    items = [entry.get("NotificationRequestItem") if isinstance(entry, dict) else None for entry in listed]
    if not all(isinstance(item, dict) for item in items):
        raise Unreadable("bad_event")
    return [item for item in items if isinstance(item, dict)]


def events(request: SignedRequest) -> list[ProviderEvent]:
    """Read every item of a standard notification, or the one event of the header form."""
    if "hmacsignature" in request.headers:
        return [_platform_event(request)]
    return [_item_event(item) for item in _items(request.body)]


def _item_event(item: dict[str, Any]) -> ProviderEvent:
    # Adyen gives an item no id. These three are signed and stay the same when it is sent again.
    code = text_field(item.get("eventCode"), "type")
    reference = text_field(item.get("pspReference"), "id")
    success = _text(item.get("success"))
    return ProviderEvent(
        event_id=f"{reference}:{code}:{success}",
        event_type=code,
        object_key=text_or_empty(item.get("originalReference")) or reference,
        occurred_at=moment(item.get("eventDate")),
        payload=item,
    )


def _platform_event(request: SignedRequest) -> ProviderEvent:
    payload = json_object(request.body)
    data = payload.get("data")
    return ProviderEvent(
        event_id=digest_id(request.body),
        event_type=text_field(payload.get("type"), "type"),
        object_key=text_or_empty(data.get("id")) if isinstance(data, dict) else "",
        occurred_at=moment(payload.get("timestamp")),
        payload=payload,
    )


ADAPTER = Adapter(verify, events)
