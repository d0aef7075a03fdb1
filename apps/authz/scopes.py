"""The scopes of the API, which are also the permissions of API clients."""

from __future__ import annotations

SCOPES: dict[str, str] = {
    "openid": "Know who you are",
    "customers.read": "Read customers",
    "customers.write": "Create and change customers",
    "accounts.read": "Read payment accounts, balances and statements",
    "accounts.write": "Open, block and close payment accounts",
    "payments.read": "Read payments and refunds",
    "payments.write": "Create transfers, payouts and refunds",
    "payments.approve": "Approve payments that another client or person ordered",
    "events.read": "Read events",
    "webhooks.read": "Read webhook endpoints and deliveries",
    "webhooks.write": "Manage webhook endpoints and resend deliveries",
}
