"""`/api/v1/bulk-orders`: translate, one call, answer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import tenancy
from apps.core.commands import Command
from apps.core.http.api import ApiView, MoneySerializer, PublicIdField
from apps.core.http.described import IDEMPOTENT, PAGED, answers
from apps.core.http.pages import page_by_id
from apps.core.http.parsers import LongJsonParser
from apps.core.ids import parse_public_id
from apps.payments.api.order_actions import (
    READ_WRITE,
    OrderAction,
    body_of,
    described,
    one_order,
    payments_page,
)
from apps.payments.api.serializers import CreditorSerializer, PaymentPageSerializer, ReasonSerializer
from apps.payments.bulk_results import latest, results_data
from apps.payments.bulk_verification import verify_bulk_order
from apps.payments.commands.bulk import PAYMENTS_MAX, BulkPayout, CreateBulkOrder
from apps.payments.commands.bulk_decisions import (
    ApproveBulkOrder,
    CancelBulkOrder,
    ConfirmBulkOrder,
    DeclineBulkOrder,
)
from apps.payments.commands.payouts import Creditor
from apps.payments.domain.payee import Result
from apps.payments.domain.references import REMITTANCE_MAX
from apps.payments.models_instant import BulkVerification
from apps.payments.models_orders import BulkOrder
from apps.payments.representation import bulk_order_data

_S = serializers.Serializer[Any]


class BulkPayoutIn(_S):
    amount = MoneySerializer()
    creditor = CreditorSerializer()
    remittance = serializers.CharField(
        max_length=REMITTANCE_MAX, required=False, default="", allow_blank=True
    )
    reference = serializers.CharField(max_length=70, required=False, default="", allow_blank=True)


class BulkOrderIn(_S):
    """One order of many payouts."""

    account_id = PublicIdField("acc")
    payments = serializers.ListField(child=BulkPayoutIn(), min_length=1, max_length=PAYMENTS_MAX)
    reference = serializers.CharField(max_length=70, required=False, default="", allow_blank=True)
    verify_payees = serializers.BooleanField(
        required=False, default=False, help_text="Verify the payees, also where your policy does not ask."
    )


class VerificationIn(_S):
    """The results that are accepted."""

    verification = serializers.CharField(
        max_length=64,
        required=False,
        default="",
        allow_blank=True,
        help_text="The digest of the results, as the order shows it; needed where payees are verified.",
    )


class ResultsOut(_S):
    """What was found of the payees of an order."""

    payees = serializers.IntegerField()
    match = serializers.IntegerField()
    close_match = serializers.IntegerField()
    no_match = serializers.IntegerField()
    not_possible = serializers.IntegerField()
    not_checked = serializers.IntegerField()
    digest = serializers.CharField(help_text="Stands for all results; empty until all payees are checked.")
    oldest_at = serializers.DateTimeField(allow_null=True)


class PayeeResultOut(_S):
    counterparty_id = serializers.CharField()
    result = serializers.ChoiceField(choices=[result.value for result in Result])
    matched_name = serializers.CharField(allow_null=True, help_text="The holder's, for a close match.")
    provider = serializers.CharField()
    answered_at = serializers.DateTimeField()


class PayeeResultPage(_S):
    items = PayeeResultOut(many=True)
    next = serializers.CharField(allow_null=True)


class BulkOrderOut(_S):
    id = serializers.CharField()
    state = serializers.ChoiceField(choices=["ordered", "approved", "declined", "cancelled"])
    account_id = serializers.CharField()
    payments = serializers.IntegerField()
    total = MoneySerializer()
    reference = serializers.CharField()
    verifies_payees = serializers.BooleanField()
    verification = ResultsOut(allow_null=True, help_text="Null in lists, and where no payee is verified.")
    approved = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()


class StoppedBulkOrderOut(BulkOrderOut):
    stopped = serializers.IntegerField(help_text="How many payments were stopped.")
    gone = serializers.IntegerField(help_text="How many had left or ended before.")


class BulkOrderPage(_S):
    items = BulkOrderOut(many=True)
    next = serializers.CharField(allow_null=True)


class BulkOrders(ApiView):
    """All bulk orders of the organisation."""

    scopes = READ_WRITE
    parser_classes = (LongJsonParser,)

    @extend_schema(
        operation_id="list_bulk_orders",
        tags=["bulk orders"],
        parameters=PAGED,
        responses=answers(BulkOrderPage, 400),
    )
    def get(self, request: Request) -> Response:
        """List bulk orders, newest first."""
        rows, links = page_by_id(request, BulkOrder.objects.all())
        return Response({"items": [bulk_order_data(row, with_results=False) for row in rows], **links})

    @extend_schema(
        operation_id="create_bulk_order",
        tags=["bulk orders"],
        parameters=IDEMPOTENT,
        request=BulkOrderIn,
        responses=answers(BulkOrderOut, 400, 404, 409, 422, status=201),
    )
    def post(self, request: Request) -> Response:
        """Order up to 10,000 payouts at once: all of them, or none and a list of the lines that are wrong.

        All are in one currency, the account's: euro go by SEPA to IBANs, US dollars by ACH to routing numbers.
        """
        order = body_of(BulkOrderIn, request)
        payouts = tuple(
            BulkPayout(one["amount"], Creditor(**one["creditor"]), one["remittance"], one["reference"])
            for one in order["payments"]
        )
        return self.execute(
            CreateBulkOrder(
                self.organisation_id,
                order["account_id"],
                payouts,
                order["reference"],
                verify_payees=order["verify_payees"],
            )
        )


class OneBulkOrder(ApiView):
    """One bulk order."""

    scopes = READ_WRITE

    @extend_schema(operation_id="get_bulk_order", tags=["bulk orders"], responses=answers(BulkOrderOut, 404))
    def get(self, request: Request, order_id: str) -> Response:
        """Show a bulk order."""
        return Response(bulk_order_data(one_order(BulkOrder, order_id)))


class BulkPayments(ApiView):
    """The payments of a bulk order."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="list_bulk_order_payments",
        tags=["bulk orders"],
        parameters=PAGED,
        responses=answers(PaymentPageSerializer, 400, 404),
    )
    def get(self, request: Request, order_id: str) -> Response:
        """List the payments of a bulk order; each can be cancelled alone until its batch closes."""
        order = one_order(BulkOrder, order_id)
        return payments_page(request, bulk_order_id=order.pk)


