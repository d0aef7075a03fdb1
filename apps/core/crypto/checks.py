"""System checks: where a local key file may be used at all."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from apps.core.crypto.runtime import LOCAL_FILE, provider_path


@register(Tags.security)
def check_key_provider(**options: Any) -> list[CheckMessage]:
    """Refuse to start with a local key file unless this is development or a setting allows it."""
    if provider_path() != LOCAL_FILE or settings.DEBUG or settings.KEY_FILE_ALLOWED:
        return []
    return [
        Error(
            "Keys are in a local file, which protects nothing from whoever reads this machine's disk.",
            hint="Name an HSM or KMS in KEY_PROVIDER, or set KEY_FILE_ALLOWED=true to accept that.",
            id="core.E110",
        )
    ]
