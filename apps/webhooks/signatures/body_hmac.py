"""Providers that sign the body (and at most the URL) with HMAC-SHA256 and send no time.

GitHub `X-Hub-Signature-256: sha256=<hex>` (the SHA-1 header is not looked at), GoCardless
`Webhook-Signature: <hex>`, Razorpay `X-Razorpay-Signature: <hex>`, Square
`x-square-hmacsha256-signature: <base64>` over the configured URL followed by the body. Without a
signed time a repeat is told by its event id alone, which the inbox keeps for ever.
"""

from __future__ import annotations

from typing import Any

from apps.webhooks.signatures.base import (
    EVENTS_MAX,
    Adapter,
    ProviderEvent,
    SignedRequest,
    Unreadable,
    Verdict,
    digest_id,
    hmac_base64,
    hmac_hex,
    json_object,
    match_hmac,
    moment,
    text_field,
    text_or_empty,
)


def _verify_github(request: SignedRequest) -> Verdict:
    given = request.header("x-hub-signature-256")
    return match_hmac(request, [given], lambda secret: "sha256=" + hmac_hex(secret.data(), request.body))


def _github_events(request: SignedRequest) -> list[ProviderEvent]:
    payload = json_object(request.body)
    kind = text_field(request.headers.get("x-github-event"), "type")
    action = text_or_empty(payload.get("action"))
    return [
        ProviderEvent(
            event_id=text_field(request.headers.get("x-github-delivery"), "id"),
            event_type=f"{kind}.{action}" if action else kind,
            object_key="",
            occurred_at=None,
            payload=payload,
        )
    ]


def _verify_gocardless(request: SignedRequest) -> Verdict:
    given = request.header("webhook-signature")
    return match_hmac(request, [given], lambda secret: hmac_hex(secret.data(), request.body))


def _gocardless_events(request: SignedRequest) -> list[ProviderEvent]:
    listed = json_object(request.body).get("events")
    if not isinstance(listed, list) or not listed:
        raise Unreadable("no_events")
    if len(listed) > EVENTS_MAX:
        raise Unreadable("too_many_events")
    return [_gocardless_event(event) for event in listed]


def _gocardless_event(event: Any) -> ProviderEvent:
    if not isinstance(event, dict):
        raise Unreadable("bad_event")
    resource = text_field(event.get("resource_type"), "type")
    links = event.get("links")
    # GoCardless names the link in the singular of the resource: payments → payment.
    subject = links.get(resource.removesuffix("s")) if isinstance(links, dict) else None
    return ProviderEvent(
        event_id=text_field(event.get("id"), "id"),
        event_type=f"{resource}.{text_field(event.get('action'), 'action')}",
        object_key=text_or_empty(subject),
        occurred_at=moment(event.get("created_at")),
        payload=event,
    )


def _verify_razorpay(request: SignedRequest) -> Verdict:
    given = request.header("x-razorpay-signature")
    return match_hmac(request, [given], lambda secret: hmac_hex(secret.data(), request.body))


def _razorpay_events(request: SignedRequest) -> list[ProviderEvent]:
    payload = json_object(request.body)
    given_id = request.headers.get("x-razorpay-event-id")
    return [
        ProviderEvent(
            # The id's header is not signed: a repeat under another id would be a second event. So the
            # signed bytes name the event, and the header's id only goes along in the payload's headers.
            event_id=digest_id(request.body),
            event_type=text_field(payload.get("event"), "type"),
            object_key=_razorpay_object(payload) or text_or_empty(given_id),
            occurred_at=moment(payload.get("created_at")),
            payload=payload,
        )
    ]


def _razorpay_object(payload: dict[str, Any]) -> str:
    contains, nested = payload.get("contains"), payload.get("payload")
    if not isinstance(contains, list) or not contains or not isinstance(nested, dict):
        return ""
    holder = nested.get(contains[0]) if isinstance(contains[0], str) else None
    entity = holder.get("entity") if isinstance(holder, dict) else None
    return text_or_empty(entity.get("id")) if isinstance(entity, dict) else ""


def _verify_square(request: SignedRequest) -> Verdict:
    given = request.header("x-square-hmacsha256-signature")
    # Behind a proxy the URL we see is not the one that was registered, so a configured one comes first.
    url = str(request.config.get("notification_url") or request.url)
    message = url.encode("utf-8", "surrogateescape") + request.body
    return match_hmac(request, [given], lambda secret: hmac_base64(secret.data(), message))


def _square_events(request: SignedRequest) -> list[ProviderEvent]:
    payload = json_object(request.body)
    data = payload.get("data")
    return [
        ProviderEvent(
            event_id=text_field(payload.get("event_id"), "id"),
            event_type=text_field(payload.get("type"), "type"),
            object_key=text_or_empty(data.get("id")) if isinstance(data, dict) else "",
            occurred_at=moment(payload.get("created_at")),
            payload=payload,
        )
    ]


GITHUB = Adapter(_verify_github, _github_events)
GOCARDLESS = Adapter(_verify_gocardless, _gocardless_events)
RAZORPAY = Adapter(_verify_razorpay, _razorpay_events)
SQUARE = Adapter(_verify_square, _square_events)
