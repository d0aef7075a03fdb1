"""Reads of API clients."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.authz.models import Application
from apps.core import ids
from apps.core.errors import NotFound


def clients(organisation_id: UUID | None = None) -> QuerySet[Application]:
    """Return the API clients that the scope shows, or those of one organisation, unordered."""
    rows = Application.objects.all()
    return rows if organisation_id is None else rows.filter(organisation_id=organisation_id)


def client(client_id: str) -> Application:
    """Return a client by its id (`cli_…`). Raises NotFound."""
    row = Application.objects.filter(client_id=client_id).first()
    if row is None:
        raise NotFound(object="client")
    return row


def client_data(row: Application) -> dict[str, Any]:
    """Write a client as screens and commands show it; there is no secret to show."""
    return {
        "client_id": row.client_id,
        "organisation_id": ids.public_id("org", row.organisation_id),
        "name": row.name,
        "public": row.client_type == Application.CLIENT_PUBLIC,
        "grant_types": list(row.grant_types),
        "scopes": list(row.allowed_scopes),
        "redirect_uris": row.redirect_uris.split(),
        "disabled_at": row.disabled_at.isoformat() if row.disabled_at else None,
    }
