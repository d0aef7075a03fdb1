"""The scopes of the API, which are also the permissions of API clients."""

from __future__ import annotations

from typing import Any

from oauth2_provider.scopes import BaseScopes

SCOPES: dict[str, str] = {
    "openid": "Know who you are",
    "customers.read": "Read customers",
    "customers.write": "Create and change customers",
    "accounts.read": "Read payment accounts, balances and statements",
    "accounts.write": "Open, block and close payment accounts",
    "payments.read": "Read payments, mandates and returns",
    "payments.write": "Create transfers, payouts, refunds, mandates and collections",
    "payments.approve": "Approve payments that another client or person ordered",
    "events.read": "Read events",
    "webhooks.read": "Read webhook endpoints and deliveries",
    "webhooks.write": "Manage webhook endpoints and resend deliveries",
}

CUSTOMER_SCOPES = frozenset({"openid", "accounts.read"})
"""What a customer can grant to a client. Views show a customer's token that customer's accounts alone."""


class ClientScopes(BaseScopes):
    """Which scopes exist, and which a client may ask for: those it was registered with, and no others.

    A token of the client itself never knows a customer; a customer grants no more than CUSTOMER_SCOPES.
    """

    def get_all_scopes(self) -> dict[str, str]:
        """Return every scope with its description."""
        return SCOPES

    def get_available_scopes(
        self, application: Any = None, request: Any = None, *args: Any, **kwargs: Any
    ) -> list[str]:
        """Return the scopes that the client may have in this request."""
        if application is None:
            return sorted(SCOPES)
        allowed = set(application.allowed_scopes) & set(SCOPES)
        if getattr(request, "grant_type", None) == "client_credentials":
            return sorted(allowed - {"openid"})
        return sorted(allowed & CUSTOMER_SCOPES)

    def get_default_scopes(
        self, application: Any = None, request: Any = None, *args: Any, **kwargs: Any
    ) -> list[str]:
        """Return what a request that names no scope asks for: everything that it may."""
        return self.get_available_scopes(application, request)
