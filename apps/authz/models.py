"""The OAuth2 server's tables: all of django-oauth-toolkit's swapped for ours from the first migration.

Field names that later versions of the toolkit bring (`token_endpoint_auth_method`, `client_jwks`,
`require_pushed_authorization_requests`) are used as they are there, so that a move is a rename.
"""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from oauth2_provider.models import (
    AbstractAccessToken,
    AbstractApplication,
    AbstractGrant,
    AbstractIDToken,
    AbstractRefreshToken,
)


class Application(AbstractApplication):
    """An API client. It belongs to one organisation and may use several grant types."""

    class AuthMethod(models.TextChoices):
        SECRET_BASIC = "client_secret_basic"  # noqa: S105  # the name of a method
        SECRET_POST = "client_secret_post"  # noqa: S105
        PRIVATE_KEY_JWT = "private_key_jwt"
        TLS = "tls_client_auth"
        SELF_SIGNED_TLS = "self_signed_tls_client_auth"
        NONE = "none"

    client_secret = models.CharField(max_length=64, default="")
    """The SHA-256 of the secret in hex, or nothing: the secret itself has 256 random bits."""

    organisation = models.ForeignKey("accounts.Organisation", on_delete=models.PROTECT, related_name="+")
    grant_types = ArrayField(models.CharField(max_length=40), size=5, default=list)
    allowed_scopes = ArrayField(models.CharField(max_length=60), size=60, default=list)
    token_endpoint_auth_method = models.CharField(
        max_length=40, choices=AuthMethod, default=AuthMethod.SECRET_BASIC
    )
    client_jwks = models.JSONField(null=True)
    client_jwks_uri = models.URLField(default="")
    require_pushed_authorization_requests = models.BooleanField(default=False)
    disabled_at = models.DateTimeField(null=True)

    class Meta(AbstractApplication.Meta):
        abstract = False
        constraints = [
            models.CheckConstraint(
                condition=models.Q(hash_client_secret=True), name="authz_secrets_are_hashed"
            ),
            models.CheckConstraint(
                condition=models.Q(client_secret="") | models.Q(client_secret__regex="^[0-9a-f]{64}$"),  # noqa: S106
                name="authz_secret_is_digest",
            ),
        ]

    def allows_grant_type(self, *grant_types: str) -> bool:
        """Tell whether the client may use any of the grant types."""
        return bool(set(self.grant_types) & set(grant_types))

    def is_usable(self, request: object) -> bool:
        """Tell whether the client has not been disabled."""
        return self.disabled_at is None

    def redirect_uri_allowed(self, uri: str) -> bool:
        """Tell whether this very address is registered (RFC 9700, 2.1: compared as text)."""
        return uri in self.redirect_uris.split()

    @property
    def jwk_key(self) -> Any:
        """Return the key that ID tokens are signed with; it is the server's, not the client's."""
        from apps.authz.oauth.keys import active_key

        return active_key()


class Grant(AbstractGrant):
    """An authorization code, kept as a digest; `used_at` tells a replay from an unknown code."""

    used_at = models.DateTimeField(null=True)
    cnf = models.JSONField(null=True)

    class Meta(AbstractGrant.Meta):
        abstract = False


class AccessToken(AbstractAccessToken):
    """An opaque token, of which only the digest is stored; `cnf` binds it to a key (RFC 7800)."""

    cnf = models.JSONField(null=True)
    grant = models.ForeignKey(Grant, null=True, on_delete=models.SET_NULL, related_name="access_tokens")

    class Meta(AbstractAccessToken.Meta):
        abstract = False
        constraints = [
            models.CheckConstraint(condition=models.Q(token=""), name="authz_access_token_not_in_clear"),
        ]


class RefreshToken(AbstractRefreshToken):
    """A refresh token, of which only the digest is stored."""

    cnf = models.JSONField(null=True)

    class Meta(AbstractRefreshToken.Meta):
        abstract = False
        constraints = [
            models.CheckConstraint(condition=models.Q(token=""), name="authz_refresh_token_not_in_clear"),
        ]


class IDToken(AbstractIDToken):
    """The record of an ID token that was issued."""

    class Meta(AbstractIDToken.Meta):
        abstract = False


class IdTokenKey(models.Model):
    """A P-256 key that signs ID tokens (ES256): the public half in clear, the private half wrapped.

    The newest that is not retired signs; retired ones stay in the key set while tokens may live.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    kid = models.CharField(max_length=64, unique=True)
    public_jwk = models.JSONField()
    wrapped = models.BinaryField()
    kek_version = models.PositiveIntegerField()
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.kid
