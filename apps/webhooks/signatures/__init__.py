"""The door of the signature adapters: is this request genuine, and what does it tell?"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apps.webhooks.signatures import (
    adyen,
    body_hmac,
    braintree,
    http_message,
    paddle,
    paypal,
    standard,
    stripe,
    truelayer,
)
from apps.webhooks.signatures.base import (
    BODY_BYTES_MAX,
    REASONS,
    Adapter,
    ProviderEvent,
    Rejected,
    Secret,
    SignedRequest,
    Unreadable,
    Verdict,
)

__all__ = [
    "BODY_BYTES_MAX",
    "PROVIDERS",
    "REASONS",
    "ProviderEvent",
    "Secret",
    "Unreadable",
    "Verdict",
    "adapter",
    "provider_events",
    "verify_signature",
]

logger = logging.getLogger(__name__)

PROVIDERS: dict[str, Adapter] = {
    "adyen": adyen.ADAPTER,
    "bezant_sandbox": standard.STANDARD,
    "braintree": braintree.ADAPTER,
    "github": body_hmac.GITHUB,
    "gocardless": body_hmac.GOCARDLESS,
    "paddle": paddle.ADAPTER,
    "paypal": paypal.ADAPTER,
    "razorpay": body_hmac.RAZORPAY,
    "rfc9421": http_message.ADAPTER,
    "square": body_hmac.SQUARE,
    "standardwebhooks": standard.STANDARD,
    "stripe": stripe.ADAPTER,
    "svix": standard.SVIX,
    "truelayer": truelayer.ADAPTER,
}
_BY_PLAIN_NAME = {name.replace("_", ""): found for name, found in PROVIDERS.items()}
_BY_PLAIN_NAME["httpmessagesignatures"] = http_message.ADAPTER


def adapter(provider: str) -> Adapter | None:
    """Find a provider's adapter; case, hyphens, underscores and spaces in its name do not matter."""
    plain = "".join(letter for letter in provider.lower() if letter.isalnum())
    return _BY_PLAIN_NAME.get(plain)


def verify_signature(
    *,
    provider: str,
    secrets: Sequence[str | bytes | Secret] | str | bytes,
    headers: Mapping[str, str],
    body: bytes,
    at: datetime,
    method: str = "POST",
    url: str = "",
    config: Mapping[str, Any] | None = None,
) -> Verdict:
    """Decide whether a request comes from the provider. Never raises, whatever it is given.

    `secrets` are all the live ones; any may match. `body` is the exact bytes received, `at` the moment
    of receipt (aware), `url` the full URL that the provider called. `config` is the provider's own:
    `tolerance_s` (seconds, 0 for none), and the keys that each adapter's module names.
    """
    try:
        found = adapter(provider)
        if found is None:
            return Verdict(False, "unknown_provider")
        request = signed_request(secrets, headers, body, at, method, url, config)
        return found.verify(request)
    except Rejected as rejected:
        return Verdict(False, rejected.reason)
    except Exception as error:
        # A stranger's bytes must never choose how this process fails, so everything else is a "no"
        # too. The class of the error alone is logged: its text may hold a part of the request.
        logger.warning("webhook signature check failed: %s", type(error).__name__)
        return Verdict(False, "unexpected_error")


def signed_request(
    secrets: Sequence[str | bytes | Secret] | str | bytes,
    headers: Mapping[str, str],
    body: bytes,
    at: datetime,
    method: str,
    url: str,
    config: Mapping[str, Any] | None,
) -> SignedRequest:
    """Put a request into the form the adapters read. Raises Rejected for the wrong types and sizes."""
    if not isinstance(body, (bytes, bytearray, memoryview)) or not isinstance(url, str):
        raise Rejected("malformed_request")
    if len(body) > BODY_BYTES_MAX:
        raise Rejected("body_too_large")
    listed = [secrets] if isinstance(secrets, (str, bytes, Secret)) else list(secrets)
    usable = [Secret.of(secret) for secret in listed if secret]
    settings = dict(config or {})
    if not usable and not {"jwks", "keys", "webhook_id"} & settings.keys():
        raise Rejected("no_secret")
    folded = {str(name).lower(): value for name, value in headers.items() if isinstance(value, str)}
    return SignedRequest(folded, bytes(body), usable, at, method, url, settings)


def provider_events(
    *, provider: str, headers: Mapping[str, str], body: bytes, at: datetime
) -> list[ProviderEvent]:
    """Read the events of a request that `verify_signature` found genuine. Raises Unreadable."""
    found = adapter(provider)
    if found is None:
        raise Unreadable("unknown_provider")
    folded = {str(name).lower(): value for name, value in headers.items() if isinstance(value, str)}
    try:
        return found.events(SignedRequest(folded, body, (), at))
    except Rejected as rejected:
        raise Unreadable(rejected.reason) from None
