"""Who is calling the API: a bearer token (RFC 6750), looked up by its digest in one round trip."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from apps.authz.oauth.secrets import digest_of
from apps.core import ids
from apps.core.actors import Actor

TOKEN_CHARS_MAX = 512


@dataclass(frozen=True)
class TokenHolder:
    """Whom a live token stands for: a client of an organisation, and the customer who granted it, if any."""

    client_id: str
    organisation_id: UUID
    scopes: frozenset[str]
    user_id: UUID | None
    party_id: UUID | None
    asked_at: datetime  # by the database's clock: the moment of what the request does


@dataclass(frozen=True)
class ApiClient:
    """The caller as DRF knows it: authenticated, and an actor; `party_id` when a customer granted the token."""

    actor: Actor
    party_id: UUID | None = None
    is_authenticated: bool = True

    @property
    def pk(self) -> str:
        """Return the client's id."""
        return self.actor.id


class BearerToken(BaseAuthentication):
    """Authenticate `Authorization: Bearer …` against stored token digests."""

    def authenticate(self, request: Request) -> tuple[ApiClient, TokenHolder] | None:
        """Return the client and its token; None without a bearer header. Raises AuthenticationFailed."""
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        if len(parts) != 2 or len(parts[1]) > TOKEN_CHARS_MAX:
            raise AuthenticationFailed("The bearer token is malformed.", code="invalid_token")
        holder = find_holder(parts[1].decode("latin-1"))
        if holder is None:
            raise AuthenticationFailed("The bearer token is unknown or has expired.", code="invalid_token")
        return ApiClient(actor_of(holder), holder.party_id), holder

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme in 401 answers."""
        return 'Bearer realm="bezant"'


def find_holder(token: str) -> TokenHolder | None:
    """Return whom a live access token stands for, or None. Needs no scope: this comes before it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT client_id, organisation_id, scope, allowed_scopes, user_id, party_id, clock_timestamp() "
            "FROM authz_token_holder(%s)",
            [digest_of(token)],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    client_id, organisation_id, scope, allowed, user_id, party_id, asked_at = row
    return TokenHolder(
        client_id,
        organisation_id,
        frozenset(scope.split()) & frozenset(allowed),
        user_id,
        party_id,
        asked_at,
    )


def actor_of(holder: TokenHolder) -> Actor:
    """Make the actor of a token: its client, or the customer who granted it; its organisation, its scopes."""
    if holder.user_id is not None:
        return Actor("customer", ids.public_id("usr", holder.user_id), holder.organisation_id, holder.scopes)
    return Actor("api", holder.client_id, holder.organisation_id, holder.scopes)
