"""REST framework, OAuth2 server and the OpenAPI description."""

from __future__ import annotations

from apps.core.ratelimit import Limit
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
    # Sets of choices that several members share, each with one name that generated clients can live with.
    "ENUM_NAME_OVERRIDES": {
        "PaymentTypeEnum": "apps.payments.api.enum_names.PAYMENT_TYPES",
        "PaymentStateEnum": "apps.payments.api.enum_names.PAYMENT_STATES",
        "MandateStateEnum": "apps.payments.api.enum_names.MANDATE_STATES",
        "SchemeEnum": "apps.payments.api.enum_names.SCHEMES",
        "RecallReasonEnum": "apps.payments.api.enum_names.RECALL_REASONS",
        "PayeeResultEnum": "apps.payments.api.enum_names.PAYEE_RESULTS",
        "AdviceEnum": "apps.payments.api.enum_names.ADVICE",
        "BulkOrderStateEnum": ["ordered", "approved", "declined", "cancelled"],
        "PersonOrCompanyEnum": ["person", "company"],
        "EndpointStateEnum": ["active", "disabled", "failed", "gone"],
        "SignatureEnum": "apps.webhooks.commands.endpoints.KINDS",
    },
}

ISSUER = env.text("ISSUER", f"http://localhost:{env.number('PORT', 8000)}/oauth")
"""The issuer's name in tokens and metadata; never taken from a request's Host."""

OAUTH2_PROVIDER_APPLICATION_MODEL = "authz.Application"
OAUTH2_PROVIDER_GRANT_MODEL = "authz.Grant"
OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL = "authz.AccessToken"  # noqa: S105  # a model
OAUTH2_PROVIDER_REFRESH_TOKEN_MODEL = "authz.RefreshToken"  # noqa: S105  # a model
OAUTH2_PROVIDER_ID_TOKEN_MODEL = "authz.IDToken"  # noqa: S105  # a model

OAUTH2_PROVIDER = {
    "SCOPES_BACKEND_CLASS": "apps.authz.scopes.ClientScopes",
    "OAUTH2_VALIDATOR_CLASS": "apps.authz.oauth.validator.Validator",
    "ACCESS_TOKEN_EXPIRE_SECONDS": 600,
    "ID_TOKEN_EXPIRE_SECONDS": 600,
    "AUTHORIZATION_CODE_EXPIRE_SECONDS": 60,
    "REFRESH_TOKEN_EXPIRE_SECONDS": 90 * 24 * 3600,
    "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "OIDC_ENABLED": True,
    "OIDC_ISS_ENDPOINT": ISSUER,
    "OIDC_RESPONSE_TYPES_SUPPORTED": ["code"],
    "OAUTH2_RESPONSE_TYPES_SUPPORTED": ["code"],
    "OAUTH2_GRANT_TYPES_SUPPORTED": ["authorization_code", "client_credentials", "refresh_token"],
    "REQUEST_APPROVAL_PROMPT": "force",
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https", "http"],  # http to this machine alone: checked at registration
    "PKCE_REQUIRED": True,
    # RFC 9700: nothing that it calls insecure is available.
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "COMPLIANT_BCP_RFC9700_REFRESH_TOKEN": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_MATCHING": True,
    "COMPLIANT_BCP_RFC9700_PKCE_REQUIRED": True,
}

WEB_PROCESSES = env.number("WEB_PROCESSES", 2)
PROXY_ADDRESSES = frozenset(env.words("PROXIES"))
"""Our own proxies: only what they say of a caller's address is believed."""


def _limit(name: str, *, per_s: int, count: int, burst: int, strict: bool = False) -> Limit:
    """Make a limit; `RATE_LIMIT_<NAME>` sets how many requests in its time, its burst growing with it."""
    wanted = env.number(f"RATE_LIMIT_{name.upper()}", count)
    return Limit(name, wanted, per_s, max(1, burst * wanted // count), strict)


_API = _limit("api", count=1_000, per_s=1, burst=2_000)
_MONEY = _limit("money", count=500, per_s=1, burst=1_000, strict=env.flag("RATE_LIMIT_STRICT", default=False))
_TOKENS = _limit("tokens", count=50, per_s=1, burst=200)
_LOGIN = _limit("login", count=30, per_s=60, burst=30)
_INBOUND = _limit("inbound", count=1_000, per_s=1, burst=2_000)
# Whoever may ask for names by IBAN must not walk through the IBANs.
_PAYEES = _limit("payees", count=10, per_s=1, burst=50)
# The first that fits counts: beginning of the path, methods (none named: all), limit.
RATE_LIMITS: list[tuple[str, tuple[str, ...], Limit]] = [
    ("/webhooks/in/", ("POST",), _INBOUND),
    ("/api/v1/payments", ("POST",), _MONEY),
    ("/api/v1/refunds", ("POST",), _MONEY),
    ("/api/v1/fx-quotes", ("POST",), _MONEY),
    ("/api/v1/payee-verifications", ("POST",), _PAYEES),
    ("/api/", (), _API),
    ("/oauth/login", ("POST",), _LOGIN),
    ("/oauth/", (), _TOKENS),
    ("/psd2/", (), _API),
    ("/psu/", ("POST",), _LOGIN),
    ("/console/login", ("POST",), _LOGIN),
]
