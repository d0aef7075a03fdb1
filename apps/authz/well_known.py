"""Where clients look for the server's description: at the root, with the issuer's path behind (RFC 8414, 3.1)."""

from __future__ import annotations

from django.urls import path

from apps.authz.oauth import endpoints

urlpatterns = [
    path("oauth-authorization-server", endpoints.metadata),
    path("oauth-authorization-server/oauth", endpoints.metadata),
    path("openid-configuration", endpoints.metadata),
    path("openid-configuration/oauth", endpoints.metadata),
]
