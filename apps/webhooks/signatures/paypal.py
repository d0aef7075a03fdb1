"""PayPal: RSA-SHA256 over `<transmission id>|<time>|<webhook id>|<CRC-32 of the body>`.

The secret is the webhook's id, as PayPal gave it (or `webhook_id` in the configuration). The public
key comes from a certificate: `certificates` in the configuration maps the certificate's URL to its
PEM text, and `certificate_pem` serves for all. The URL in the header must be https on paypal.com or
below it, even though nothing is fetched here, and only `SHA256withRSA` is accepted. The check value
is a CRC: PayPal's scheme pins the body with 32 bits, and no receiver can make it stronger.
"""

from __future__ import annotations

import zlib
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from apps.webhooks.signatures.base import (
    Adapter,
    ProviderEvent,
    Rejected,
    Secret,
    SignedRequest,
    Verdict,
    decode_base64,
    json_object,
    moment,
    text_field,
    text_or_empty,
)

_HOST = "paypal.com"


def verify(request: SignedRequest) -> Verdict:
    """Check PayPal's signature. Raises Rejected."""
    signature = decode_base64(request.header("paypal-transmission-sig"), "malformed_signature")
    if request.headers.get("paypal-auth-algo", "").lower() != "sha256withrsa":
        raise Rejected("wrong_algorithm")
    key = _public_key(request)
    for secret in _webhook_ids(request):
        try:
            key.verify(signature, _content(request, secret.value), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            continue
        return Verdict(True, "ok", secret.key_id)
    raise Rejected("signature_mismatch")


def _webhook_ids(request: SignedRequest) -> list[Secret]:
    configured = request.config.get("webhook_id")
    return [*request.secrets, *([Secret.of(configured)] if configured else [])]


def _content(request: SignedRequest, webhook_id: str) -> bytes:
    transmission_id = request.headers.get("paypal-transmission-id", "")
    time = request.headers.get("paypal-transmission-time", "")
    # The bar parts the fields; one inside a field would let two different requests sign alike.
    if not transmission_id or not time or "|" in transmission_id + time + webhook_id:
        raise Rejected("malformed_signature")
    return "|".join((transmission_id, time, webhook_id, str(zlib.crc32(request.body)))).encode()


def trusted_certificate_url(url: str) -> bool:
    """Tell whether a certificate's URL is one of PayPal's own: https, its hosts, nothing unusual."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    host = (parts.hostname or "").lower()
    return (
        parts.scheme == "https"
        and "@" not in parts.netloc
        and "\\" not in url
        and port in (None, 443)
        and (host == _HOST or host.endswith("." + _HOST))
    )


def _public_key(request: SignedRequest) -> rsa.RSAPublicKey:
    url = request.headers.get("paypal-cert-url", "")
    if not trusted_certificate_url(url):
        raise Rejected("untrusted_key_url")
    pem = request.config.get("certificates", {}).get(url) or request.config.get("certificate_pem")
    if not pem:
        raise Rejected("unknown_key")
    data = pem.encode() if isinstance(pem, str) else bytes(pem)
    try:
        if b"BEGIN CERTIFICATE" in data:
            certificate = x509.load_pem_x509_certificate(data)
            if not certificate.not_valid_before_utc <= request.at <= certificate.not_valid_after_utc:
                raise Rejected("expired")
            key: object = certificate.public_key()
        else:
            key = load_pem_public_key(data)
    except ValueError:
        raise Rejected("bad_secret") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise Rejected("wrong_algorithm")
    return key


def events(request: SignedRequest) -> list[ProviderEvent]:
    """Read PayPal's one event. Raises Unreadable."""
    payload = json_object(request.body)
    resource = payload.get("resource")
    return [
        ProviderEvent(
            event_id=text_field(payload.get("id"), "id"),
            event_type=text_field(payload.get("event_type"), "type"),
            object_key=text_or_empty(resource.get("id")) if isinstance(resource, dict) else "",
            occurred_at=moment(payload.get("create_time")),
            payload=payload,
        )
    ]


ADAPTER = Adapter(verify, events)
