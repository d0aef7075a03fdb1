"""Braintree: a form with `bt_signature` (`<public key>|<hex>[&…]`) and `bt_payload` (base64 of XML).

The signature is HMAC-SHA1 of the payload, keyed by the SHA-1 digest of the private key. A secret is
written `<public key>:<private key>`; a bare private key takes its public key from the configuration
(`public_key`), or answers for any. There is neither a time nor an event id, so the event is named by
its signed bytes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Any
from urllib.parse import parse_qs

from lxml import etree

from apps.webhooks.signatures.base import (
    SIGNATURES_MAX,
    Adapter,
    ProviderEvent,
    Rejected,
    Secret,
    SignedRequest,
    Unreadable,
    Verdict,
    digest_id,
    moment,
    same,
    text_field,
    text_or_empty,
)

_PAYLOAD = re.compile(r"[A-Za-z0-9+=/\n]+")
_DEPTH_MAX = 30


def verify(request: SignedRequest) -> Verdict:
    """Check Braintree's signature. Raises Rejected."""
    signature, payload = _form(request)
    pairs = [pair.split("|", 1) for pair in signature.split("&") if "|" in pair]
    if not pairs:
        raise Rejected("malformed_signature")
    if len(pairs) > SIGNATURES_MAX:
        raise Rejected("too_many_signatures")
    for secret in request.secrets:
        public, private = _keys(request, secret)
        given = [text for name, text in pairs if public in ("", name)]
        if any(_matches(private, payload, text) for text in given):
            return Verdict(True, "ok", secret.key_id)
    raise Rejected("signature_mismatch")


def _form(request: SignedRequest) -> tuple[str, str]:
    try:
        fields = parse_qs(
            request.body.decode("ascii"), keep_blank_values=True, max_num_fields=20, strict_parsing=True
        )
    except ValueError:
        raise Rejected("malformed_body") from None
    signatures, payloads = fields.get("bt_signature", []), fields.get("bt_payload", [])
    if not signatures or not signatures[0]:
        raise Rejected("missing_signature")
    if len(signatures) > 1 or len(payloads) != 1 or not _PAYLOAD.fullmatch(payloads[0]):
        raise Rejected("malformed_body")
    return signatures[0], payloads[0]


def _keys(request: SignedRequest, secret: Secret) -> tuple[str, str]:
    public, colon, private = secret.value.partition(":")
    if colon:
        return public, private
    return str(request.config.get("public_key") or ""), secret.value


def _matches(private: str, payload: str, given: str) -> bool:
    key = hashlib.sha1(private.encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()
    # The vendor signs the payload with or without the line end that its encoder leaves behind.
    return any(
        same(hmac.new(key, text.encode("ascii"), hashlib.sha1).hexdigest(), given)
        for text in (payload, payload + "\n")
    )


def events(request: SignedRequest) -> list[ProviderEvent]:
    """Read Braintree's one event. Raises Unreadable."""
    _, payload = _form(request)
    try:
        document = base64.b64decode(payload.replace("\n", ""), validate=True)
    except ValueError:
        raise Unreadable("not_base64") from None
    root = _parse_xml(document)
    if root.tag != "notification":
        raise Unreadable("bad_event")
    read = _as_dict(root, 0)
    if not isinstance(read, dict):
        raise Unreadable("bad_event")
    return [
        ProviderEvent(
            event_id=digest_id(payload.strip().encode("ascii")),
            event_type=text_field(read.get("kind"), "type"),
            object_key=_subject_id(read.get("subject")),
            occurred_at=moment(read.get("timestamp")),
            payload=read,
        )
    ]


def _parse_xml(document: bytes) -> Any:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True
    )
    try:
        root = etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise Unreadable("not_xml") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise Unreadable("has_doctype")
    return root


def _as_dict(element: Any, depth: int) -> Any:
    if depth > _DEPTH_MAX:
        raise Unreadable("too_deep")
    children = [child for child in element if isinstance(child.tag, str)]
    if not children:
        return element.text or ""
    if element.get("type") == "array":
        return [_as_dict(child, depth + 1) for child in children]
    return {child.tag: _as_dict(child, depth + 1) for child in children}


def _subject_id(subject: Any) -> str:
    if isinstance(subject, dict) and len(subject) == 1:
        inner = next(iter(subject.values()))
        if isinstance(inner, dict):
            return text_or_empty(inner.get("id"))
    return ""


ADAPTER = Adapter(verify, events)
