"""Endpoints of merchants: register, change, roll the secret, disable and enable, test."""

from __future__ import annotations

import base64
import secrets as randomness
import ssl
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings
from django.db import connection

from apps.core.commands import Command, Context, handles
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.ids import public_id
from apps.webhooks.domain.addresses import check_url
from apps.webhooks.domain.filters import FILTERS_MAX, is_filter
from apps.webhooks.events import EndpointDisabled, EndpointFailing, EndpointTest
from apps.webhooks.models import Endpoint, EndpointHealth, EndpointSecret

ENDPOINTS_MAX, KEPT_MAX = 100, 2_000
"""The most active endpoints of one organisation, and the most together with disabled ones."""

OVERLAP_DEFAULT_S, OVERLAP_MAX_S = 86_400, 30 * 86_400
SECRETS_LIVE_MAX = 10
IN_FLIGHT_MAX, RATE_MAX_PER_S = 100, 1_000
CATCH_UP_MAX = 10_000
KINDS = ("hmac", "ed25519")


class TooManyEndpoints(Conflict):
    code = "too_many_endpoints"
    title = "The organisation has as many webhook endpoints as it may have."


class TooManySecrets(Conflict):
    code = "too_many_secrets"
    title = "The endpoint has as many live secrets as it may have; wait until one ends."


@dataclass(frozen=True)
class CreateEndpoint(Command):
    """Register an address that wants to be told of events."""

    url: str
    description: str = ""
    event_filters: tuple[str, ...] = ("*",)
    signature: str = "hmac"
    ordered: bool = False
    max_in_flight: int = 5
    rate_per_s: int | None = None
    client_certificate: str = field(default="", repr=False)
    server_ca: str = ""


@handles(CreateEndpoint, name="webhooks.create_endpoint", version=1, permission="webhooks.write")
def create_endpoint(command: CreateEndpoint, context: Context) -> dict[str, Any]:
    """Return the endpoint's id; its secret is read apart, since answers are stored.

    Raises BadUrl, Invalid, TooManyEndpoints.
    """
    if command.organisation_id is None:
        raise Invalid(field="organisation_id")
    _check(command)
    if command.signature not in KINDS:
        raise Invalid(field="signature", allowed=list(KINDS))
    _check_room(command.organisation_id)
    endpoint = Endpoint.objects.create(
        id=context.new_id(),
        organisation_id=command.organisation_id,
        url=command.url,
        description=command.description,
        event_filters=list(command.event_filters),
        ordered=command.ordered,
        max_in_flight=command.max_in_flight,
        rate_per_s=command.rate_per_s,
        client_certificate=command.client_certificate or None,
        server_ca=command.server_ca,
        created_at=context.at,
    )
    EndpointHealth.objects.create(endpoint_id=endpoint.pk, organisation_id=endpoint.organisation_id)
    _add_secret(endpoint, command.signature, context)
    context.note("webhook_endpoint", public_id("we", endpoint.pk), event_filters=list(command.event_filters))
    return {"id": public_id("we", endpoint.pk)}


@dataclass(frozen=True)
class ChangeEndpoint(Command):
    """Change what is given; None leaves a value as it is."""

    endpoint_id: UUID
    url: str | None = None
    description: str | None = None
    event_filters: tuple[str, ...] | None = None
    max_in_flight: int | None = None
    rate_per_s: int | None = None
    client_certificate: str | None = field(default=None, repr=False)
    server_ca: str | None = None


@handles(ChangeEndpoint, name="webhooks.change_endpoint", version=1, permission="webhooks.write")
def change_endpoint(command: ChangeEndpoint, context: Context) -> dict[str, Any]:
    """Return the endpoint's id. Whether it keeps order is fixed: the queue's rows depend on it.

    Raises NotFound, BadUrl, Invalid.
    """
    endpoint = _locked(command.endpoint_id, command.organisation_id)
    _check(command)
    changed = []
    for name in ("url", "description", "event_filters", "max_in_flight", "rate_per_s", "server_ca"):
        value = getattr(command, name)
        if value is not None:
            setattr(endpoint, name, list(value) if name == "event_filters" else value)
            changed.append(name)
    if command.client_certificate is not None:
        endpoint.client_certificate = command.client_certificate or None
        changed.append("client_certificate")
    if changed:
        endpoint.save(update_fields=changed)
    context.note("webhook_endpoint", public_id("we", endpoint.pk), changed=changed)
    return {"id": public_id("we", endpoint.pk)}


@dataclass(frozen=True)
class RotateEndpointSecret(Command):
    """Make a new secret; the older ones go on signing beside it for `overlap_s` seconds."""

    endpoint_id: UUID
    overlap_s: int = OVERLAP_DEFAULT_S
    signature: str = ""


