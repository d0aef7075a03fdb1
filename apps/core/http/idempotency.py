"""The `Idempotency-Key` header (IETF draft-ietf-httpapi-idempotency-key-header-07)."""

from __future__ import annotations

import re

from django.http import HttpRequest

from apps.core.errors import Refusal

_BARE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,255}")
_QUOTED = re.compile(r'"([\x20\x21\x23-\x5b\x5d-\x7e]{1,255})"')


class KeyMissing(Refusal):
    code = "idempotency_key_missing"
    status = 400
    title = "This request needs an Idempotency-Key header."


class KeyMalformed(Refusal):
    code = "idempotency_key_malformed"
    status = 400
    title = "An idempotency key is 1 to 255 visible ASCII characters, bare or in double quotes."


def idempotency_key(request: HttpRequest) -> str:
    """Return the request's idempotency key. Raises KeyMissing, KeyMalformed."""
    text = request.headers.get("Idempotency-Key")
    if text is None:
        raise KeyMissing
    quoted = _QUOTED.fullmatch(text)
    if quoted:
        return quoted[1]
    if _BARE.fullmatch(text):
        return text
    raise KeyMalformed
