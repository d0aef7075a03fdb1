"""`…/attempts` and `…/captures` of card payments and `/api/v1/disputes`: translate, one call, answer."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.errors import Invalid, NotFound
from apps.core.http.api import ApiView
from apps.core.http.described import IDEMPOTENT, PAGED, answers
from apps.core.http.pages import page_by_id
from apps.core.ids import parse_public_id
from apps.payments import queries
from apps.payments.api import card_shapes as shapes
from apps.payments.api.driving import driven, operations_page
from apps.payments.api.reading import read
from apps.payments.api.serializers import PaymentSerializer
from apps.payments.api.views import READ_WRITE
from apps.payments.commands import (
    AcceptDispute,
    CaptureCardPayment,
    ContestDispute,
    RetryCardPayment,
)
from apps.payments.domain.card_numbers import refuse_card_numbers
from apps.payments.domain.cards import DisputeState, OperationType
from apps.payments.models_cards import Attempt, Dispute
from apps.payments.representation import attempt_data, dispute_data


class PaymentAttempts(ApiView):
    """The tries of a card payment."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="list_payment_attempts",
        responses=answers(shapes.AttemptsSerializer, 404),
        tags=["cards"],
    )
    def get(self, request: Request, payment_id: str) -> Response:
        """List a card payment's tries, oldest first."""
        key = queries.payment(parse_public_id("pay", payment_id)).pk
        rows = Attempt.objects.filter(payment_id=key).order_by("number")
        return Response({"items": [attempt_data(row) for row in rows]})

    @extend_schema(
        operation_id="retry_card_payment",
        request=shapes.TokenSerializer,
        responses=answers(PaymentSerializer, 400, 404, 409, 422, status=201),
        parameters=IDEMPOTENT,
        tags=["cards"],
    )
    def post(self, request: Request, payment_id: str) -> Response:
        """Try a failed card payment again, at most five times in all.

        The same token is refused where the issuer said never, or not yet (`retry_not_advised`).
        """
        refuse_card_numbers(request.data)
        token = read(shapes.TokenSerializer, request)["card_token"]
        key = parse_public_id("pay", payment_id)
        return driven(self, RetryCardPayment(self.organisation_id, key, token))


class PaymentCaptures(ApiView):
    """Captures of a card payment."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="list_payment_captures",
        responses=answers(shapes.OperationPageSerializer, 400, 404),
        parameters=PAGED,
        tags=["cards"],
    )
    def get(self, request: Request, payment_id: str) -> Response:
        """List a card payment's captures, newest first."""
        found = queries.payment(parse_public_id("pay", payment_id))
        return operations_page(request, found, OperationType.CAPTURE)

    @extend_schema(
        operation_id="capture_payment",
        request=shapes.CaptureOrderSerializer,
        responses=answers(shapes.OperationSerializer, 400, 404, 409, 422, status=201),
        parameters=IDEMPOTENT,
        tags=["cards"],
    )
    def post(self, request: Request, payment_id: str) -> Response:
        """Capture what was authorised, whole or in parts."""
        refuse_card_numbers(request.data)
        order = read(shapes.CaptureOrderSerializer, request)
        key = parse_public_id("pay", payment_id)
        return driven(
            self, CaptureCardPayment(self.organisation_id, key, order.get("amount"), order["final"])
        )


class Disputes(ApiView):
    """All disputes of the organisation."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="list_disputes",
        responses=answers(shapes.DisputePageSerializer, 400, 404, 422),
        parameters=[
            *PAGED,
            OpenApiParameter("state", str, enum=[state.value for state in DisputeState]),
            OpenApiParameter("payment_id", str),
        ],
        tags=["disputes"],
    )
    def get(self, request: Request) -> Response:
        """List disputes, newest first."""
        rows, query = Dispute.objects.all(), request.query_params
        if (state := query.get("state")) is not None:
            if state not in set(DisputeState):
                raise Invalid(field="state", allowed=[one.value for one in DisputeState])
            rows = rows.filter(state=state)
        if (payment := query.get("payment_id")) is not None:
            rows = rows.filter(payment_id=parse_public_id("pay", payment))
        items, links = page_by_id(request, rows)
        return Response({"items": [dispute_data(row) for row in items], **links})


class OneDispute(ApiView):
    """One dispute."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="get_dispute", responses=answers(shapes.DisputeSerializer, 404), tags=["disputes"]
    )
    def get(self, request: Request, dispute_id: str) -> Response:
        """Show a dispute."""
        row = Dispute.objects.filter(pk=parse_public_id("dsp", dispute_id)).first()
        if row is None:
            raise NotFound(object="dispute", id=dispute_id)
        return Response(dispute_data(row))


class AcceptOne(ApiView):
    """Letting a dispute stand."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="accept_dispute",
        request=None,
        responses=answers(shapes.DisputeSerializer, 400, 404, 409, 422),
        parameters=IDEMPOTENT,
        tags=["disputes"],
    )
    def post(self, request: Request, dispute_id: str) -> Response:
        """Let a dispute stand: it will be lost."""
        return driven(
            self, AcceptDispute(self.organisation_id, parse_public_id("dsp", dispute_id)), status=200
        )


class ContestOne(ApiView):
    """Evidence."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="contest_dispute",
        request=shapes.EvidenceSerializer,
        responses=answers(shapes.DisputeSerializer, 400, 404, 409, 422),
        parameters=IDEMPOTENT,
        tags=["disputes"],
    )
    def post(self, request: Request, dispute_id: str) -> Response:
        """Hand in evidence against a dispute, once and in time. It is kept sealed."""
        refuse_card_numbers(request.data)
        text = read(shapes.EvidenceSerializer, request)["text"]
        key = parse_public_id("dsp", dispute_id)
        return driven(self, ContestDispute(self.organisation_id, key, text), status=200)
