"""Claiming deliveries, with what is needed to send them: the event, the endpoint, its live secrets."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core import db, tenancy
from apps.core.ids import public_id
from apps.webhooks.models import Endpoint, EndpointSecret
from apps.webhooks.sending.http import Target

LEASE_S = 60
ENDPOINTS_PER_CLAIM_MAX = 300
ENDPOINT_CACHED_S = 1.0
_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Addressee:
    """An endpoint as the sender needs it; secrets with the time they end."""

    id: UUID
    state: str
    target: Target = field(repr=False)
    secrets: tuple[tuple[str, datetime, datetime | None], ...] = field(repr=False)

    def live_secrets(self, at: datetime) -> list[str]:
        """Return the secrets that have not ended, the newest first.

        When they began is not asked: by this machine's clock, which may be wrong, that may seem to be to come.
        """
        return [value for value, _, until in self.secrets if until is None or at < until]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours until its lease ends."""

    id: UUID
    organisation_id: UUID
    endpoint_id: UUID
    created_at: datetime
    attempts: int
    lease_token: UUID
    event_key: str
    body: bytes
    correlation_id: str
    recorded_at: datetime


@dataclass
class Claimer:
    """Goes round the endpoints, so that each gets its turn, and remembers each for a second."""

    lease_s: float = LEASE_S
    after: UUID = _NOBODY
    _known: dict[UUID, tuple[float, Addressee]] = field(default_factory=dict)

    def claim(self, limit: int) -> list[tuple[Claimed, Addressee | None]]:
        """Take a lease on up to `limit` deliveries that are due, and commit it at once."""
        rows = db.retrying(lambda: self._claim(limit))
        addressees = self._addressees({row.endpoint_id for row in rows})
        return [(row, addressees.get(row.endpoint_id)) for row in rows]

    def _claim(self, limit: int) -> list[Claimed]:
        with tenancy.scope(tenancy.PLATFORM), connection.cursor() as cursor:
            cursor.execute(
                "SELECT c.id, c.organisation_id, c.endpoint_id, c.created_at, c.attempts, c.lease_token,"
                " e.id, e.name, e.version, e.object_type, e.object_id, e.payload, e.occurred_at,"
                " e.correlation_id, e.recorded_at"
                " FROM webhooks_claim_deliveries(%s, %s, make_interval(secs => %s), %s) WITH ORDINALITY AS c"
                "  (id, organisation_id, endpoint_id, event_id, created_at, attempts, lease_token, place)"
                " JOIN core_outboxevent e ON e.id = c.event_id ORDER BY c.place",
                [limit, self.after, float(self.lease_s), ENDPOINTS_PER_CLAIM_MAX],
            )
            rows = [_claimed(row) for row in cursor.fetchall()]
            cursor.execute("SELECT current_setting('bezant.claimed_to')")
            self.after = UUID(cursor.fetchone()[0])
            return rows

    def _addressees(self, wanted: set[UUID]) -> dict[UUID, Addressee]:
        now_s = time.monotonic()
        missing = [
            one for one in wanted if one not in self._known or now_s - self._known[one][0] > ENDPOINT_CACHED_S
        ]
        if len(self._known) > 5_000:
            self._known.clear()
            missing = list(wanted)
        for addressee in _load(missing) if missing else ():
            self._known[addressee.id] = (now_s, addressee)
        return {one: self._known[one][1] for one in wanted if one in self._known}


def _claimed(row: tuple[Any, ...]) -> Claimed:
    event_id, name, version, object_type, object_id, payload, occurred_at = row[6:13]
    key = public_id("evt", event_id)
    body = event_body(
        key=key,
        name=name,
        version=version,
        object_type=object_type,
        object_id=object_id,
        payload=json.loads(payload) if isinstance(payload, str) else payload,
        occurred_at=occurred_at,
    )
    return Claimed(
        id=row[0],
        organisation_id=row[1],
        endpoint_id=row[2],
        created_at=row[3],
        attempts=row[4],
        lease_token=row[5],
        event_key=key,
        body=body,
        correlation_id=row[13],
        recorded_at=row[14],
    )


def event_body(
    *,
    key: str,
    name: str,
    version: int,
    object_type: str,
    object_id: str,
    payload: dict[str, Any],
    occurred_at: datetime,
) -> bytes:
    """Write an event as receivers get it: the same bytes at every attempt."""
    told = {
        "id": key,
        "type": name,
        "version": version,
        "timestamp": occurred_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "object": {"type": object_type, "id": object_id},
        "data": payload,
    }
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode()


def _load(endpoint_ids: list[UUID]) -> list[Addressee]:
    with tenancy.scope(tenancy.PLATFORM):
        endpoints = list(Endpoint.objects.filter(pk__in=endpoint_ids))
        secrets: dict[UUID, list[tuple[str, datetime, datetime | None]]] = {}
        for row in EndpointSecret.objects.filter(endpoint_id__in=endpoint_ids).order_by("-valid_from", "-pk"):
            secrets.setdefault(row.endpoint_id, []).append(
                (row.value.reveal(), row.valid_from, row.valid_until)
            )
        return [
            Addressee(
                one.pk,
                str(one.state),
                Target(
                    one.url, one.client_certificate.reveal() if one.client_certificate else "", one.server_ca
                ),
                tuple(secrets.get(one.pk, ())),
            )
            for one in endpoints
        ]
