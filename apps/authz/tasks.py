"""Jobs of the authorization server."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from oauth2_provider.models import clear_expired

from apps.core import tenancy


@shared_task(name="authz.clear_expired_tokens")
def clear_expired_tokens(**_: Any) -> None:
    """Delete tokens and codes that have expired; used codes stay known for as long as they could be replayed."""
    with tenancy.scope(tenancy.PLATFORM):
        clear_expired()
