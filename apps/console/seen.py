"""Looking at one object on behalf of a form: in a read of its own, closed before any command runs."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from apps.core import tenancy
from apps.core.console import ReadOnlyAdmin


def seen(listed: ReadOnlyAdmin, request: HttpRequest, object_id: str) -> Any:
    """Return the object. Raises PermissionDenied without the list's permission, Http404 for none."""
    if not listed.has_view_permission(request):
        raise PermissionDenied
    with tenancy.scope(tenancy.PLATFORM):
        found = listed.get_object(request, object_id)
    if found is None:
        raise Http404
    return found
