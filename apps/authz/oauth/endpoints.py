"""The endpoints that programs call: token, revocation, introspection, userinfo, keys, metadata.

Each runs in one transaction under the platform's scope, since the client, and with it the
organisation, is known only once it has authenticated.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider.views.mixins import OAuthLibMixin

from apps.authz.authentication import TOKEN_CHARS_MAX, find_holder
from apps.authz.models import AccessToken
from apps.authz.oauth import keys
from apps.authz.oauth.secrets import digest_of
from apps.authz.oauth.validator import GRANT_TYPES
from apps.authz.scopes import SCOPES
from apps.core import clock, ids, tenancy

PARAMETER_CHARS_MAX = 2_000
AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]


def oauth_error(error: str, description: str, *, status: int = 400, **headers: str) -> JsonResponse:
    """Answer with an error of RFC 6749, 5.2."""
    body = {"error": error, "error_description": description}
    return JsonResponse(body, status=status, headers={"Cache-Control": "no-store", **headers})


def in_platform_scope(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Run a view in one transaction that sees every organisation."""

    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with tenancy.scope(tenancy.PLATFORM):
            return view(request, *args, **kwargs)

    return wrapped


def parameter_problem(parameters: Any) -> str | None:
    """Say what is wrong with the shape of parameters: said twice, too long, with a NUL; None if nothing."""
    for name, values in parameters.lists():
        if len(values) > 1:
            return "A parameter is given more than once."
        if len(name) > 100 or len(values[0]) > PARAMETER_CHARS_MAX:
            return "A parameter is too long."
        if any("\x00" in text or "\ufffd" in text for text in (name, values[0])):
            return "A parameter has a character that no parameter has."
    return None


@method_decorator([csrf_exempt, in_platform_scope], name="dispatch")
class FormEndpoint(OAuthLibMixin, View):
    """An endpoint that takes a form and answers JSON; parameters in the address are refused."""

    http_method_names = ["post", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Refuse what is not a well-shaped form before anything reads it."""
        if request.method == "POST":
            if request.content_type != "application/x-www-form-urlencoded":
                return oauth_error("invalid_request", "The body is application/x-www-form-urlencoded.")
            problem = "Parameters belong in the body." if request.GET else parameter_problem(request.POST)
            if problem:
                return oauth_error("invalid_request", problem)
        return super().dispatch(request, *args, **kwargs)

    def answer(self, headers: dict[str, str], body: str | None, status: int) -> HttpResponse:
        """Pass on what oauthlib answered, never to be cached."""
        response = HttpResponse(body or "", status=status, content_type="application/json")
        for name, value in headers.items():
            response[name] = value
        response["Cache-Control"] = "no-store"
        return response


class TokenEndpoint(FormEndpoint):
    """Give tokens for a code, a refresh token or a client's own credentials (RFC 6749, 3.2)."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """Answer with a token or an error."""
        if request.POST.get("grant_type") not in GRANT_TYPES:
            kind = "unsupported_grant_type" if "grant_type" in request.POST else "invalid_request"
            return oauth_error(kind, f"grant_type is one of {', '.join(GRANT_TYPES)}.")
        _, headers, body, status = self.create_token_response(request)
        return self.answer(headers, body, status)


class RevocationEndpoint(FormEndpoint):
    """Revoke a token of the client (RFC 7009)."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """Answer 200, whether there was such a token or not."""
        _, headers, body, status = self.create_revocation_response(request)
        return self.answer(headers, body, status)


class IntrospectionEndpoint(FormEndpoint):
    """Tell a client about a token of its own organisation (RFC 7662)."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """Answer with what the token stands for, or {"active": false} for anything else."""
        client = self._client(request)
        if client is None:
            return oauth_error(
                "invalid_client",
                "The client is unknown or its secret is wrong.",
                status=401,
                **{"WWW-Authenticate": 'Basic realm="bezant"'},
            )
        digest = digest_of(request.POST.get("token", ""))
        token = (
            AccessToken.objects.select_related("application", "user")
            .filter(
                token_checksum=digest,
                expires__gt=clock.database_now(),
                application__organisation_id=client.organisation_id,
                application__disabled_at=None,
            )
            .first()
        )
        if token is None or (token.user is not None and not token.user.is_active):
            return JsonResponse({"active": False})
        return JsonResponse(_token_facts(token))

    def _client(self, request: HttpRequest) -> Any:
        core = self.get_oauthlib_core()
        uri, method, body, headers = core._extract_params(request)
        from oauthlib.common import Request

        oauth_request = Request(uri, method, body, headers)
        known = core.server.request_validator.authenticate_client(oauth_request)
        return oauth_request.client if known else None


def _token_facts(token: AccessToken) -> dict[str, Any]:
    facts = {
        "active": True,
        "iss": settings.ISSUER,
        "client_id": token.application.client_id,
        "scope": token.scope,
        "token_type": "Bearer",
        "exp": int(token.expires.timestamp()),
        "iat": int(token.created.timestamp()),
        "sub": ids.public_id("usr", token.user_id) if token.user_id else token.application.client_id,
    }
    return facts | ({"cnf": token.cnf} if token.cnf else {})


@csrf_exempt
def userinfo(request: HttpRequest) -> HttpResponse:
    """Tell who granted the token (OpenID Connect Core, 5.3): the subject, and nothing more."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    challenge = {"WWW-Authenticate": 'Bearer realm="bezant", error="invalid_token"'}
    holder = find_holder(token) if scheme.lower() == "bearer" and len(token) <= TOKEN_CHARS_MAX else None
    if holder is None:
        return oauth_error(
            "invalid_token", "The access token is unknown or has expired.", status=401, **challenge
        )
    if holder.user_id is None or "openid" not in holder.scopes:
        return oauth_error(
            "insufficient_scope",
            "The access token was not granted by a person with the scope openid.",
            status=403,
            **{"WWW-Authenticate": 'Bearer realm="bezant", error="insufficient_scope", scope="openid"'},
        )
    return JsonResponse({"sub": ids.public_id("usr", holder.user_id)}, headers={"Cache-Control": "no-store"})


def jwks(request: HttpRequest) -> HttpResponse:
    """Publish the keys that ID tokens are signed with (RFC 7517)."""
    return _published({"keys": keys.public_keys()})


def metadata(request: HttpRequest, **_: str) -> HttpResponse:
    """Describe the server: RFC 8414 and OpenID Connect Discovery in one document."""
    issuer = settings.ISSUER
    return _published(
        {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "revocation_endpoint": f"{issuer}/revoke",
            "introspection_endpoint": f"{issuer}/introspect",
            "userinfo_endpoint": f"{issuer}/userinfo",
            "jwks_uri": f"{issuer}/jwks",
            "scopes_supported": sorted(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": list(GRANT_TYPES),
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [keys.ALGORITHM],
            "token_endpoint_auth_methods_supported": AUTH_METHODS,
            "revocation_endpoint_auth_methods_supported": AUTH_METHODS,
            "introspection_endpoint_auth_methods_supported": AUTH_METHODS[:2],
            "code_challenge_methods_supported": ["S256"],
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "at_hash"],
            "prompt_values_supported": ["none", "login", "consent"],
            "authorization_response_iss_parameter_supported": True,
            "claims_parameter_supported": False,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
            "service_documentation": issuer.removesuffix("/oauth") + "/api/v1/docs",
        }
    )


def _published(document: dict[str, Any]) -> HttpResponse:
    return HttpResponse(
        json.dumps(document, indent=2),
        content_type="application/json",
        headers={"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"},
    )
