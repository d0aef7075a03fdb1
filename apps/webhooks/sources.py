"""Finding the source that an inbound request was sent to, with its live secrets."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core import tenancy
from apps.webhooks.models import Source, SourceSecret
from apps.webhooks.signatures import Secret

CACHED_S = 2.0
CACHED_MAX = 1_000


@dataclass(frozen=True, slots=True)
class _Dated:
    secret: Secret
    valid_from: datetime
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class KnownSource:
    """A source as the intake needs it. Secrets are never shown."""

    id: UUID
    organisation_id: UUID
    provider: str
    active: bool
    config: dict[str, Any]
    dated: tuple[_Dated, ...] = field(repr=False)

    def live_secrets(self, at: datetime) -> list[Secret]:
        """Return the secrets that are valid at the moment."""
        return [
            one.secret
            for one in self.dated
            if one.valid_from <= at and (one.valid_until is None or at < one.valid_until)
        ]


# A source changes rarely and is asked for with every request; two seconds spare a transaction each.
_cache: dict[str, tuple[float, KnownSource | None]] = {}


def find_source(path_token: str) -> KnownSource | None:
    """Find an active or disabled source by the token of its path; None for a token nobody has."""
    now_s = time.monotonic()
    kept = _cache.get(path_token)
    if kept is not None and now_s - kept[0] < CACHED_S:
        return kept[1]
    source = _load(path_token)
    if len(_cache) >= CACHED_MAX:
        _cache.clear()
    _cache[path_token] = (now_s, source)
    return source


def forget_sources() -> None:
    """Drop what this process remembers, as after a change it made itself."""
    _cache.clear()


def _load(path_token: str) -> KnownSource | None:
    with tenancy.scope(tenancy.PLATFORM):
        source = Source.objects.filter(path_token=path_token).first()
        if source is None:
            return None
        rows = SourceSecret.objects.filter(source_id=source.pk, use=SourceSecret.Use.SIGNING).order_by(
            "-valid_from"
        )
        dated = tuple(
            _Dated(Secret(row.value.reveal(), str(row.pk)), row.valid_from, row.valid_until) for row in rows
        )
    return KnownSource(
        source.pk,
        source.organisation_id,
        source.provider,
        source.state == Source.State.ACTIVE,
        source.config,
        dated,
    )
