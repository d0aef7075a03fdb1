"""Who is calling the API: a bearer token (RFC 6750), looked up by its digest in one query."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from apps.authz.models import AccessToken
from apps.core.actors import Actor

TOKEN_MAX_CHARS = 512


@dataclass(frozen=True)
class ApiClient:
    """The caller as DRF knows it: authenticated, and an actor."""

    actor: Actor
    is_authenticated: bool = True

    @property
    def pk(self) -> str:
        """Return the client's id."""
        return self.actor.id


class BearerToken(BaseAuthentication):
    """Authenticate `Authorization: Bearer …` against stored token digests."""

    def authenticate(self, request: Request) -> tuple[ApiClient, AccessToken] | None:
        """Return the client and its token; None without a bearer header. Raises AuthenticationFailed."""
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        if len(parts) != 2 or len(parts[1]) > TOKEN_MAX_CHARS:
            raise AuthenticationFailed("The bearer token is malformed.", code="invalid_token")
        token = find_token(parts[1].decode("latin-1"))
        if token is None:
            raise AuthenticationFailed("The bearer token is unknown or has expired.", code="invalid_token")
        return ApiClient(actor_of(token)), token

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme in 401 answers."""
        return 'Bearer realm="bezant"'


def find_token(secret: str) -> Any:
    """Return the live access token with this secret, with its application, or None."""
    digest = hashlib.sha256(secret.encode()).hexdigest()
    return (
        AccessToken.objects.select_related("application")
        .filter(token_checksum=digest, expires__gt=timezone.now(), application__disabled_at=None)
        .first()
    )


def actor_of(token: Any) -> Actor:
    """Make the actor of a token: its client, its client's organisation, its scopes."""
    granted = frozenset(token.scope.split()) & frozenset(token.application.allowed_scopes)
    return Actor("api", token.application.client_id, token.application.organisation_id, granted)
