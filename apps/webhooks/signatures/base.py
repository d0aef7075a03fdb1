"""The words every adapter uses: a signed request, its secrets, and the verdict on it.

Nothing here reads a clock, opens a socket or touches the database. An adapter is two functions:
`verify(request)` decides whether the sender holds a secret, and `events(request)` reads what a
verified request tells. The second is never called on a request that the first one refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

BODY_BYTES_MAX = 1024 * 1024
HEADER_CHARACTERS_MAX = 16 * 1024
SIGNATURES_MAX = 50
EVENTS_MAX = 500
TOLERANCE_S = 300

_UNSTORABLE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_TIMESTAMP = re.compile(r"0|[1-9][0-9]{0,11}")


class Rejected(Exception):
    """The request does not carry a valid signature; `reason` is one of the codes below."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unreadable(Exception):
    """The signature is right, but the body is not what this provider sends; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


REASONS = {
    "ok": "The signature is valid.",
    "ambiguous_fields": "A signed field contains the separator, so the signature does not pin it.",
    "bad_secret": "The configured secret cannot be read.",
    "body_too_large": "The body is larger than 1 MiB.",
    "digest_mismatch": "The Content-Digest header does not belong to this body.",
    "expired": "The signature has expired.",
    "header_too_large": "A signature header is larger than 16 KiB.",
    "malformed_body": "The signed fields cannot be read from the body.",
    "malformed_id": "The event id in the header cannot be used.",
    "malformed_request": "The request's headers, body or URL have the wrong type.",
    "malformed_signature": "The signature header cannot be read.",
    "malformed_timestamp": "The timestamp is missing or is not a whole number of seconds.",
    "missing_coverage": "The signature leaves out a part of the request that it must cover.",
    "missing_signature": "The request carries no signature of the expected kind.",
    "no_secret": "The source has no secret that is valid now.",
    "signature_mismatch": "No signature matches any live secret.",
    "timestamp_in_future": "The timestamp is too far in the future.",
    "timestamp_too_old": "The timestamp is too old.",
    "too_many_events": "The request carries more events than one request may.",
    "too_many_signatures": "The request carries more signatures than any sender needs.",
    "unexpected_error": "The request could not be checked.",
    "unknown_key": "The signature names a key that the source does not know.",
    "unknown_provider": "There is no adapter for this provider.",
    "untrusted_key_url": "The signature points to a key outside the provider's own hosts.",
    "wrong_algorithm": "The signature uses an algorithm that is not accepted.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request is genuine, why not (a code of REASONS), and which secret matched."""

    valid: bool
    reason: str
    key_id: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """One live secret; it is named by `key_id`, never shown."""

    value: str
    key_id: str

    @classmethod
    def of(cls, given: Any) -> Secret:
        """Take a Secret, a text or bytes. Raises Rejected for anything else, and for nothing."""
        if isinstance(given, Secret):
            secret = given
        elif isinstance(given, (str, bytes)):
            text = given.decode("utf-8", "surrogateescape") if isinstance(given, bytes) else given
            mark = hashlib.sha256(b"bezant key id\x00" + text.encode("utf-8", "surrogateescape"))
            secret = cls(text, mark.hexdigest()[:12])
        else:
            raise Rejected("bad_secret")
        if not secret.value:
            raise Rejected("bad_secret")
        return secret

    def data(self) -> bytes:
        """Return the secret's bytes as text secrets are keyed: UTF-8."""
        return self.value.encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """One event of a verified request, in the words all providers share.

    `object_key` names the object it is about (events of one object are kept in order), or is "".
    """

    event_id: str
    event_type: str
    object_key: str
    occurred_at: datetime | None
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as it arrived. Header names are folded to lower case; the body is the exact bytes."""

    headers: Mapping[str, str]
    body: bytes
    secrets: Sequence[Secret]
    at: datetime
    method: str = "POST"
    url: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)

    def header(self, name: str) -> str:
        """Return a signature header. Raises Rejected when it is missing or absurdly long."""
        value = self.headers.get(name.lower())
        if value is None or value == "":
            raise Rejected("missing_signature")
        if len(value) > HEADER_CHARACTERS_MAX:
            raise Rejected("header_too_large")
        return value

    def tolerance_s(self) -> int:
        """Return how far the signed time may be from ours, in seconds."""
        return int(self.config.get("tolerance_s", TOLERANCE_S))


@dataclass(frozen=True, slots=True)
class Adapter:
    """How one provider signs (`verify`, raises Rejected) and writes (`events`, raises Unreadable)."""

    verify: Callable[[SignedRequest], Verdict]
    events: Callable[[SignedRequest], list[ProviderEvent]]


def check_fresh(request: SignedRequest, text: str) -> None:
    """Refuse a timestamp (whole seconds since 1970, as text) outside the tolerance on either side."""
    if not _TIMESTAMP.fullmatch(text):
        raise Rejected("malformed_timestamp")
    check_age(request, int(text))


def check_age(request: SignedRequest, signed_at_s: float) -> None:
    """Refuse a signed moment outside the tolerance. A tolerance of 0 means the scheme has no clock."""
    tolerance_s = request.tolerance_s()
    if tolerance_s <= 0:
        return
    age_s = request.at.timestamp() - signed_at_s
    if age_s > tolerance_s:
        raise Rejected("timestamp_too_old")
    if age_s < -tolerance_s:
        raise Rejected("timestamp_in_future")


def same(left: str, right: str) -> bool:
    """Compare two signatures in constant time, whatever characters a stranger put into one."""
    return hmac.compare_digest(
        left.encode("utf-8", "surrogateescape"), right.encode("utf-8", "surrogateescape")
    )


def match_hmac(
    request: SignedRequest,
    given: Sequence[str],
    expected: Callable[[Secret], str],
) -> Verdict:
    """Compare every given signature with the one each live secret makes. Raises Rejected.

    One HMAC is computed for each secret, not for each signature, so a header that is stuffed with
    signatures costs comparisons only.
    """
    if len(given) > SIGNATURES_MAX:
        raise Rejected("too_many_signatures")
    unreadable = 0
    for secret in request.secrets:
        try:
            wanted = expected(secret)
        except Rejected:
            unreadable += 1
            continue
        if any(same(signature, wanted) for signature in given):
            return Verdict(True, "ok", secret.key_id)
    raise Rejected("bad_secret" if unreadable == len(request.secrets) else "signature_mismatch")


def hmac_hex(key: bytes, message: bytes) -> str:
    """HMAC-SHA256 in lower-case hexadecimal (RFC 2104)."""
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def hmac_base64(key: bytes, message: bytes) -> str:
    """HMAC-SHA256 in standard base64 (RFC 2104, RFC 4648 section 4)."""
    return base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode("ascii")


def decode_base64(text: str, reason: str, *, url_safe: bool = False) -> bytes:
    """Decode strict base64, with or without padding. Raises Rejected(reason)."""
    padded = text + "=" * (-len(text) % 4)
    try:
        data = padded.encode("ascii")
        if url_safe:
            data = data.translate(bytes.maketrans(b"-_", b"+/"))
        return base64.b64decode(data, validate=True)
    except (ValueError, binascii.Error):
        raise Rejected(reason) from None


def json_body(body: bytes) -> Any:
    """Parse a JSON body strictly: UTF-8, no NaN, no text that the database cannot hold. Raises Unreadable.

    A number with a point or an exponent is kept as the text it came as: no amount becomes a float.
    """
    if not body:
        raise Unreadable("empty_body")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Unreadable("not_utf8") from None
    if _UNSTORABLE.search(text):
        _check_text(text)
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=str)
    except (ValueError, RecursionError):
        raise Unreadable("not_json") from None


def _check_text(text: str) -> None:
    """Look closer at a body with escapes that may stand for NUL or for half a character."""
    try:
        waiting = [json.loads(text, parse_float=str)]
    except (ValueError, RecursionError):
        raise Unreadable("not_json") from None
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and ("\x00" in value or (not value.isascii() and _is_broken(value))):
            raise Unreadable("unstorable_text")


def _is_broken(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def json_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON body that must be an object. Raises Unreadable."""
    value = json_body(body)
    if not isinstance(value, dict):
        raise Unreadable("not_an_object")
    return value


def text_field(value: Any, name: str) -> str:
    """Return a text of 1 to 255 printable characters. Raises Unreadable."""
    if isinstance(value, str) and 0 < len(value) <= 255 and value.isprintable():
        return value
    raise Unreadable(f"bad_{name}")


def text_or_empty(value: Any) -> str:
    """Return the text when it is a usable one of up to 255 characters, else ""."""
    return value if isinstance(value, str) and len(value) <= 255 and value.isprintable() else ""


def moment(value: Any) -> datetime | None:
    """Read an ISO 8601 text or seconds since 1970; None when it is neither. It only informs."""
    try:
        if isinstance(value, str):
            read = datetime.fromisoformat(value)
            return read if read.tzinfo else read.replace(tzinfo=UTC)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def digest_id(body: bytes) -> str:
    """Name an event by its bytes, for providers that give it no id: a repeat has the same bytes."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"