class BulkPayees(ApiView):
    """What was found of the payees of a bulk order."""

    scopes = {"GET": "payments.read"}

    @extend_schema(
        operation_id="list_bulk_order_payees",
        tags=["bulk orders"],
        parameters=PAGED,
        responses=answers(PayeeResultPage, 400, 404),
    )
    def get(self, request: Request, order_id: str) -> Response:
        """List the newest finding on each payee; the payments name them by `counterparty_id`."""
        order = one_order(BulkOrder, order_id)
        newest = BulkVerification.objects.filter(pk__in=latest(order).values("pk"))
        rows, links = page_by_id(request, newest)
        return Response({"items": [results_data(row) for row in rows], **links})


class VerifyBulk(ApiView):
    """Asking about the payees."""

    scopes = {"POST": "payments.write"}

    @extend_schema(
        operation_id="verify_bulk_order",
        tags=["bulk orders"],
        request=None,
        responses=answers(BulkOrderOut, 404, 409),
    )
    def post(self, request: Request, order_id: str) -> Response:
        """Ask about up to 500 payees that have no answer of the last day; repeat while some are not checked."""
        key = parse_public_id(BulkOrder.PREFIX, order_id)
        verify_bulk_order(self.organisation_id, key, actor=self.actor)
        with tenancy.scope(self.organisation_id):
            return Response(bulk_order_data(one_order(BulkOrder, order_id)))


class ApproveBulk(OrderAction):
    """The second pair of eyes, once for all."""

    scopes = {"POST": "payments.approve"}
    model = BulkOrder
    body = VerificationIn

    @described("approve_bulk_order", BulkOrderOut, tag="bulk orders", body=VerificationIn)
    def post(self, request: Request, order_id: str) -> Response:
        """Approve a bulk order that another client or person ordered, and what was found of its payees."""
        return self.act(request, order_id)

    def command(self, order_id: UUID, **given: Any) -> Command:
        """Build the command."""
        return ApproveBulkOrder(self.organisation_id, order_id, **given)


class ConfirmBulk(OrderAction):
    """Accepting what was found, where no second person is needed."""

    scopes = {"POST": "payments.write"}
    model = BulkOrder
    body = VerificationIn

    @described("confirm_bulk_order", BulkOrderOut, tag="bulk orders", body=VerificationIn)
    def post(self, request: Request, order_id: str) -> Response:
        """Accept what was found of the payees, and let an order go that needs no second person."""
        return self.act(request, order_id)

    def command(self, order_id: UUID, **given: Any) -> Command:
        """Build the command."""
        return ConfirmBulkOrder(self.organisation_id, order_id, **given)


class DeclineBulk(OrderAction):
    """The second pair of eyes, saying no."""

    scopes = {"POST": "payments.approve"}
    model = BulkOrder
    body = ReasonSerializer

    @described("decline_bulk_order", StoppedBulkOrderOut, tag="bulk orders", body=ReasonSerializer)
    def post(self, request: Request, order_id: str) -> Response:
        """Decline a bulk order, with a reason."""
        return self.act(request, order_id)

    def command(self, order_id: UUID, **given: Any) -> Command:
        """Build the command."""
        return DeclineBulkOrder(self.organisation_id, order_id, **given)


class CancelBulk(OrderAction):
    """Taking back what has not left."""

    scopes = READ_WRITE
    model = BulkOrder
    body = ReasonSerializer

    @described("cancel_bulk_order", StoppedBulkOrderOut, tag="bulk orders", body=ReasonSerializer)
    def post(self, request: Request, order_id: str) -> Response:
        """Cancel every payment of the order that is in no file yet."""
        return self.act(request, order_id)

    def command(self, order_id: UUID, **given: Any) -> Command:
        """Build the command."""
        return CancelBulkOrder(self.organisation_id, order_id, **given)
