"""Standard Webhooks, as sender and as receiver, and Svix, which uses it under other header names.

`webhook-signature` is a list parted by spaces: `v1,` HMAC-SHA256 and `v1a,` Ed25519 over
`<webhook-id>.<webhook-timestamp>.<body>`. Secrets are `whsec_` + base64 of the HMAC key, `whsk_` +
base64 of the Ed25519 private key and `whpk_` + base64 of the public key. An entry that cannot be
read is passed over, since a receiver must survive a version it does not know.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from apps.webhooks.signatures.base import (
    SIGNATURES_MAX,
    Adapter,
    ProviderEvent,
    Rejected,
    Secret,
    SignedRequest,
    Verdict,
    check_fresh,
    decode_base64,
    hmac_base64,
    json_object,
    match_hmac,
    moment,
    text_field,
    text_or_empty,
)

SYMMETRIC, PRIVATE, PUBLIC = "whsec_", "whsk_", "whpk_"
KEY_BYTES_MIN = 16
# A full stop parts id, timestamp and body in the signed content, so an id that holds one could take
# up a part of its neighbour; the others cannot be printed safely.
_ID = re.compile(r"[!-\-/-~]{1,255}")


def sign(*, secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> str:
    """Write the value of `webhook-signature`, one entry for each secret, in the order given.

    A `whsk_` secret signs with Ed25519 (`v1a`), any other with HMAC-SHA256 (`v1`). Raises Rejected
    when a secret cannot be read or the id holds a full stop.
    """
    content = signed_content(message_id=message_id, timestamp=str(int(at.timestamp())), body=body)
    return " ".join(_signature(secret, content) for secret in secrets)


def signed_content(*, message_id: str, timestamp: str, body: bytes) -> bytes:
    """Join what is signed. Raises Rejected for an id that would make the joint ambiguous."""
    if not _ID.fullmatch(message_id):
        raise Rejected("malformed_id")
    return b".".join((message_id.encode(), timestamp.encode(), body))


def _signature(secret: str, content: bytes) -> str:
    if secret.startswith(PRIVATE):
        key = Ed25519PrivateKey.from_private_bytes(_key_bytes(secret, PRIVATE)[:32])
        return f"v1a,{base64.b64encode(key.sign(content)).decode('ascii')}"
    return f"v1,{hmac_base64(_key_bytes(secret, SYMMETRIC), content)}"


def _key_bytes(secret: str, prefix: str) -> bytes:
    key = decode_base64(secret.removeprefix(prefix), "bad_secret")
    if len(key) < KEY_BYTES_MIN:
        raise Rejected("bad_secret")
    return key


def public_key_of(private_secret: str) -> str:
    """Return the `whpk_` text that belongs to a `whsk_` secret. Raises Rejected."""
    key = Ed25519PrivateKey.from_private_bytes(_key_bytes(private_secret, PRIVATE)[:32])
    return PUBLIC + base64.b64encode(key.public_key().public_bytes_raw()).decode("ascii")


def verifier(*prefixes: str) -> Callable[[SignedRequest], Verdict]:
    """Make the check for senders that name their headers `<prefix>-id`, `-timestamp`, `-signature`."""

    def verify(request: SignedRequest) -> Verdict:
        prefix = next((p for p in prefixes if f"{p}-signature" in request.headers), prefixes[0])
        given = request.header(f"{prefix}-signature").split(" ")
        timestamp = request.headers.get(f"{prefix}-timestamp", "")
        check_fresh(request, timestamp)
        content = signed_content(
            message_id=request.headers.get(f"{prefix}-id", ""),
            timestamp=timestamp,
            body=request.body,
        )
        return _match(request, given, content)

    return verify


def _match(request: SignedRequest, given: list[str], content: bytes) -> Verdict:
    if len(given) > SIGNATURES_MAX:
        raise Rejected("too_many_signatures")
    asymmetric = [text.removeprefix("v1a,") for text in given if text.startswith("v1a,")]
    for secret in request.secrets:
        if secret.value.startswith(PUBLIC) and _any_ed25519(secret, asymmetric, content):
            return Verdict(True, "ok", secret.key_id)
    symmetric = [text.removeprefix("v1,") for text in given if text.startswith("v1,")]
    if not symmetric and not asymmetric:
        raise Rejected("malformed_signature")
    shared = [secret for secret in request.secrets if not secret.value.startswith((PUBLIC, PRIVATE))]
    if not shared:
        raise Rejected("signature_mismatch")
    return match_hmac(
        replace(request, secrets=shared),
        symmetric,
        lambda secret: hmac_base64(_key_bytes(secret.value, SYMMETRIC), content),
    )


def _any_ed25519(secret: Secret, given: list[str], content: bytes) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(_key_bytes(secret.value, PUBLIC))
    except (Rejected, ValueError):
        return False
    return any(_is_ed25519(key, text, content) for text in given)


def _is_ed25519(key: Ed25519PublicKey, text: str, content: bytes) -> bool:
    try:
        key.verify(decode_base64(text, "malformed_signature"), content)
    except (Rejected, InvalidSignature):
        return False
    return True


def reader(*prefixes: str) -> Callable[[SignedRequest], list[ProviderEvent]]:
    """Make the reader for the same header names. The id comes from the header, which is signed."""

    def events(request: SignedRequest) -> list[ProviderEvent]:
        names = [f"{prefix}-id" for prefix in prefixes if f"{prefix}-id" in request.headers]
        event_id = text_field(request.headers.get(names[0]) if names else None, "id")
        # An empty body with a right signature is how a sender asks whether anyone is there.
        if not request.body:
            return [ProviderEvent(event_id, "ping", "", None, {})]
        payload = json_object(request.body)
        data = payload.get("data")
        event_type = payload.get("type", payload.get("eventType", "untyped"))
        return [
            ProviderEvent(
                event_id=event_id,
                event_type=text_field(event_type, "type"),
                object_key=text_or_empty(data.get("id")) if isinstance(data, dict) else "",
                occurred_at=moment(payload.get("timestamp")),
                payload=payload,
            )
        ]

    return events


STANDARD = Adapter(verifier("webhook"), reader("webhook"))
SVIX = Adapter(verifier("svix", "webhook"), reader("svix", "webhook"))
