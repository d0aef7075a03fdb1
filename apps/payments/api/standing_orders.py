"""`/api/v1/standing-orders`: translate, one call, answer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.commands import Command
from apps.core.http.api import ApiView, MoneySerializer, PublicIdField
from apps.core.http.described import IDEMPOTENT, PAGED, answers
from apps.core.http.pages import page_by_id
from apps.payments.api.order_actions import (
    READ_WRITE,
    OrderAction,
    body_of,
    described,
    one_order,
    payments_page,
)
from apps.payments.api.serializers import CreditorSerializer, PaymentPageSerializer, ReasonSerializer
from apps.payments.commands.payouts import Creditor
from apps.payments.commands.standing import (
    ApproveStandingOrder,
    CancelStandingOrder,
    CreateStandingOrder,
    DeclineStandingOrder,
    PauseStandingOrder,
    ResumeStandingOrder,
)
from apps.payments.domain.references import REMITTANCE_MAX
from apps.payments.domain.schedules import COUNT_MAX, DayRule, Frequency, Schedule
from apps.payments.models_orders import StandingOrder
from apps.payments.representation import standing_order_data

_S = serializers.Serializer[Any]


class ScheduleIn(_S):
    frequency = serializers.ChoiceField(choices=[one.value for one in Frequency])
    first = serializers.DateField(help_text="The first day on which it is due.")
    last = serializers.DateField(required=False, allow_null=True, default=None)
    count = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, max_value=COUNT_MAX
    )
    end_of_month = serializers.BooleanField(required=False, default=False)
    day_rule = serializers.ChoiceField(
        choices=[one.value for one in DayRule],
        required=False,
        default=DayRule.FOLLOWING.value,
        help_text="Where a day goes on which the payment system is closed.",
    )


class StandingOrderIn(_S):
    """A payment on a later day, or again and again."""

    account_id = PublicIdField("acc")
    amount = MoneySerializer()
    schedule = ScheduleIn()
    destination_account_id = PublicIdField("acc", required=False, help_text="Either an account of ours …")
    creditor = CreditorSerializer(required=False, help_text="… or a payee at another bank.")
    remittance = serializers.CharField(
        max_length=REMITTANCE_MAX, required=False, default="", allow_blank=True
    )
    reference = serializers.CharField(max_length=70, required=False, default="", allow_blank=True)


class ScheduleOut(_S):
    frequency = serializers.CharField()
    first = serializers.DateField()
    last = serializers.DateField(allow_null=True)
    count = serializers.IntegerField(allow_null=True)
    end_of_month = serializers.BooleanField()
    day_rule = serializers.CharField()


class StandingOrderOut(_S):
    id = serializers.CharField()
    type = serializers.ChoiceField(choices=["payout", "transfer"])
    state = serializers.ChoiceField(
        choices=["ordered", "active", "paused", "declined", "cancelled", "completed"]
    )
    account_id = serializers.CharField()
    destination_account_id = serializers.CharField(allow_null=True)
    counterparty_id = serializers.CharField(allow_null=True)
    amount = MoneySerializer()
    reference = serializers.CharField()
    schedule = ScheduleOut()
    runs = serializers.IntegerField(help_text="How many due days are dealt with.")
    due_on = serializers.DateField(allow_null=True)
    execute_on = serializers.DateField(allow_null=True)
    retry_at = serializers.DateTimeField(allow_null=True)
    approved = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()


class StandingOrderPage(_S):
    items = StandingOrderOut(many=True)
    next = serializers.CharField(allow_null=True)


class StandingOrders(ApiView):
    """All standing orders of the organisation."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="list_standing_orders",
        tags=["standing orders"],
        parameters=PAGED,
        responses=answers(StandingOrderPage, 400),
    )
    def get(self, request: Request) -> Response:
        """List standing orders and scheduled payments, newest first."""
        rows, links = page_by_id(request, StandingOrder.objects.all())
        return Response({"items": [standing_order_data(row) for row in rows], **links})

    @extend_schema(
        operation_id="create_standing_order",
        tags=["standing orders"],
        parameters=IDEMPOTENT,
        request=StandingOrderIn,
        responses=answers(StandingOrderOut, 400, 404, 409, 422, status=201),
    )
    def post(self, request: Request) -> Response:
        """Order a payment on a later day (frequency `once`), or again and again."""
        order = body_of(StandingOrderIn, request)
        plan = order["schedule"]
        schedule = Schedule(
            Frequency(plan["frequency"]),
            plan["first"],
            plan["last"],
            plan["count"],
            plan["end_of_month"],
            DayRule(plan["day_rule"]),
        )
        return self.execute(
            CreateStandingOrder(
                self.organisation_id,
                order["account_id"],
                order["amount"],
                schedule,
                other_account_id=order.get("destination_account_id"),
                creditor=Creditor(**order["creditor"]) if "creditor" in order else None,
                remittance=order["remittance"],
                reference=order["reference"],
            )
        )


