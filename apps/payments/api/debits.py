"""`/api/v1/mandates`, `/collections`, `/returns` and a payment's recall: translate, one call, answer."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.http.api import ApiView
from apps.core.http.described import IDEMPOTENT, PAGED, answers
from apps.core.http.pages import page_by_id
from apps.core.ids import parse_public_id
from apps.payments import queries_debits as queries
from apps.payments.api import debit_shapes as shapes
from apps.payments.api.reading import one_of, read
from apps.payments.api.serializers import ReasonSerializer
from apps.payments.api.views import READ_WRITE
from apps.payments.commands import (
    AmendMandate,
    CancelCollection,
    CancelMandate,
    CreateCollection,
    CreateMandate,
    RecallPayment,
    ResumeMandate,
    SignMandate,
    SuspendMandate,
)
from apps.payments.commands.mandates import MandateDebtor
from apps.payments.debits_store import collection_data, mandate_data, recall_data, return_data
from apps.payments.domain.lifecycle import MACHINES, Kind
from apps.payments.domain.mandates import MandateState

_COLLECTION_STATES = MACHINES[Kind.COLLECTION].states()
_MANDATE = OpenApiExample(
    "A signed mandate",
    {
        "debtor": {"name": "Helena Brandt", "iban": "DE02120300000000202051"},
        "signed_on": "2026-05-04",
        "reference": "GYM-1001",
    },
    request_only=True,
)
_COLLECTION = OpenApiExample(
    "A collection",
    {
        "mandate_id": "mdt_01…",
        "account_id": "acc_01…",
        "amount": {"amount": "25.00", "currency": "EUR"},
        "remittance": "Membership in June",
    },
    request_only=True,
)


class Mandates(ApiView):
    """All mandates of the organisation."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="list_mandates",
        responses=answers(shapes.MandatePageSerializer, 400, 404, 422),
        tags=["mandates"],
        parameters=[*PAGED, OpenApiParameter("state", str, enum=[state.value for state in MandateState])],
    )
    def get(self, request: Request) -> Response:
        """List mandates, newest first."""
        states = one_of("state", request.query_params.get("state"), [state.value for state in MandateState])
        items, links = page_by_id(request, queries.mandates(states=states))
        return Response({"items": [mandate_data(row) for row in items], **links})

    @extend_schema(
        operation_id="create_mandate",
        tags=["mandates"],
        request=shapes.MandateOrderSerializer,
        responses=answers(shapes.MandateSerializer, 400, 404, 409, 422, status=201),
        parameters=IDEMPOTENT,
        examples=[_MANDATE],
    )
    def post(self, request: Request) -> Response:
        """Record a mandate that a debtor has given, or a draft of one."""
        order = read(shapes.MandateOrderSerializer, request)
        debtor = MandateDebtor(**order.pop("debtor"))
        return self.execute(CreateMandate(self.organisation_id, debtor=debtor, **order))


class OneMandate(ApiView):
    """One mandate."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="get_mandate", responses=answers(shapes.MandateSerializer, 404), tags=["mandates"]
    )
    def get(self, request: Request, mandate_id: str) -> Response:
        """Show a mandate."""
        return Response(mandate_data(queries.mandate(parse_public_id("mdt", mandate_id))))


class SignOne(ApiView):
    """From draft to mandate."""

    scopes = {"POST": "payments.write"}

    @extend_schema(
        operation_id="sign_mandate",
        request=shapes.SignatureSerializer,
        responses=answers(shapes.MandateSerializer, 400, 404, 409, 422),
        parameters=IDEMPOTENT,
        tags=["mandates"],
    )
    def post(self, request: Request, mandate_id: str) -> Response:
        """Say on which day a drafted mandate was signed."""
        signed_on = read(shapes.SignatureSerializer, request)["signed_on"]
        command = SignMandate(self.organisation_id, parse_public_id("mdt", mandate_id), signed_on)
        return self.execute(command, status=200)


class AmendOne(ApiView):
    """Another reference, account or creditor identifier."""

    scopes = {"POST": "payments.write"}

    @extend_schema(
        operation_id="amend_mandate",
        request=shapes.MandateAmendmentSerializer,
        responses=answers(shapes.MandateSerializer, 400, 404, 409, 422),
        parameters=IDEMPOTENT,
        tags=["mandates"],
    )
    def post(self, request: Request, mandate_id: str) -> Response:
        """Amend a mandate; the next collection tells the debtor's bank."""
        change = read(shapes.MandateAmendmentSerializer, request)
        debtor = change.pop("debtor", None)
        command = AmendMandate(
            self.organisation_id,
            parse_public_id("mdt", mandate_id),
            debtor=MandateDebtor(**debtor) if debtor is not None else None,
            **change,
        )
        return self.execute(command, status=200)


class SuspendOne(ApiView):
    """For now, nothing is collected."""

    scopes = {"POST": "payments.write"}

    @extend_schema(
        operation_id="suspend_mandate",
        request=ReasonSerializer,
        responses=answers(shapes.MandateSerializer, 400, 404, 409, 422),
        parameters=IDEMPOTENT,
        tags=["mandates"],
    )
    def post(self, request: Request, mandate_id: str) -> Response:
        """Suspend a mandate; what waits under it stays where it is."""
        reason = read(ReasonSerializer, request)["reason"]
        command = SuspendMandate(self.organisation_id, parse_public_id("mdt", mandate_id), reason)
        return self.execute(command, status=200)


