"""The addresses of the authorization server, below the issuer's path."""

from __future__ import annotations

from django.urls import re_path

from apps.authz.oauth import authorize, endpoints

app_name = "authz"

urlpatterns = [
    re_path(r"^authorize/?$", authorize.Authorize.as_view(), name="authorize"),
    re_path(r"^login/?$", authorize.Login.as_view(), name="login"),
    re_path(r"^consent/?$", authorize.Consent.as_view(), name="consent"),
    re_path(r"^token/?$", endpoints.TokenEndpoint.as_view(), name="token"),
    re_path(r"^revoke/?$", endpoints.RevocationEndpoint.as_view(), name="revoke"),
    re_path(r"^introspect/?$", endpoints.IntrospectionEndpoint.as_view(), name="introspect"),
    re_path(r"^userinfo/?$", endpoints.userinfo, name="userinfo"),
    re_path(r"^jwks/?$", endpoints.jwks, name="jwks"),
    re_path(r"^\.well-known/openid-configuration/?$", endpoints.metadata, name="openid-configuration"),
    re_path(r"^\.well-known/oauth-authorization-server/?$", endpoints.metadata, name="oauth-metadata"),
]
