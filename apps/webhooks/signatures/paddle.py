"""Paddle: `Paddle-Signature: ts=<seconds>;h1=<hex>[;h1=<hex>…]` over `<ts>:<body>`.

The vendor's package allows five seconds, which a queue between them and us would break, so the
tolerance is the same as everywhere unless the source is configured otherwise.
"""

from __future__ import annotations

from apps.webhooks.signatures.base import (
    Adapter,
    ProviderEvent,
    Rejected,
    SignedRequest,
    Verdict,
    check_fresh,
    hmac_hex,
    json_object,
    match_hmac,
    moment,
    text_field,
    text_or_empty,
)


def verify(request: SignedRequest) -> Verdict:
    """Check Paddle's signature. Raises Rejected."""
    pairs = [part.partition("=") for part in request.header("paddle-signature").split(";")]
    timestamps = {value for name, _, value in pairs if name == "ts"}
    signatures = [value for name, _, value in pairs if name == "h1"]
    if len(timestamps) != 1:
        raise Rejected("malformed_timestamp")
    if not signatures:
        raise Rejected("missing_signature")
    timestamp = timestamps.pop()
    check_fresh(request, timestamp)
    message = timestamp.encode() + b":" + request.body
    return match_hmac(request, signatures, lambda secret: hmac_hex(secret.data(), message))


def events(request: SignedRequest) -> list[ProviderEvent]:
    """Read Paddle's one event. Raises Unreadable."""
    payload = json_object(request.body)
    data = payload.get("data")
    return [
        ProviderEvent(
            event_id=text_field(payload.get("event_id"), "id"),
            event_type=text_field(payload.get("event_type"), "type"),
            object_key=text_or_empty(data.get("id")) if isinstance(data, dict) else "",
            occurred_at=moment(payload.get("occurred_at")),
            payload=payload,
        )
    ]


ADAPTER = Adapter(verify, events)
