"""The door of the authorization context: API clients, their scopes, and whom a token stands for."""

from __future__ import annotations

from apps.authz.authentication import ApiClient, BearerToken, TokenHolder, actor_of, find_holder
from apps.authz.commands import ClientIsDisabled, DisableApiClient, RegisterApiClient, RotateClientSecret
from apps.authz.models import Application
from apps.authz.oauth.secrets import digest_of, new_client_secret
from apps.authz.queries import client, client_data, clients
from apps.authz.scopes import CUSTOMER_SCOPES, SCOPES

__all__ = [
    "CUSTOMER_SCOPES",
    "SCOPES",
    "ApiClient",
    "Application",
    "BearerToken",
    "ClientIsDisabled",
    "DisableApiClient",
    "RegisterApiClient",
    "RotateClientSecret",
    "TokenHolder",
    "actor_of",
    "client",
    "client_data",
    "clients",
    "digest_of",
    "find_holder",
    "new_client_secret",
]
