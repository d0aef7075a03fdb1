"""What our authorization server accepts: the toolkit's validator with its gaps closed.

Codes are stored as digests and serve once, under their row's lock; a second use revokes what the
first one gave. Grant types and scopes come from the client's registration. Every method runs in the
transaction of its view, which commits whatever is answered.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from jwcrypto import jwt
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.oauth2.rfc6749 import errors

from apps.authz.models import AccessToken, Application, Grant, RefreshToken
from apps.authz.oauth import keys
from apps.authz.oauth.secrets import digest_of, is_secret
from apps.core import ids

CODE, CLIENT, REFRESH = "authorization-code", "client-credentials", "refresh-token"
GRANT_TYPES = {"authorization_code": CODE, "client_credentials": CLIENT, "refresh_token": REFRESH}
"""The grant types of the token endpoint, and what a client is registered for to use them."""

_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
CODE_LIFETIME = timedelta(seconds=60)


class Validator(OAuth2Validator):
    """The toolkit's validator, stricter: see the module."""

    def _check_secret(self, provided_secret: str, stored_secret: str) -> bool:
        return is_secret(provided_secret, stored_secret)

    def _load_application(self, client_id: str, request: Any) -> Any:
        # An id that was never given is not looked for: the database refuses some characters.
        if not isinstance(client_id, str) or not _CLIENT_ID.fullmatch(client_id):
            return None
        return super()._load_application(client_id, request)

    def validate_grant_type(
        self, client_id: str, grant_type: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """Tell whether the client is registered for the grant type; a client of its own must be confidential."""
        if grant_type == "client_credentials" and client.client_type != Application.CLIENT_CONFIDENTIAL:
            return False
        wanted = GRANT_TYPES.get(grant_type)
        return wanted is not None and request.client.allows_grant_type(wanted)

    def validate_response_type(
        self, client_id: str, response_type: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """Accept `code` alone: nothing is ever given to a browser but a code (RFC 9700, 2.1.2)."""
        return response_type == "code" and bool(client.allows_grant_type(CODE))

    # Authorization codes.

    def _create_authorization_code(self, request: Any, code: dict[str, str], expires: Any = None) -> Grant:
        if not request.code_challenge or request.code_challenge_method != "S256":
            raise errors.InvalidRequestError(
                description="PKCE with code_challenge_method S256 is required.", request=request
            )
        return Grant.objects.create(
            application=request.client,
            user=request.user,
            code=digest_of(code["code"]),
            expires=timezone.now() + CODE_LIFETIME,
            redirect_uri=request.redirect_uri,
            scope=" ".join(request.scopes),
            code_challenge=request.code_challenge,
            code_challenge_method="S256",
            nonce=request.nonce or "",
            claims=json.dumps({}),
            resource=[],
        )

    def validate_code(
        self, client_id: str, code: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """Take the code, once.

        It is used up by its first presentation, also one with a wrong or missing verifier (guessing
        ends there); presenting it again revokes every token it led to (RFC 6749, 4.1.2).
        """
        grant = Grant.objects.select_for_update().filter(code=digest_of(code), application=client).first()
        if grant is None:
            return False
        if grant.used_at is not None:
            revoke_grant(grant)
            return False
        grant.used_at = timezone.now()
        grant.save(update_fields=["used_at"])
        if grant.is_expired() or not grant.user.is_active or not request.code_verifier:
            return False
        request.grant_row = grant
        request.user, request.scopes = grant.user, grant.scope.split()
        if grant.nonce:
            request.nonce = grant.nonce
        return True

    def confirm_redirect_uri(
        self, client_id: str, code: str, redirect_uri: str, client: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """Tell whether the address is the one that the code was sent to."""
        grant = Grant.objects.filter(code=digest_of(code), application=client).first()
        return grant is not None and bool(redirect_uri) and grant.redirect_uri == redirect_uri

    def invalidate_authorization_code(
        self, client_id: str, code: str, request: Any, *args: Any, **kwargs: Any
    ) -> None:
        """Do nothing: `validate_code` has used the code up, and its row stays to know a replay."""

    def get_code_challenge(self, code: str, request: Any) -> str:
        """Return the challenge that the code was bound to."""
        return str(request.grant_row.code_challenge)

    def get_code_challenge_method(self, code: str, request: Any) -> str:
        """Return the method of the challenge: S256, always."""
        return str(request.grant_row.code_challenge_method)

    def get_authorization_code_scopes(
        self, client_id: str, code: str, redirect_uri: str, request: Any
    ) -> list[str]:
        """Return the scopes the code stands for, which decide between OAuth2 and OpenID Connect."""
        grant = Grant.objects.filter(code=digest_of(code)).first()
        return grant.scope.split() if grant else []

    def get_authorization_code_nonce(
        self, client_id: str, code: str, redirect_uri: str, request: Any
    ) -> str | None:
        """Return the nonce the code was asked for with."""
        grant = Grant.objects.filter(code=digest_of(code)).first()
        return grant.nonce or None if grant else None

    # Tokens.

    def _check_and_set_request_resource(self, request: Any) -> None:
        if getattr(request, "resource", None):
            raise errors.CustomOAuth2Error(
                error="invalid_target", description="Resource indicators are not supported.", request=request
            )
        request.resource = []

    def rotate_refresh_token(self, request: Any) -> bool:
        """Rotate the refresh tokens of public clients; a confidential client is bound by its secret."""
        return request.client.client_type != Application.CLIENT_CONFIDENTIAL

    def validate_refresh_token(
        self, refresh_token: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """Tell whether the refresh token is alive, this client's, and its user still active."""
        if not super().validate_refresh_token(refresh_token, client, request, *args, **kwargs):
            return False
        former = request.refresh_token_instance.access_token
        request.grant_row = former.grant if former else None
        return bool(request.user.is_active)

    def save_bearer_token(self, token: dict[str, Any], request: Any, *args: Any, **kwargs: Any) -> Any:
        """Store the tokens; a client that is not registered to refresh gets no refresh token."""
        if not request.client.allows_grant_type(REFRESH):
            token.pop("refresh_token", None)
        return super().save_bearer_token(token, request, *args, **kwargs)

    def _create_access_token(
        self, expires: Any, request: Any, token: dict[str, Any], source_refresh_token: Any = None
    ) -> Any:
        made = super()._create_access_token(expires, request, token, source_refresh_token)
        # Carried over at each refresh, so that a replay of the code still finds what it led to.
        AccessToken.objects.filter(pk=made.pk).update(grant=getattr(request, "grant_row", None))
        return made

    def validate_silent_login(self, request: Any) -> bool:
        """Leave prompt=none to the page, which knows who is logged in."""
        return True

    def validate_silent_authorization(self, request: Any) -> bool:
        """Leave prompt=none to the page, which knows what was consented to."""
        return True

    # ID tokens.

    def get_claim_dict(self, request: Any) -> dict[str, Any]:
        """Return who the user is: the public id, which is the same for every client."""
        return {"sub": ids.public_id("usr", request.user.pk)}

    def get_additional_claims(self, request: Any) -> dict[str, Any]:
        """Return no more than the subject."""
        return {}

    def get_oidc_issuer_endpoint(self, request: Any) -> str:
        """Return the issuer of the settings, never one made of the request's Host."""
        return str(settings.ISSUER)

    def finalize_id_token(
        self, id_token: dict[str, Any], token: Any, token_handler: Any, request: Any
    ) -> str:
        """Sign the ID token with the server's key (ES256) and record it."""
        claims, expires = self.get_id_token_dictionary(token, token_handler, request)
        id_token.update(claims)
        if "nonce" not in id_token and request.nonce:
            id_token["nonce"] = request.nonce
        key = keys.active_key()
        signed = jwt.JWT(
            header={"typ": "JWT", "alg": keys.ALGORITHM, "kid": key["kid"]}, claims=json.dumps(id_token)
        )
        signed.make_signed_token(key)
        request.id_token = self._save_id_token(id_token["jti"], request, expires)
        return str(signed.serialize())


def revoke_grant(grant: Grant) -> None:
    """Revoke every token that a code led to."""
    tokens = AccessToken.objects.filter(grant=grant)
    families = RefreshToken.objects.filter(access_token__in=tokens).values_list("token_family", flat=True)
    for family in set(families):
        RefreshToken.revoke_family(family)
    AccessToken.objects.filter(grant=grant).delete()
