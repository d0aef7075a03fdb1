"""The keys that sign ID tokens: P-256, made at first use, the private half wrapped by the key provider."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.db import transaction
from jwcrypto import jwk

from apps.authz.models import IdTokenKey
from apps.core import clock, db, ids
from apps.core.crypto.context import canonical
from apps.core.crypto.providers import Wrapped
from apps.core.crypto.runtime import provider

ALGORITHM = "ES256"
_LOCK = "authz_idtokenkey"


def active_key() -> jwk.JWK:
    """Return the key that signs now, made if there is none yet."""
    row = _newest()
    return _private(row.kid) if row else _private(make_key(clock.database_now()).kid)


def public_keys() -> list[dict[str, Any]]:
    """Return the key set (RFC 7517): the signing key and those whose tokens may still live."""
    if _newest() is None:
        make_key(clock.database_now())
    rows = IdTokenKey.objects.filter(retired_at=None).order_by("-created_at")
    return [{**row.public_jwk, "kid": row.kid, "use": "sig", "alg": ALGORITHM} for row in rows]


def make_key(at: datetime, *, replace: bool = False) -> IdTokenKey:
    """Make a signing key, unless another process just did; `replace` makes one in any case."""
    with transaction.atomic():
        db.transaction_lock(_LOCK)
        existing = None if replace else _newest()
        return existing or _make(at)


def _make(at: datetime) -> IdTokenKey:
    scalar = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(32, "big")
    public = json.loads(_jwk_of(scalar).export_public())
    kid = str(_jwk_of(scalar).thumbprint())
    wrapped = provider().wrap(scalar, context=_context(kid))
    return IdTokenKey.objects.create(
        id=ids.uuid7(at),
        kid=kid,
        public_jwk={name: public[name] for name in ("kty", "crv", "x", "y")},
        wrapped=wrapped.blob,
        kek_version=wrapped.version,
        created_at=at,
    )


def _newest() -> IdTokenKey | None:
    return IdTokenKey.objects.filter(retired_at=None).order_by("-created_at").first()


@cache
def _private(kid: str) -> jwk.JWK:
    row = IdTokenKey.objects.get(kid=kid)
    scalar = provider().unwrap(Wrapped(bytes(row.wrapped), row.kek_version), context=_context(kid))
    return _jwk_of(scalar, kid=kid)


def _jwk_of(scalar: bytes, **members: str) -> jwk.JWK:
    private = ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1())
    made = jwk.JWK.from_pyca(private)
    if members:
        made.update(members)
    return made


def _context(kid: str) -> bytes:
    return canonical("bezant.oidc.v1", settings.ENVIRONMENT, kid)