class OneStandingOrder(ApiView):
    """One standing order."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="get_standing_order", tags=["standing orders"], responses=answers(StandingOrderOut, 404)
    )
    def get(self, request: Request, order_id: str) -> Response:
        """Show a standing order."""
        return Response(standing_order_data(one_order(StandingOrder, order_id)))


class StandingPayments(ApiView):
    """The payments that a standing order has made."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="list_standing_order_payments",
        tags=["standing orders"],
        parameters=PAGED,
        responses=answers(PaymentPageSerializer, 400, 404),
    )
    def get(self, request: Request, order_id: str) -> Response:
        """List the payments of a standing order, newest first."""
        order = one_order(StandingOrder, order_id)
        return payments_page(request, standing_order_id=order.pk)


class ApproveStanding(OrderAction):
    """The second pair of eyes."""

    scopes = {"POST": "payments.approve"}
    model = StandingOrder

    @described("approve_standing_order", StandingOrderOut, tag="standing orders")
    def post(self, request: Request, order_id: str) -> Response:
        """Approve a standing order that another client or person gave."""
        return self.act(request, order_id)

    def command(self, order_id: UUID, **given: Any) -> Command:
        """Build the command."""
        return ApproveStandingOrder(self.organisation_id, order_id)


class DeclineStanding(OrderAction):
    """The second pair of eyes, saying no."""

    scopes = {"POST": "payments.approve"}
    model = StandingOrder
    body = ReasonSerializer

    @described("decline_standing_order", StandingOrderOut, tag="standing orders", body=ReasonSerializer)
    def post(self, request: Request, order_id: str) -> Response:
        """Decline a standing order, with a reason."""
        return self.act(request, order_id)

    def command(self, order_id: UUID, **given: Any) -> Command:
        """Build the command."""
        return DeclineStandingOrder(self.organisation_id, order_id, **given)


class PauseStanding(OrderAction):
    """Pausing."""

    scopes = READ_WRITE
    model = StandingOrder

    @described("pause_standing_order", StandingOrderOut, tag="standing orders")
    def post(self, request: Request, order_id: str) -> Response:
        """Pause a standing order."""
        return self.act(request, order_id)

    def command(self, order_id: UUID, **given: Any) -> Command:
        """Build the command."""
        return PauseStandingOrder(self.organisation_id, order_id)


class ResumeStanding(OrderAction):
    """Going on."""

    scopes = READ_WRITE
    model = StandingOrder

    @described("resume_standing_order", StandingOrderOut, tag="standing orders")
    def post(self, request: Request, order_id: str) -> Response:
        """Resume a standing order; days that have passed meanwhile are left out."""
        return self.act(request, order_id)

    def command(self, order_id: UUID, **given: Any) -> Command:
        """Build the command."""
        return ResumeStandingOrder(self.organisation_id, order_id)


class CancelStanding(OrderAction):
    """Ending it."""

    scopes = READ_WRITE
    model = StandingOrder
    body = ReasonSerializer

    @described("cancel_standing_order", StandingOrderOut, tag="standing orders", body=ReasonSerializer)
    def post(self, request: Request, order_id: str) -> Response:
        """Cancel a standing order; payments that it has made go their way."""
        return self.act(request, order_id)

    def command(self, order_id: UUID, **given: Any) -> Command:
        """Build the command."""
        return CancelStandingOrder(self.organisation_id, order_id, **given)
