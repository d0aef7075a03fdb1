"""REST framework, OAuth2 server and the OpenAPI description."""

from __future__ import annotations

from config import env

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.authz.authentication.BearerToken"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["apps.core.http.parsers.StrictJsonParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "apps.core.http.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": True,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Bezant API",
    "VERSION": "1",
    "OAS_VERSION": "3.0.3",
    "DESCRIPTION": "Customers, accounts, payments and the books behind them.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {},
}

ISSUER = env.text("ISSUER", f"http://localhost:{env.number('PORT', 8000)}/oauth")
"""The issuer's name in tokens and metadata; never taken from a request's Host."""

OAUTH2_PROVIDER_APPLICATION_MODEL = "authz.Application"
OAUTH2_PROVIDER_GRANT_MODEL = "authz.Grant"
OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL = "authz.AccessToken"  # noqa: S105  # a model
OAUTH2_PROVIDER_REFRESH_TOKEN_MODEL = "authz.RefreshToken"  # noqa: S105  # a model
OAUTH2_PROVIDER_ID_TOKEN_MODEL = "authz.IDToken"  # noqa: S105  # a model
