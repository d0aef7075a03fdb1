"""`/api/v1/webhook-endpoints`, `/deliveries`, `/events`: translate, one call, answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock, tenancy
from apps.core.commands import Command
from apps.core.errors import Invalid, NotFound
from apps.core.http.api import ApiView
from apps.core.http.pages import page_by_id
from apps.core.ids import parse_public_id
from apps.webhooks import catalogue, queries
from apps.webhooks.api import serializers as shapes
from apps.webhooks.commands import endpoints as commands
from apps.webhooks.commands.dead_letters import ResendDelivery
from apps.webhooks.models import Delivery

READ_WRITE = {"GET": "webhooks.read", "POST": "webhooks.write", "PATCH": "webhooks.write"}
IDEMPOTENT = [
    OpenApiParameter(
        "Idempotency-Key",
        str,
        OpenApiParameter.HEADER,
        required=True,
        description="1 to 255 visible characters; the same key and body give the first answer again.",
    )
]
PAGED = [
    OpenApiParameter("limit", int, description="1 to 200, by default 50."),
    OpenApiParameter("cursor", str, description="From the `next` of the page before."),
]


class EndpointView(ApiView):
    """What the views of endpoints share."""

    scopes = READ_WRITE

    def shown(self, command: Command, *, status: int = 200, secrets: bool = False) -> Response:
        """Run a command about an endpoint, then answer with the endpoint as it is, on request with its secrets.

        A secret is read here and is no part of the command's answer, which is stored for a week.
        """
        response = self.execute(command, status=status)
        if response.status_code == 202:
            return response
        endpoint_id = parse_public_id("we", response.data["id"])
        with tenancy.scope(self.organisation_id):
            told = {**queries.endpoint_data(queries.endpoint(endpoint_id)), **_extra(response.data)}
            if secrets:
                told["secrets"] = queries.secrets_data(endpoint_id, at=clock.database_now())
        response.data = told
        return response


def _extra(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name in ("queued", "older_end_at")}


class Endpoints(EndpointView):
    """The organisation's webhook endpoints."""

    @extend_schema(
        operation_id="list_webhook_endpoints",
        responses=shapes.EndpointPageSerializer,
        parameters=PAGED,
        tags=["webhooks"],
    )
    def get(self, request: Request) -> Response:
        """List endpoints, newest first."""
        rows, links = page_by_id(request, queries.endpoints())
        return Response({"items": [queries.endpoint_data(row) for row in rows], **links})

    @extend_schema(
        operation_id="create_webhook_endpoint",
        request=shapes.EndpointOrderSerializer,
        responses={201: shapes.NewEndpointSerializer},
        parameters=IDEMPOTENT,
        tags=["webhooks"],
    )
    def post(self, request: Request) -> Response:
        """Register an endpoint; the answer holds its signing secret."""
        given = _read(shapes.EndpointOrderSerializer, request)
        command = commands.CreateEndpoint(self.organisation_id, **_with_filters(given))
        return self.shown(command, status=201, secrets=True)


class OneEndpoint(EndpointView):
    """One webhook endpoint."""

    @extend_schema(
        operation_id="get_webhook_endpoint", responses=shapes.EndpointSerializer, tags=["webhooks"]
    )
    def get(self, request: Request, endpoint_id: str) -> Response:
        """Show an endpoint."""
        return Response(queries.endpoint_data(queries.endpoint(_endpoint(endpoint_id))))

    @extend_schema(
        operation_id="change_webhook_endpoint",
        request=shapes.EndpointChangeSerializer,
        responses=shapes.EndpointSerializer,
        parameters=IDEMPOTENT,
        tags=["webhooks"],
    )
    def patch(self, request: Request, endpoint_id: str) -> Response:
        """Change what is given."""
        given = _read(shapes.EndpointChangeSerializer, request)
        return self.shown(
            commands.ChangeEndpoint(self.organisation_id, _endpoint(endpoint_id), **_with_filters(given))
        )


