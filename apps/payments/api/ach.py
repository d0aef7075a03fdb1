"""What only the ACH has: authorisations and debits, retries, reversals, arguments about returns."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.http.api import ApiView
from apps.core.http.described import IDEMPOTENT, PAGED, answers
from apps.core.http.pages import page_by_id
from apps.core.ids import parse_public_id
from apps.payments.api import ach_shapes as shapes
from apps.payments.api.debit_shapes import CollectionSerializer
from apps.payments.api.reading import read
from apps.payments.api.serializers import PaymentSerializer
from apps.payments.commands import (
    AuthoriseAchDebit,
    CloseReturnDispute,
    CollectByAch,
    ResumeCounterparty,
    RetryCollection,
    ReversePayment,
    UsDebtor,
)
from apps.payments.commands.ach_returns import dispute_data
from apps.payments.models_ach import ReturnDispute

_WRITE = {"POST": "payments.write"}
_APPROVE = {"POST": "payments.approve"}
_AUTHORISATION = OpenApiExample(
    "An authorisation on the internet",
    {
        "debtor": {"name": "Ada Example", "routing_number": "021000021", "account_number": "000123456789"},
        "authorised_by": "internet",
        "signed_on": "2026-05-04",
        "evidence": "session 4711, terms of 1 May 2026 accepted",
        "prenote": True,
    },
    request_only=True,
)
_COLLECTION = OpenApiExample(
    "A debit",
    {
        "mandate_id": "mdt_01…",
        "account_id": "acc_01…",
        "amount": {"amount": "25.00", "currency": "USD"},
        "remittance": "Membership in June",
    },
    request_only=True,
)


class AchAuthorisations(ApiView):
    """Who lets us debit their account in the United States. They are mandates, shown under `/mandates`."""

    scopes = _WRITE

    @extend_schema(
        operation_id="authorise_ach_debit",
        tags=["mandates"],
        request=shapes.AchAuthorisationOrderSerializer,
        responses=answers(shapes.AchAuthorisationSerializer, 400, 404, 409, 422, status=201),
        parameters=IDEMPOTENT,
        examples=[_AUTHORISATION],
    )
    def post(self, request: Request) -> Response:
        """Record an authorisation, with what proves it, as a mandate of the ACH."""
        order = read(shapes.AchAuthorisationOrderSerializer, request)
        debtor = UsDebtor(**order.pop("debtor"))
        return self.execute(AuthoriseAchDebit(self.organisation_id, debtor=debtor, **order))


class AchCollections(ApiView):
    """Debits under mandates of the ACH. They are collections, shown under `/collections`."""

    scopes = _WRITE

    @extend_schema(
        operation_id="collect_by_ach",
        tags=["collections"],
        request=shapes.AchCollectionOrderSerializer,
        responses=answers(CollectionSerializer, 400, 404, 409, 422, status=201),
        parameters=IDEMPOTENT,
        examples=[_COLLECTION],
    )
    def post(self, request: Request) -> Response:
        """Debit an account; the money is reserved until no return can come any more."""
        return self.execute(
            CollectByAch(self.organisation_id, **read(shapes.AchCollectionOrderSerializer, request))
        )


class RetryOne(ApiView):
    """Presenting a debit again."""

    scopes = _WRITE

    @extend_schema(
        operation_id="retry_collection",
        request=None,
        responses=answers(CollectionSerializer, 400, 404, 409, 422, status=201),
        parameters=IDEMPOTENT,
        tags=["collections"],
    )
    def post(self, request: Request, payment_id: str) -> Response:
        """Present a debit again that came back for lack of money: at most twice, within 180 days."""
        return self.execute(RetryCollection(self.organisation_id, parse_public_id("pay", payment_id)))


class ReverseOne(ApiView):
    """Taking a wrong entry back."""

    scopes = _WRITE

    @extend_schema(
        operation_id="reverse_payment",
        request=shapes.WhySerializer,
        responses=answers(PaymentSerializer, 400, 404, 409, 422, status=201),
        parameters=IDEMPOTENT,
        tags=["payments"],
    )
    def post(self, request: Request, payment_id: str) -> Response:
        """Take a wrong ACH payment back by the opposite entry, within five banking days."""
        reason = read(shapes.WhySerializer, request)["reason"]
        return self.execute(ReversePayment(self.organisation_id, parse_public_id("pay", payment_id), reason))


class ReturnDisputes(ApiView):
    """Arguments between banks about returns."""

    scopes = {"GET": "payments.read"}

    @extend_schema(
        operation_id="list_return_disputes",
        responses=answers(shapes.ReturnDisputePageSerializer, 400, 404, 422),
        parameters=PAGED,
        tags=["returns"],
    )
    def get(self, request: Request) -> Response:
        """List dishonoured and contested returns, newest first."""
        items, links = page_by_id(request, ReturnDispute.objects.all())
        return Response({"items": [dispute_data(row) for row in items], **links})


class CloseOne(ApiView):
    """The end of an argument."""

    scopes = _APPROVE

    @extend_schema(
        operation_id="close_return_dispute",
        request=shapes.WhySerializer,
        responses=answers(shapes.ReturnDisputeSerializer, 400, 404, 409, 422),
        parameters=IDEMPOTENT,
        tags=["returns"],
    )
    def post(self, request: Request, dispute_id: str) -> Response:
        """Say how an argument about a return ended. It moves no money."""
        reason = read(shapes.WhySerializer, request)["reason"]
        command = CloseReturnDispute(self.organisation_id, parse_public_id("rdp", dispute_id), reason)
        return self.execute(command, status=200)


class ResumeOne(ApiView):
    """Paying to an account again that a return has stopped."""

    scopes = _APPROVE

    @extend_schema(
        operation_id="resume_counterparty",
        request=shapes.WhySerializer,
        responses=answers(shapes.ResumedSerializer, 400, 404, 409, 422),
        parameters=IDEMPOTENT,
        tags=["payments"],
    )
    def post(self, request: Request, counterparty_id: str) -> Response:
        """Let payments go to an account again, for a reason that is kept."""
        reason = read(shapes.WhySerializer, request)["reason"]
        key = parse_public_id("cpt", counterparty_id)
        return self.execute(ResumeCounterparty(self.organisation_id, key, reason), status=200)