class ResumeOne(ApiView):
    """Collecting again."""

    scopes = {"POST": "payments.write"}

    @extend_schema(
        operation_id="resume_mandate",
        request=None,
        responses=answers(shapes.MandateSerializer, 400, 404, 409, 422),
        parameters=IDEMPOTENT,
        tags=["mandates"],
    )
    def post(self, request: Request, mandate_id: str) -> Response:
        """Take a suspended mandate up again."""
        command = ResumeMandate(self.organisation_id, parse_public_id("mdt", mandate_id))
        return self.execute(command, status=200)


class CancelOneMandate(ApiView):
    """The end of a mandate."""

    scopes = {"POST": "payments.write"}

    @extend_schema(
        operation_id="cancel_mandate",
        request=ReasonSerializer,
        responses=answers(shapes.MandateSerializer, 400, 404, 409, 422),
        parameters=IDEMPOTENT,
        tags=["mandates"],
    )
    def post(self, request: Request, mandate_id: str) -> Response:
        """Cancel a mandate; what has not left under it is not collected."""
        reason = read(ReasonSerializer, request)["reason"]
        command = CancelMandate(self.organisation_id, parse_public_id("mdt", mandate_id), reason)
        return self.execute(command, status=200)


class Collections(ApiView):
    """All collections of the organisation."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="list_collections",
        responses=answers(shapes.CollectionPageSerializer, 400, 404, 422),
        tags=["collections"],
        parameters=[
            *PAGED,
            OpenApiParameter("state", str, enum=_COLLECTION_STATES),
            OpenApiParameter("mandate_id", str),
        ],
    )
    def get(self, request: Request) -> Response:
        """List collections, newest first."""
        query = request.query_params
        mandate = query.get("mandate_id")
        rows = queries.collections(
            states=one_of("state", query.get("state"), _COLLECTION_STATES),
            mandate_id=parse_public_id("mdt", mandate) if mandate else None,
        )
        items, links = page_by_id(request, rows)
        beside = queries.collections_by_payment([row.pk for row in items])
        return Response({"items": [collection_data(row, beside[row.pk]) for row in items], **links})

    @extend_schema(
        operation_id="create_collection",
        tags=["collections"],
        request=shapes.CollectionOrderSerializer,
        responses=answers(shapes.CollectionSerializer, 400, 404, 409, 422, status=201),
        parameters=IDEMPOTENT,
        examples=[_COLLECTION],
    )
    def post(self, request: Request) -> Response:
        """Collect an amount under a mandate, on the first possible day or a later one."""
        return self.execute(
            CreateCollection(self.organisation_id, **read(shapes.CollectionOrderSerializer, request))
        )


class OneCollection(ApiView):
    """One collection."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="get_collection",
        responses=answers(shapes.CollectionSerializer, 404),
        tags=["collections"],
    )
    def get(self, request: Request, payment_id: str) -> Response:
        """Show a collection."""
        payment, collection = queries.collection(parse_public_id("pay", payment_id))
        return Response(collection_data(payment, collection))


class CancelOneCollection(ApiView):
    """Taking an order back."""

    scopes = {"POST": "payments.write"}

    @extend_schema(
        operation_id="cancel_collection",
        request=ReasonSerializer,
        responses=answers(shapes.CollectionSerializer, 400, 404, 409, 422),
        parameters=IDEMPOTENT,
        tags=["collections"],
    )
    def post(self, request: Request, payment_id: str) -> Response:
        """Cancel a collection, until its file is made."""
        reason = read(ReasonSerializer, request)["reason"]
        command = CancelCollection(self.organisation_id, parse_public_id("pay", payment_id), reason)
        return self.execute(command, status=200)


class Returns(ApiView):
    """All that came back to the organisation, or from it."""

    scopes = {"GET": "payments.read"}

    @extend_schema(
        operation_id="list_returns",
        responses=answers(shapes.ReturnPageSerializer, 400, 404, 422),
        tags=["returns"],
        parameters=[*PAGED, OpenApiParameter("payment_id", str)],
    )
    def get(self, request: Request) -> Response:
        """List rejects, returns and refunds, newest first."""
        payment = request.query_params.get("payment_id")
        rows = queries.returns(payment_id=parse_public_id("pay", payment) if payment else None)
        items, links = page_by_id(request, rows)
        return Response({"items": [return_data(row) for row in items], **links})


class PaymentRecall(ApiView):
    """Asking a payment back."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="get_recall", responses=answers(shapes.RecallSerializer, 404), tags=["payments"]
    )
    def get(self, request: Request, payment_id: str) -> Response:
        """Show the recall of a payment."""
        return Response(recall_data(queries.recall_of(parse_public_id("pay", payment_id))))

    @extend_schema(
        operation_id="recall_payment",
        request=shapes.RecallOrderSerializer,
        responses=answers(shapes.RecallSerializer, 400, 404, 409, 422, status=201),
        parameters=IDEMPOTENT,
        tags=["payments"],
    )
    def post(self, request: Request, payment_id: str) -> Response:
        """Ask the payee's bank to give a SEPA transfer back; once, within the scheme's time."""
        order: dict[str, Any] = read(shapes.RecallOrderSerializer, request)
        return self.execute(RecallPayment(self.organisation_id, parse_public_id("pay", payment_id), **order))
