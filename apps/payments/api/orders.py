"""`/api/v1/bulk-orders` and `/api/v1/standing-orders`: translate, one call, answer."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import tenancy
from apps.core.commands import Command
from apps.core.errors import NotFound
from apps.core.http.api import ApiView, MoneySerializer, PublicIdField
from apps.core.http.described import IDEMPOTENT, PAGED, answers
from apps.core.http.pages import page_by_id
from apps.core.http.parsers import LongJsonParser
from apps.core.ids import parse_public_id
from apps.payments.api.serializers import CreditorSerializer, PaymentPageSerializer, ReasonSerializer
from apps.payments.bulk_results import latest, results_data
from apps.payments.bulk_verification import verify_bulk_order
from apps.payments.commands.bulk import (
    PAYMENTS_MAX,
    ApproveBulkOrder,
    BulkPayout,
    CancelBulkOrder,
    ConfirmBulkOrder,
    CreateBulkOrder,
    DeclineBulkOrder,
)
from apps.payments.commands.payouts import Creditor
from apps.payments.commands.standing import (
    ApproveStandingOrder,
    CancelStandingOrder,
    CreateStandingOrder,
    DeclineStandingOrder,
    PauseStandingOrder,
    ResumeStandingOrder,
)
from apps.payments.domain.payee import Result
from apps.payments.domain.references import REMITTANCE_MAX
from apps.payments.domain.schedules import COUNT_MAX, DayRule, Frequency, Schedule
from apps.payments.models import BulkOrder, Payment, StandingOrder
from apps.payments.models_instant import BulkVerification
from apps.payments.representation import bulk_order_data, payment_data, standing_order_data

READ_WRITE = {"GET": "payments.read", "POST": "payments.write"}
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
        order = _read(BulkOrderIn, request)
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
        return Response(bulk_order_data(_one(BulkOrder, order_id)))


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
        order = _one(BulkOrder, order_id)
        return _payments(request, bulk_order_id=order.pk)


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
        order = _one(BulkOrder, order_id)
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
            return Response(bulk_order_data(_one(BulkOrder, order_id)))


class _Action(ApiView):
    """The base of what changes an order."""

    model: ClassVar[type[BulkOrder | StandingOrder]]
    with_reason: ClassVar[bool] = False
    with_verification: ClassVar[bool] = False

    def command(self, order_id: UUID, **given: Any) -> Command:
        """Build the command."""
        raise NotImplementedError

    def act(self, request: Request, order_id: str) -> Response:
        """Read the reason if there is one, run the command, answer with the order."""
        given = {"reason": _read(ReasonSerializer, request)["reason"]} if self.with_reason else {}
        if self.with_verification:
            given = _read(VerificationIn, request)
        key = parse_public_id(self.model.PREFIX, order_id)
        return self.execute(self.command(key, **given), status=200)


def _described(
    operation: str, shape: Any, *, tag: str, reason: bool = False, verification: bool = False
) -> Any:
    return extend_schema(
        operation_id=operation,
        tags=[tag],
        parameters=IDEMPOTENT,
        request=VerificationIn if verification else ReasonSerializer if reason else None,
        responses=answers(shape, 400, 404, 409, 422),
    )


class ApproveBulk(_Action):
    """The second pair of eyes, once for all."""

    scopes = {"POST": "payments.approve"}
    model = BulkOrder
    with_verification = True

    @_described("approve_bulk_order", BulkOrderOut, tag="bulk orders", verification=True)
    def post(self, request: Request, order_id: str) -> Response:
        """Approve a bulk order that another client or person ordered, and what was found of its payees."""
        return self.act(request, order_id)

    def command(self, order_id: UUID, **given: Any) -> Command:
        """Build the command."""
        return ApproveBulkOrder(self.organisation_id, order_id, **given)


class ConfirmBulk(_Action):
    """Accepting what was found, where no second person is needed."""

    scopes = {"POST": "payments.write"}
    model = BulkOrder
    with_verification = True

    @_described("confirm_bulk_order", BulkOrderOut, tag="bulk orders", verification=True)
    def post(self, request: Request, order_id: str) -> Response:
        """Accept what was found of the payees, and let an order go that needs no second person."""
        return self.act(request, order_id)

    def command(self, order_id: UUID, **given: Any) -> Command:
        """Build the command."""
        return ConfirmBulkOrder(self.organisation_id, order_id, **given)


class DeclineBulk(_Action):
    """The second pair of eyes, saying no."""

    scopes = {"POST": "payments.approve"}
    model = BulkOrder
    with_reason = True

    @_described("decline_bulk_order", StoppedBulkOrderOut, tag="bulk orders", reason=True)
    def post(self, request: Request, order_id: str) -> Response:
        """Decline a bulk order, with a reason."""
        return self.act(request, order_id)

    def command(self, order_id: UUID, **given: Any) -> Command:
        """Build the command."""
        return DeclineBulkOrder(self.organisation_id, order_id, **given)


class CancelBulk(_Action):
    """Taking back what has not left."""

    scopes = READ_WRITE
    model = BulkOrder
    with_reason = True

    @_described("cancel_bulk_order", StoppedBulkOrderOut, tag="bulk orders", reason=True)
    def post(self, request: Request, order_id: str) -> Response:
        """Cancel every payment of the order that is in no file yet."""
        return self.act(request, order_id)

    def command(self, order_id: UUID, **given: Any) -> Command:
        """Build the command."""
        return CancelBulkOrder(self.organisation_id, order_id, **given)


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
        order = _read(StandingOrderIn, request)
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
        return Response(standing_order_data(_one(StandingOrder, order_id)))


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
        order = _one(StandingOrder, order_id)
        return _payments(request, standing_order_id=order.pk)


class ApproveStanding(_Action):
    """The second pair of eyes."""

    scopes = {"POST": "payments.approve"}
    model = StandingOrder

    @_described("approve_standing_order", StandingOrderOut, tag="standing orders")
    def post(self, request: Request, order_id: str) -> Response:
        """Approve a standing order that another client or person gave."""
        return self.act(request, order_id)

    def command(self, order_id: UUID, **given: Any) -> Command:
        """Build the command."""
        return ApproveStandingOrder(self.organisation_id, order_id)


class DeclineStanding(_Action):
    """The second pair of eyes, saying no."""

    scopes = {"POST": "payments.approve"}
    model = StandingOrder
    with_reason = True

    @_described("decline_standing_order", StandingOrderOut, tag="standing orders", reason=True)
    def post(self, request: Request, order_id: str) -> Response:
        """Decline a standing order, with a reason."""
        return self.act(request, order_id)

    def command(self, order_id: UUID, **given: Any) -> Command:
        """Build the command."""
        return DeclineStandingOrder(self.organisation_id, order_id, **given)


class PauseStanding(_Action):
    """Pausing."""

    scopes = READ_WRITE
    model = StandingOrder

    @_described("pause_standing_order", StandingOrderOut, tag="standing orders")
    def post(self, request: Request, order_id: str) -> Response:
        """Pause a standing order."""
        return self.act(request, order_id)

    def command(self, order_id: UUID, **given: Any) -> Command:
        """Build the command."""
        return PauseStandingOrder(self.organisation_id, order_id)


class ResumeStanding(_Action):
    """Going on."""

    scopes = READ_WRITE
    model = StandingOrder

    @_described("resume_standing_order", StandingOrderOut, tag="standing orders")
    def post(self, request: Request, order_id: str) -> Response:
        """Resume a standing order; days that have passed meanwhile are left out."""
        return self.act(request, order_id)

    def command(self, order_id: UUID, **given: Any) -> Command:
        """Build the command."""
        return ResumeStandingOrder(self.organisation_id, order_id)


class CancelStanding(_Action):
    """Ending it."""

    scopes = READ_WRITE
    model = StandingOrder
    with_reason = True

    @_described("cancel_standing_order", StandingOrderOut, tag="standing orders", reason=True)
    def post(self, request: Request, order_id: str) -> Response:
        """Cancel a standing order; payments that it has made go their way."""
        return self.act(request, order_id)

    def command(self, order_id: UUID, **given: Any) -> Command:
        """Build the command."""
        return CancelStandingOrder(self.organisation_id, order_id, **given)


def _read(shape: Any, request: Request) -> dict[str, Any]:
    serializer = shape(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _one(model: Any, order_id: str) -> Any:
    key = parse_public_id(model.PREFIX, order_id)
    row = model.objects.filter(pk=key).first()
    if row is None:
        raise NotFound(object=model.OBJECT, id=order_id)
    return row


def _payments(request: Request, **of: UUID) -> Response:
    rows, links = page_by_id(request, Payment.objects.filter(**of))
    return Response({"items": [payment_data(row) for row in rows], **links})
