"""HTTP Message Signatures (RFC 9421) with Content-Digest (RFC 9530), for any sender that uses them.

A secret is a PEM public key (Ed25519, EC P-256 or P-384, RSA) or the text of a shared HMAC key; the
key decides the algorithm, and an `alg` that says otherwise is refused. `keys` in the configuration
maps a `keyid` to a key. The signature must cover `required_components` (by default the body's digest,
the method and the target) and carry a fresh `created`. Component parameters (`;sf`, `;bs`, `;key`,
`;req`, `;tr`) are refused: no sender of webhooks needs them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
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
    digest_id,
    json_object,
    moment,
    text_field,
    text_or_empty,
)

SIGNATURES_PER_MESSAGE_MAX = 8
REQUIRED = ("content-digest",)
REQUIRED_TARGETS = frozenset({"@target-uri", "@path", "@request-target"})

_MEMBER = re.compile(
    r'\s*(?P<label>[a-z*][a-z0-9_.*-]*)=\((?P<items>[^()]*)\)(?P<params>(?:;[^,"]*(?:"[^"]*")?)*)\s*(?:,|$)'
)
_ITEM = re.compile(r'"(?P<name>@?[a-z0-9-]+)"')
_PARAM = re.compile(r';\s*(?P<name>[a-z]+)=(?:"(?P<text>[ !#-\[\]-~]*)"|(?P<number>-?[0-9]{1,15}))')
_SIGNATURE = re.compile(r"\s*(?P<label>[a-z*][a-z0-9_.*-]*)=:(?P<value>[A-Za-z0-9+/=]*):\s*(?:,|$)")
_DIGEST = re.compile(r"\s*(?P<name>[a-z0-9-]+)=:(?P<value>[A-Za-z0-9+/=]+):\s*(?:,|$)")
_DIGESTS = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}


@dataclass(frozen=True, slots=True)
class _Signature:
    """One labelled signature: what it covers, under which parameters, and its bytes."""

    components: tuple[str, ...]
    params: dict[str, str | int]
    value: bytes

    def serialised(self) -> str:
        """Write the signature parameters as RFC 8941 has them, in the order the sender gave."""
        items = " ".join(f'"{name}"' for name in self.components)
        params = "".join(
            f";{name}={value}" if isinstance(value, int) else f';{name}="{value}"'
            for name, value in self.params.items()
        )
        return f"({items}){params}"


def verify(request: SignedRequest) -> Verdict:
    """Check that one signature of the message is right and covers enough. Raises Rejected."""
    signatures = _signatures(request)
    _check_digest(request)
    problem = "signature_mismatch"
    for signature in signatures:
        try:
            return _verify_one(request, signature)
        except Rejected as rejected:
            problem = rejected.reason
    raise Rejected(problem)


def _signatures(request: SignedRequest) -> list[_Signature]:
    inputs = list(_all(_MEMBER, request.header("signature-input")))
    values = {
        match["label"]: decode_base64(match["value"], "malformed_signature")
        for match in _all(_SIGNATURE, request.header("signature"))
    }
    if max(len(inputs), len(values)) > SIGNATURES_PER_MESSAGE_MAX:
        raise Rejected("too_many_signatures")
    if len({match["label"] for match in inputs}) != len(inputs):
        raise Rejected("malformed_signature")
    paired = [match for match in inputs if match["label"] in values]
    if not paired:
        raise Rejected("missing_signature")
    return [
        _Signature(_components(match["items"]), _params(match["params"]), values[match["label"]])
        for match in paired
    ]


def _all(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Match the whole text as a list of the pattern. Raises Rejected where it does not fit."""
    position = 0
    while position < len(text):
        match = pattern.match(text, position)
        if match is None or match.end() == position:
            raise Rejected("malformed_signature")
        yield match
        position = match.end()


def _components(text: str) -> tuple[str, ...]:
    names = [item for item in text.split(" ") if item]
    matches = [_ITEM.fullmatch(item) for item in names]
    found = tuple(match["name"] for match in matches if match)
    if len(found) != len(names) or len(set(found)) != len(found):
        raise Rejected("malformed_signature")
    return found


def _params(text: str) -> dict[str, str | int]:
    params: dict[str, str | int] = {}
    for match in _all(_PARAM, text):
        if match["name"] in params:
            raise Rejected("malformed_signature")
        params[match["name"]] = match["text"] if match["number"] is None else int(match["number"])
    return params


def _check_digest(request: SignedRequest) -> None:
    """Compare the body with Content-Digest: every algorithm we know must agree, and one must be known."""
    header = request.headers.get("content-digest", "")
    if not header:
        return
    known = [match for match in _all(_DIGEST, header) if match["name"] in _DIGESTS]
    if not known:
        raise Rejected("wrong_algorithm")
    for match in known:
        wanted = base64.b64encode(_DIGESTS[match["name"]](request.body).digest()).decode("ascii")
        if not hmac.compare_digest(wanted, match["value"]):
            raise Rejected("digest_mismatch")


def _verify_one(request: SignedRequest, signature: _Signature) -> Verdict:
    _check_coverage(request, signature)
    _check_times(request, signature)
    base = _signature_base(request, signature)
    problem = "unknown_key"
    for secret in _keys(request, signature):
        try:
            if _algorithm(secret, signature)(signature.value, base):
                return Verdict(True, "ok", secret.key_id)
            problem = "signature_mismatch"
        except Rejected as rejected:
            problem = rejected.reason
    raise Rejected(problem)


