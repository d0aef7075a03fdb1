"""What authz registers at start-up: how the OpenAPI description writes a bearer token."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension

from apps.authz.scopes import SCOPES


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describe where a program gets its token and which scopes there are."""

    target_class = "apps.authz.authentication.BearerToken"
    name = "oauth2"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Return the OAuth2 client credentials flow."""
        flow = {"tokenUrl": f"{settings.ISSUER}/token", "scopes": SCOPES}
        return {"type": "oauth2", "flows": {"clientCredentials": flow}}
