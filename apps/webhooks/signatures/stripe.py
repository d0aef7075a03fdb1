"""Stripe: `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>…]` over `<t>.<body>`.

The key is the whole text of the secret, `whsec_` included. While an endpoint's secret is being
rolled the header carries one `v1` for each secret. A timestamp in the future is refused too, which
the vendor's own packages do not do.
"""

from __future__ import annotations

from apps.webhooks.signatures.base import (
    Adapter,
    ProviderEvent,
    Rejected,
    SignedRequest,
    Unreadable,
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
    """Check Stripe's signature. Raises Rejected."""
    timestamp, signatures = _parts(request.header("stripe-signature"))
    verdict = match_hmac(
        request,
        signatures,
        lambda secret: hmac_hex(secret.data(), timestamp.encode() + b"." + request.body),
    )
    check_fresh(request, timestamp)
    return verdict


def _parts(header: str) -> tuple[str, list[str]]:
    pairs = [part.partition("=") for part in header.split(",")]
    timestamps = [value for name, _, value in pairs if name == "t"]
    signatures = [value for name, _, value in pairs if name == "v1"]
    if not timestamps or not timestamps[0].isascii() or not timestamps[0].isdigit():
        raise Rejected("malformed_timestamp")
    if len(set(timestamps)) > 1:
        raise Rejected("malformed_signature")
    if not signatures:
        raise Rejected("missing_signature")
    return timestamps[0], signatures


def events(request: SignedRequest) -> list[ProviderEvent]:
    """Read Stripe's one event. Raises Unreadable."""
    payload = json_object(request.body)
    data = payload.get("data")
    subject = data.get("object") if isinstance(data, dict) else None
    if not isinstance(subject, dict):
        raise Unreadable("bad_data")
    return [
        ProviderEvent(
            event_id=text_field(payload.get("id"), "id"),
            event_type=text_field(payload.get("type"), "type"),
            object_key=text_or_empty(subject.get("id")),
            occurred_at=moment(payload.get("created")),
            payload=payload,
        )
    ]


ADAPTER = Adapter(verify, events)
