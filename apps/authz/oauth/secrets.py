"""Client secrets and their digests.

A secret has 256 random bits, so that a plain SHA-256 keeps it (NIST SP 800-63B, 5.1.2.2): slow hashes
are for what people can remember.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

SECRET_PREFIX = "bzs_"  # noqa: S105  # what scanners of leaked secrets look for
SECRET_CHARS_MAX = 200


def new_client_secret() -> str:
    """Make a client secret of 256 bits."""
    return SECRET_PREFIX + secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """Return the SHA-256 of a secret, a code or a token, in hex."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def is_secret(given: str, stored_digest: str) -> bool:
    """Tell whether this is the secret; never for a client that has none."""
    if not stored_digest or len(given) > SECRET_CHARS_MAX:
        return False
    return hmac.compare_digest(digest_of(given), stored_digest)