@handles(RotateEndpointSecret, name="webhooks.rotate_endpoint_secret", version=1, permission="webhooks.write")
def rotate_endpoint_secret(command: RotateEndpointSecret, context: Context) -> dict[str, Any]:
    """Return when the older secrets end. Raises NotFound, Invalid, TooManySecrets."""
    endpoint = _locked(command.endpoint_id, command.organisation_id)
    if not 0 <= command.overlap_s <= OVERLAP_MAX_S:
        raise Invalid(field="overlap_s", max=OVERLAP_MAX_S)
    live = EndpointSecret.objects.filter(endpoint_id=endpoint.pk).exclude(valid_until__lte=context.at)
    if command.overlap_s and live.count() >= SECRETS_LIVE_MAX:
        raise TooManySecrets(max=SECRETS_LIVE_MAX)
    newest = EndpointSecret.objects.filter(endpoint_id=endpoint.pk).order_by("-valid_from", "-pk").first()
    kind = command.signature or (newest.kind if newest else "hmac")
    if kind not in KINDS:
        raise Invalid(field="signature", allowed=list(KINDS))
    ends_at = context.at + timedelta(seconds=command.overlap_s)
    live.exclude(valid_until__lt=ends_at).update(valid_until=ends_at)
    _add_secret(endpoint, kind, context)
    context.note("webhook_endpoint", public_id("we", endpoint.pk), older_end_at=ends_at.isoformat())
    return {"id": public_id("we", endpoint.pk), "older_end_at": ends_at.isoformat()}


@dataclass(frozen=True)
class DisableEndpoint(Command):
    """Send nothing more to an endpoint. What is queued for it becomes dead letters, to be replayed later."""

    endpoint_id: UUID
    cause: str = "owner"  # owner, failing, gone


@handles(DisableEndpoint, name="webhooks.disable_endpoint", version=1, permission="webhooks.write")
def disable_endpoint(command: DisableEndpoint, context: Context) -> dict[str, Any]:
    """Return the endpoint's state; an endpoint that is disabled already stays as it is. Raises NotFound."""
    endpoint = _locked(command.endpoint_id, command.organisation_id)
    states = {"failing": Endpoint.State.FAILED, "gone": Endpoint.State.GONE}
    if endpoint.state == Endpoint.State.ACTIVE:
        endpoint.state = states.get(command.cause, Endpoint.State.DISABLED)
        endpoint.disabled_at = context.at
        endpoint.save(update_fields=["state", "disabled_at"])
        context.note("webhook_endpoint", public_id("we", endpoint.pk), cause=command.cause)
        context.emit(EndpointDisabled(endpoint_id=public_id("we", endpoint.pk), cause=command.cause))
        # What waits for an earlier event of its object would wait for ever: let the sender bury it too.
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE webhooks_queue SET next_at = clock_timestamp() WHERE endpoint_id = %s AND lease_token IS NULL",
                [endpoint.pk],
            )
    return {"id": public_id("we", endpoint.pk), "state": str(endpoint.state)}


@dataclass(frozen=True)
class EnableEndpoint(Command):
    """Send to an endpoint again, on request with all events since a moment that it did not get."""

    endpoint_id: UUID
    replay_since: datetime | None = None


@handles(EnableEndpoint, name="webhooks.enable_endpoint", version=1, permission="webhooks.write")
def enable_endpoint(command: EnableEndpoint, context: Context) -> dict[str, Any]:
    """Return how many events were queued to catch up (10,000 at most). Raises NotFound, TooManyEndpoints."""
    endpoint = _locked(command.endpoint_id, command.organisation_id)
    if endpoint.state != Endpoint.State.ACTIVE:
        _check_room(endpoint.organisation_id)
    endpoint.state, endpoint.disabled_at = Endpoint.State.ACTIVE, None
    endpoint.save(update_fields=["state", "disabled_at"])
    EndpointHealth.objects.filter(endpoint_id=endpoint.pk).update(
        window_started_at=None,
        window_attempts=0,
        window_failures=0,
        open_until=None,
        pause_s=0,
        failing_since=None,
        notices=0,
    )
    queued = _catch_up(endpoint, command.replay_since) if command.replay_since else 0
    context.note("webhook_endpoint", public_id("we", endpoint.pk), queued=queued)
    return {"id": public_id("we", endpoint.pk), "state": str(endpoint.state), "queued": queued}