def _check_coverage(request: SignedRequest, signature: _Signature) -> None:
    covered = set(signature.components)
    required = request.config.get("required_components")
    if required is not None:
        if not set(required) <= covered:
            raise Rejected("missing_coverage")
        return
    has_target = bool(covered & REQUIRED_TARGETS)
    if not has_target or "@method" not in covered or not set(REQUIRED) <= covered:
        raise Rejected("missing_coverage")


def _check_times(request: SignedRequest, signature: _Signature) -> None:
    created, expires = signature.params.get("created"), signature.params.get("expires")
    if not isinstance(created, int):
        raise Rejected("malformed_timestamp")
    check_age(request, created)
    if expires is not None and (not isinstance(expires, int) or expires < request.at.timestamp()):
        raise Rejected("expired")


def _signature_base(request: SignedRequest, signature: _Signature) -> bytes:
    """Build the signature base of RFC 9421, section 2.5."""
    lines = [f'"{name}": {_value(request, name)}' for name in signature.components]
    lines.append(f'"@signature-params": {signature.serialised()}')
    text = "\n".join(lines)
    if text.count("\n") != len(lines) - 1 or not text.isascii():
        raise Rejected("malformed_signature")
    return text.encode("ascii")


def _value(request: SignedRequest, name: str) -> str:
    if not name.startswith("@"):
        value = request.headers.get(name)
        if value is None:
            raise Rejected("missing_coverage")
        return value.strip()
    parts = urlsplit(request.url)
    derived = {
        "@method": request.method.upper(),
        "@target-uri": request.url,
        "@authority": _authority(parts.scheme, parts.netloc),
        "@scheme": parts.scheme.lower(),
        "@path": parts.path or "/",
        "@query": "?" + parts.query,
        "@request-target": (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    }
    if name not in derived:
        raise Rejected("malformed_signature")
    return derived[name]


def _authority(scheme: str, netloc: str) -> str:
    host = netloc.lower()
    default = {"https": ":443", "http": ":80"}.get(scheme.lower(), "")
    return host.removesuffix(default) if default else host


def _keys(request: SignedRequest, signature: _Signature) -> list[Secret]:
    keyid = signature.params.get("keyid")
    named = request.config.get("keys", {}).get(keyid) if isinstance(keyid, str) else None
    if named is not None:
        return [Secret(Secret.of(named).value, str(keyid)[:64])]
    return list(request.secrets)


def _algorithm(secret: Secret, signature: _Signature) -> Callable[[bytes, bytes], bool]:
    """Return the check that belongs to the key. Raises Rejected when `alg` names another one."""
    claimed = signature.params.get("alg")
    if "BEGIN" not in secret.value:
        _agree(claimed, "hmac-sha256")
        return lambda value, base: hmac.compare_digest(
            hmac.new(secret.data(), base, hashlib.sha256).digest(), value
        )
    try:
        key = load_pem_public_key(secret.data())
    except ValueError:
        raise Rejected("bad_secret") from None
    if isinstance(key, ed25519.Ed25519PublicKey):
        _agree(claimed, "ed25519")
        return lambda value, base: _holds(lambda: key.verify(value, base))
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _ecdsa(key, claimed)
    if isinstance(key, rsa.RSAPublicKey):
        return _rsa(key, claimed)
    raise Rejected("wrong_algorithm")


def _ecdsa(key: ec.EllipticCurvePublicKey, claimed: str | int | None) -> Callable[[bytes, bytes], bool]:
    known: dict[str, tuple[str, int, hashes.HashAlgorithm]] = {
        "secp256r1": ("ecdsa-p256-sha256", 32, hashes.SHA256()),
        "secp384r1": ("ecdsa-p384-sha384", 48, hashes.SHA384()),
    }
    if key.curve.name not in known:
        raise Rejected("wrong_algorithm")
    name, size, digest = known[key.curve.name]
    _agree(claimed, name)

    def check(value: bytes, base: bytes) -> bool:
        if len(value) != 2 * size:
            return False
        der = encode_dss_signature(int.from_bytes(value[:size]), int.from_bytes(value[size:]))
        return _holds(lambda: key.verify(der, base, ec.ECDSA(digest)))

    return check


def _rsa(key: rsa.RSAPublicKey, claimed: str | int | None) -> Callable[[bytes, bytes], bool]:
    if claimed == "rsa-v1_5-sha256":
        return lambda value, base: _holds(
            lambda: key.verify(value, base, padding.PKCS1v15(), hashes.SHA256())
        )
    _agree(claimed, "rsa-pss-sha512")
    pss = padding.PSS(padding.MGF1(hashes.SHA512()), salt_length=64)
    return lambda value, base: _holds(lambda: key.verify(value, base, pss, hashes.SHA512()))


def _agree(claimed: str | int | None, name: str) -> None:
    if claimed not in (None, name):
        raise Rejected("wrong_algorithm")


def _holds(check: Callable[[], None]) -> bool:
    try:
        check()
    except InvalidSignature:
        return False
    return True


def events(request: SignedRequest) -> list[ProviderEvent]:
    """Read one event; its id is `id` or `jti` of the body, or else the digest of the body."""
    payload = json_object(request.body)
    data = payload.get("data")
    event_id = text_or_empty(payload.get("id")) or text_or_empty(payload.get("jti"))
    return [
        ProviderEvent(
            event_id=event_id or digest_id(request.body),
            event_type=text_field(payload.get("type", "untyped"), "type"),
            object_key=text_or_empty(data.get("id")) if isinstance(data, dict) else "",
            occurred_at=moment(payload.get("timestamp")),
            payload=payload,
        )
    ]


ADAPTER = Adapter(verify, events)
