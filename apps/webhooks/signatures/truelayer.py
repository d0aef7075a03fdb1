"""TrueLayer: `Tl-Signature`, a detached JWS (RFC 7515 appendix F) with ES512 over the request.

Signed are the method, the path, the headers that the JWS lists in `tl_headers`, and the body. Keys
are EC P-521: a secret is a PEM public key or the text of a JWK Set, or `jwks` in the configuration is
the set as an object; `kid` picks the key. `jku` must be one of TrueLayer's own addresses even though
nothing is fetched here. The signed header `X-Tl-Webhook-Timestamp` must be fresh.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from apps.webhooks.signatures.base import (
    Adapter,
    ProviderEvent,
    Rejected,
    Secret,
    SignedRequest,
    Verdict,
    check_age,
    decode_base64,
    json_object,
    text_field,
    text_or_empty,
)

KEY_URLS = frozenset(
    {
        "https://webhooks.truelayer.com/.well-known/jwks",
        "https://webhooks.truelayer-sandbox.com/.well-known/jwks",
    }
)
_TIMESTAMP_HEADER = "x-tl-webhook-timestamp"
_COORDINATE_BYTES = 66  # P-521


def verify(request: SignedRequest) -> Verdict:
    """Check TrueLayer's signature. Raises Rejected."""
    encoded_header, _, encoded_signature = request.header("tl-signature").partition("..")
    header = _jws_header(encoded_header)
    signature = decode_base64(encoded_signature, "malformed_signature", url_safe=True)
    if len(signature) != 2 * _COORDINATE_BYTES:
        raise Rejected("malformed_signature")
    names = [name for name in header["tl_headers"].split(",") if name]
    contents = [_signing_input(encoded_header, request, names, path) for path in _paths(request.url)]
    der = encode_dss_signature(
        int.from_bytes(signature[:_COORDINATE_BYTES]), int.from_bytes(signature[_COORDINATE_BYTES:])
    )
    verdict = _first_match(request, header["kid"], der, contents)
    _check_time(request, names)
    return verdict


def _jws_header(encoded: str) -> dict[str, str]:
    try:
        header = json.loads(decode_base64(encoded, "malformed_signature", url_safe=True))
    except (ValueError, RecursionError):
        raise Rejected("malformed_signature") from None
    if not isinstance(header, dict) or not all(isinstance(value, str) for value in header.values()):
        raise Rejected("malformed_signature")
    if header.get("alg") != "ES512" or header.get("tl_version") != "2":
        raise Rejected("wrong_algorithm")
    if "kid" not in header or "tl_headers" not in header:
        raise Rejected("malformed_signature")
    if "jku" in header and header["jku"] not in KEY_URLS:
        raise Rejected("untrusted_key_url")
    return header


def _paths(url: str) -> tuple[str, str]:
    """Return the path as received, and the other way to write its last slash, which proxies change."""
    path = urlsplit(url).path if "://" in url else url.partition("?")[0]
    path = path or "/"
    return path, path[:-1] if path.endswith("/") else path + "/"


def _signing_input(encoded: str, request: SignedRequest, names: list[str], path: str) -> bytes:
    lines = [f"{request.method.upper()} {path}"]
    for name in names:
        value = request.headers.get(name.lower())
        if value is None:
            raise Rejected("missing_coverage")
        lines.append(f"{name}: {value}")
    payload = "\n".join(lines).encode("utf-8", "surrogateescape") + b"\n" + request.body
    return encoded.encode() + b"." + base64.urlsafe_b64encode(payload).rstrip(b"=")


def _first_match(request: SignedRequest, kid: str, der: bytes, contents: list[bytes]) -> Verdict:
    known = False
    for key_id, key in _keys(request, kid):
        known = True
        for content in contents:
            try:
                key.verify(der, content, ec.ECDSA(hashes.SHA512()))
            except InvalidSignature:
                continue
            return Verdict(True, "ok", key_id)
    raise Rejected("signature_mismatch" if known else "unknown_key")


def _keys(request: SignedRequest, kid: str) -> Iterator[tuple[str, ec.EllipticCurvePublicKey]]:
    """Give the keys that may have signed: PEM keys, which carry no name, and JWKs of this name."""
    for secret in request.secrets:
        if "BEGIN" in secret.value:
            yield secret.key_id, _p521(load_pem_public_key(secret.data()))
        else:
            yield from _from_set(_parsed_set(secret), kid)
    yield from _from_set(request.config.get("jwks"), kid)


def _parsed_set(secret: Secret) -> Any:
    try:
        return json.loads(secret.value)
    except ValueError:
        raise Rejected("bad_secret") from None


def _from_set(jwks: Any, kid: str) -> Iterator[tuple[str, ec.EllipticCurvePublicKey]]:
    for jwk in jwks.get("keys", []) if isinstance(jwks, dict) else []:
        if jwk.get("kid") == kid and jwk.get("kty") == "EC" and jwk.get("crv") == "P-521":
            x, y = (int.from_bytes(decode_base64(jwk[name], "bad_secret", url_safe=True)) for name in "xy")
            yield kid[:64], ec.EllipticCurvePublicNumbers(x, y, ec.SECP521R1()).public_key()


def _p521(key: Any) -> ec.EllipticCurvePublicKey:
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP521R1):
        return key
    raise Rejected("bad_secret")


def _check_time(request: SignedRequest, names: list[str]) -> None:
    if _TIMESTAMP_HEADER not in [name.lower() for name in names]:
        if request.config.get("require_timestamp"):
            raise Rejected("missing_coverage")
        return
    try:
        signed_at = datetime.fromisoformat(request.headers.get(_TIMESTAMP_HEADER, ""))
    except ValueError:
        raise Rejected("malformed_timestamp") from None
    if signed_at.tzinfo is None:
        raise Rejected("malformed_timestamp")
    check_age(request, signed_at.timestamp())


def events(request: SignedRequest) -> list[ProviderEvent]:
    """Read TrueLayer's one event. Raises Unreadable."""
    payload = json_object(request.body)
    subject = payload.get("payment_id") or payload.get("payout_id") or payload.get("refund_id")
    return [
        ProviderEvent(
            event_id=text_field(payload.get("event_id"), "id"),
            event_type=text_field(payload.get("type"), "type"),
            object_key=text_or_empty(subject),
            occurred_at=None,
            payload=payload,
        )
    ]


ADAPTER = Adapter(verify, events)