class EndpointSecrets(EndpointView):
    """The live secrets of an endpoint."""

    scopes = {"GET": "webhooks.write", "POST": "webhooks.write"}

    @extend_schema(operation_id="get_webhook_secrets", responses=shapes.SecretsSerializer, tags=["webhooks"])
    def get(self, request: Request, endpoint_id: str) -> Response:
        """Show the live secrets, newest first."""
        key = queries.endpoint(_endpoint(endpoint_id)).pk
        return Response({"items": queries.secrets_data(key, at=clock.database_now())})

    @extend_schema(
        operation_id="rotate_webhook_secret",
        request=shapes.RotationSerializer,
        responses=shapes.NewEndpointSerializer,
        parameters=IDEMPOTENT,
        tags=["webhooks"],
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        """Make a new secret; older ones go on signing beside it for the overlap."""
        given = _read(shapes.RotationSerializer, request)
        return self.shown(
            commands.RotateEndpointSecret(self.organisation_id, _endpoint(endpoint_id), **given), secrets=True
        )


class DisableOne(EndpointView):
    """Switching an endpoint off."""

    @extend_schema(
        operation_id="disable_webhook_endpoint",
        request=None,
        responses=shapes.EndpointSerializer,
        parameters=IDEMPOTENT,
        tags=["webhooks"],
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        """Send nothing more; what is queued becomes dead letters."""
        return self.shown(commands.DisableEndpoint(self.organisation_id, _endpoint(endpoint_id)))


class EnableOne(EndpointView):
    """Switching an endpoint on again."""

    @extend_schema(
        operation_id="enable_webhook_endpoint",
        request=shapes.EnablingSerializer,
        responses=shapes.EnabledSerializer,
        parameters=IDEMPOTENT,
        tags=["webhooks"],
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        """Send again, on request with what was missed since a moment."""
        since: datetime | None = _read(shapes.EnablingSerializer, request).get("replay_since")
        return self.shown(commands.EnableEndpoint(self.organisation_id, _endpoint(endpoint_id), since))


class TestOne(EndpointView):
    """Trying an endpoint out."""

    @extend_schema(
        operation_id="test_webhook_endpoint",
        request=None,
        responses={202: shapes.EndpointSerializer},
        parameters=IDEMPOTENT,
        tags=["webhooks"],
    )
    def post(self, request: Request, endpoint_id: str) -> Response:
        """Send a test event to this endpoint alone."""
        return self.execute(commands.SendTestEvent(self.organisation_id, _endpoint(endpoint_id)), status=202)


class Deliveries(ApiView):
    """The organisation's deliveries."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="list_deliveries",
        responses=shapes.DeliveryPageSerializer,
        tags=["webhooks"],
        parameters=[
            *PAGED,
            OpenApiParameter("endpoint_id", str),
            OpenApiParameter("event_id", str),
            OpenApiParameter("event_type", str),
            OpenApiParameter("status", str, enum=[status.value for status in Delivery.Status]),
        ],
    )
    def get(self, request: Request) -> Response:
        """List deliveries, newest first."""
        query = request.query_params
        status = query.get("status", "")
        if status and status not in Delivery.Status.values:
            raise Invalid(field="status", allowed=list(Delivery.Status.values))
        rows, links = page_by_id(
            request,
            queries.deliveries(
                endpoint_id=_optional("we", query.get("endpoint_id")),
                event_id=_optional("evt", query.get("event_id")),
                status=status,
                event_type=query.get("event_type", "")[:100],
            ),
        )
        return Response({"items": [queries.delivery_data(row) for row in rows], **links})


class OneDelivery(ApiView):
    """One delivery with its attempts."""

    scopes = READ_WRITE

    @extend_schema(operation_id="get_delivery", responses=shapes.OneDeliverySerializer, tags=["webhooks"])
    def get(self, request: Request, delivery_id: str) -> Response:
        """Show a delivery, each try with what was answered."""
        found = queries.delivery(parse_public_id("del", delivery_id))
        return Response(queries.delivery_data(found, with_attempts=True))


class ResendOne(ApiView):
    """Sending a delivery again."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="resend_delivery",
        request=None,
        responses={202: shapes.EnabledSerializer},
        parameters=IDEMPOTENT,
        tags=["webhooks"],
    )
    def post(self, request: Request, delivery_id: str) -> Response:
        """Send a finished delivery once more, under its own event id."""
        return self.execute(
            ResendDelivery(self.organisation_id, parse_public_id("del", delivery_id)), status=202
        )


class Events(ApiView):
    """The organisation's events."""

    scopes = {"GET": "events.read"}

    @extend_schema(
        operation_id="list_events",
        responses=shapes.EventPageSerializer,
        tags=["events"],
        parameters=[*PAGED, OpenApiParameter("type", str), OpenApiParameter("object_id", str)],
    )
    def get(self, request: Request) -> Response:
        """List events, newest first, each as endpoints get it."""
        query = request.query_params
        rows, links = page_by_id(
            request,
            queries.events(event_type=query.get("type", "")[:100], object_id=query.get("object_id", "")[:64]),
        )
        return Response({"items": [queries.event_data(row) for row in rows], **links})


class OneEvent(ApiView):
    """One event."""

    scopes = {"GET": "events.read"}

    @extend_schema(operation_id="get_event", responses=shapes.EventSerializer, tags=["events"])
    def get(self, request: Request, event_id: str) -> Response:
        """Show an event."""
        return Response(queries.event_data(queries.event(parse_public_id("evt", event_id))))


class EventTypes(ApiView):
    """The catalogue of events."""

    scopes = {"GET": "events.read"}

    @extend_schema(operation_id="list_event_types", responses=shapes.EventTypesSerializer, tags=["events"])
    def get(self, request: Request) -> Response:
        """List every kind of event with its JSON Schema and an example."""
        return Response({"items": catalogue.event_types()})


class OneEventType(ApiView):
    """One entry of the catalogue."""

    scopes = {"GET": "events.read"}

    @extend_schema(operation_id="get_event_type", responses=shapes.EventTypeSerializer, tags=["events"])
    def get(self, request: Request, name: str) -> Response:
        """Show a kind of event."""
        found = catalogue.event_type(name)
        if found is None:
            raise NotFound(event_type=name[:100])
        return Response(found)


def _read(shape: Any, request: Request) -> dict[str, Any]:
    serializer = shape(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _with_filters(given: dict[str, Any]) -> dict[str, Any]:
    return {**given, "event_filters": tuple(given["event_filters"])} if "event_filters" in given else given


def _endpoint(text: str) -> UUID:
    return parse_public_id("we", text)


def _optional(prefix: str, text: str | None) -> UUID | None:
    return parse_public_id(prefix, text) if text else None
