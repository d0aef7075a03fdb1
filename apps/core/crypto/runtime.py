"""The process's own key provider and key ring, made from the settings at first use."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import cast

from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string

from apps.core.crypto.errors import KeysUnavailable
from apps.core.crypto.keyring import KeyRing
from apps.core.crypto.local_file import LocalFileProvider
from apps.core.crypto.primitives import self_test
from apps.core.crypto.providers import Provider
from apps.core.crypto.store import TableKeyStore
from apps.core.tenancy import PLATFORM, scope

LOCAL_FILE = "apps.core.crypto.runtime.local_file_provider"


def provider_path() -> str:
    """Name the function that makes the provider: the setting KEY_PROVIDER, or the local key file."""
    return str(getattr(settings, "KEY_PROVIDER", LOCAL_FILE))


@cache
def provider() -> Provider:
    """Give the process's key provider. Raises KeysUnavailable if it must not or cannot be used."""
    self_test()
    return cast(Provider, import_string(provider_path())())


@cache
def key_ring() -> KeyRing:
    """Give the process's key ring. Raises KeysUnavailable."""
    return KeyRing(provider=provider(), store=TableKeyStore(), environment=settings.ENVIRONMENT)


def local_file_provider() -> LocalFileProvider:
    """Open the local key file, made at the first run.

    Raises KeysUnavailable where a key file is not allowed, and where it is missing although keys
    wrapped under it are in the database: a new file would only hide the loss.
    """
    if not settings.KEY_FILE_ALLOWED:
        raise KeysUnavailable(
            "a local key file is for development: name a KEY_PROVIDER, or set KEY_FILE_ALLOWED=true"
        )
    path = Path(settings.KEY_FILE)
    if path.exists():
        return LocalFileProvider(path)
    if _keys_are_stored():
        raise KeysUnavailable(
            f"the key file {path} is missing, and the database holds keys wrapped under it; "
            "restore it from its backup"
        )
    return LocalFileProvider.create(path, at=datetime.now(UTC))


def _keys_are_stored() -> bool:
    with scope(PLATFORM), connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM core_subjectkey WHERE destroyed_at IS NULL)"
            " OR EXISTS (SELECT FROM core_signingkey)"
        )
        return bool(cursor.fetchone()[0])
