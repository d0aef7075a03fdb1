"""The pages, one module for each part of the platform they look into."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from django.apps import apps as installed

# A page module, and the app it looks into: without the app, no page.
PAGES = (
    ("home", "apps.core"),
    ("search", "apps.core"),
    ("payments", "apps.payments"),
    ("batches", "apps.payments"),
    ("orders", "apps.payments"),
    ("mandates", "apps.payments"),
    ("disputes", "apps.payments"),
    ("approvals", "apps.compliance"),
    ("ledger", "apps.ledger"),
    ("reconciliation", "apps.reconciliation"),
    ("reconciliation_bulk", "apps.reconciliation"),
    ("customers", "apps.accounts"),
    ("accounts", "apps.accounts"),
    ("clients", "apps.authz"),
    ("webhooks", "apps.webhooks"),
    ("dead_letters", "apps.webhooks"),
    ("platform", "apps.core"),
    ("audit", "apps.compliance"),
    ("staff", "apps.accounts"),
)


def load() -> None:
    """Let every page whose app is installed register itself."""
    import_module("apps.console.searches")
    for module, app in PAGES:
        if installed.is_installed(app) and find_spec(f"apps.console.pages.{module}"):
            import_module(f"apps.console.pages.{module}")
