"""What bulk and standing orders have in common: one is found, its payments are listed, it is acted upon."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.commands import Command
from apps.core.errors import NotFound
from apps.core.http.api import ApiView
from apps.core.http.described import IDEMPOTENT, answers
from apps.core.http.pages import page_by_id
from apps.core.ids import parse_public_id
from apps.payments.models import Payment
from apps.payments.models_orders import BulkOrder, StandingOrder
from apps.payments.representation import payment_data

READ_WRITE = {"GET": "payments.read", "POST": "payments.write"}


class OrderAction(ApiView):
    """The base of what changes an order."""

    model: ClassVar[type[BulkOrder | StandingOrder]]
    body: ClassVar[type[serializers.Serializer[Any]] | None] = None
    """What the request says, if anything; its members are given to the command."""

    def command(self, order_id: UUID, **given: Any) -> Command:
        """Build the command."""
        raise NotImplementedError

    def act(self, request: Request, order_id: str) -> Response:
        """Read the body if there is one, run the command, answer with the order."""
        given = body_of(self.body, request) if self.body else {}
        return self.execute(self.command(parse_public_id(self.model.PREFIX, order_id), **given), status=200)


def described(operation: str, shape: Any, *, tag: str, body: Any = None) -> Any:
    """Describe an action for the schema."""
    return extend_schema(
        operation_id=operation,
        tags=[tag],
        parameters=IDEMPOTENT,
        request=body,
        responses=answers(shape, 400, 404, 409, 422),
    )


def body_of(shape: Any, request: Request) -> dict[str, Any]:
    """Read a request's body. Raises what is wrong with it."""
    serializer = shape(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def one_order(model: Any, order_id: str) -> Any:
    """Return an order of the organisation. Raises NotFound."""
    row = model.objects.filter(pk=parse_public_id(model.PREFIX, order_id)).first()
    if row is None:
        raise NotFound(object=model.OBJECT, id=order_id)
    return row


def payments_page(request: Request, **of: UUID) -> Response:
    """Answer with a page of an order's payments, newest first."""
    rows, links = page_by_id(request, Payment.objects.filter(**of))
    return Response({"items": [payment_data(row) for row in rows], **links})