def _catch_up(endpoint: Endpoint, since: datetime) -> int:
    """Queue what was missed: events it was never given, then deliveries of the time that died."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(webhooks_fan_out(e.organisation_id, e.id, e.name, e.object_id,"
            " e.correlation_id, e.recorded_at, %s)), 0) FROM ("
            "  SELECT * FROM core_outboxevent o WHERE o.organisation_id = %s AND o.recorded_at >= %s"
            "  AND EXISTS (SELECT FROM webhooks_endpoint p, jsonb_array_elements_text(p.event_filters) AS f(entry)"
            "   WHERE p.id = %s AND (f.entry = o.name OR NOT starts_with(o.name, 'webhooks.') AND (f.entry = '*'"
            "   OR right(f.entry, 2) = '.*' AND starts_with(o.name, left(f.entry, -1)))))"
            "  ORDER BY o.id LIMIT %s) e",
            [endpoint.pk, endpoint.organisation_id, since, endpoint.pk, CATCH_UP_MAX],
        )
        (missed,) = cursor.fetchone()
        cursor.execute(
            "SELECT count(*) FILTER (WHERE webhooks_requeue(d.id)) FROM ("
            "  SELECT id FROM webhooks_delivery WHERE endpoint_id = %s AND status = 'dead' AND created_at >= %s"
            "  ORDER BY id LIMIT %s) d",
            [endpoint.pk, since, CATCH_UP_MAX],
        )
        (dead,) = cursor.fetchone()
    return int(missed) + int(dead)


@dataclass(frozen=True)
class SendTestEvent(Command):
    """Send one test event to one endpoint, whatever its filters say."""

    endpoint_id: UUID


@handles(SendTestEvent, name="webhooks.send_test_event", version=1, permission="webhooks.write")
def send_test_event(command: SendTestEvent, context: Context) -> dict[str, Any]:
    """Return the endpoint's id. Raises NotFound, Conflict for an endpoint that is disabled."""
    endpoint = _locked(command.endpoint_id, command.organisation_id)
    if endpoint.state != Endpoint.State.ACTIVE:
        raise Conflict(state=str(endpoint.state))
    context.note("webhook_endpoint", public_id("we", endpoint.pk))
    context.emit(EndpointTest(endpoint_id=public_id("we", endpoint.pk), message="This is a test."))
    return {"id": public_id("we", endpoint.pk)}


@dataclass(frozen=True)
class TellOfFailing(Command):
    """Tell the owner of an endpoint that it has been failing for so many hours."""

    endpoint_id: UUID
    failing_for_h: int


@handles(TellOfFailing, name="webhooks.tell_of_failing", version=1, permission="webhooks.write")
def tell_of_failing(command: TellOfFailing, context: Context) -> dict[str, Any]:
    """Tell of it by an event, which the notifications react to. Raises NotFound."""
    endpoint = _locked(command.endpoint_id, command.organisation_id)
    key = public_id("we", endpoint.pk)
    context.note("webhook_endpoint", key, failing_for_h=command.failing_for_h)
    context.emit(EndpointFailing(endpoint_id=key, failing_for_h=command.failing_for_h))
    return {"id": key}


def _locked(endpoint_id: UUID, organisation_id: UUID | None) -> Endpoint:
    endpoint = Endpoint.objects.select_for_update().filter(pk=endpoint_id).first()
    if endpoint is None or endpoint.organisation_id != organisation_id:
        raise NotFound(webhook_endpoint=public_id("we", endpoint_id))
    return endpoint


def _check_room(organisation_id: UUID) -> None:
    """Refuse one more active endpoint where there are enough. Raises TooManyEndpoints."""
    endpoints = Endpoint.objects.filter(organisation_id=organisation_id)
    if (
        endpoints.filter(state=Endpoint.State.ACTIVE).count() >= ENDPOINTS_MAX
        or endpoints.count() >= KEPT_MAX
    ):
        raise TooManyEndpoints(active_max=ENDPOINTS_MAX, kept_max=KEPT_MAX)


def _add_secret(endpoint: Endpoint, kind: str, context: Context) -> None:
    prefix = "whsec_" if kind == "hmac" else "whsk_"
    value = prefix + base64.b64encode(randomness.token_bytes(32)).decode()
    EndpointSecret.objects.create(
        id=context.new_id(),
        organisation_id=endpoint.organisation_id,
        endpoint_id=endpoint.pk,
        kind=kind,
        value=value,
        valid_from=context.at,
    )


def _check(command: CreateEndpoint | ChangeEndpoint) -> None:
    """Refuse values that an endpoint cannot have. Raises BadUrl, Invalid with the field."""
    if command.url is not None:
        check_url(command.url, allow_local=settings.WEBHOOK_ALLOW_LOCAL)
    if command.description is not None and (len(command.description) > 200 or "\x00" in command.description):
        raise Invalid(field="description", characters_max=200)
    filters = command.event_filters
    if filters is not None and not (1 <= len(filters) <= FILTERS_MAX and all(map(is_filter, filters))):
        raise Invalid(field="event_filters", max=FILTERS_MAX)
    if command.max_in_flight is not None and not 1 <= command.max_in_flight <= IN_FLIGHT_MAX:
        raise Invalid(field="max_in_flight", max=IN_FLIGHT_MAX)
    if command.rate_per_s is not None and not 1 <= command.rate_per_s <= RATE_MAX_PER_S:
        raise Invalid(field="rate_per_s", max=RATE_MAX_PER_S)
    _check_certificates(command.client_certificate, command.server_ca)


def _check_certificates(client_certificate: str | None, server_ca: str | None) -> None:
    if client_certificate:
        try:
            x509.load_pem_x509_certificate(client_certificate.encode())
            load_pem_private_key(client_certificate.encode(), password=None)
        except (ValueError, TypeError):
            raise Invalid(field="client_certificate", reason="PEM with a certificate and its key") from None
    if server_ca:
        try:
            ssl.create_default_context(cadata=server_ca)
        except (ssl.SSLError, ValueError):
            raise Invalid(field="server_ca", reason="PEM certificates") from None
