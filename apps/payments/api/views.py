"""`/api/v1/payments` and `/api/v1/refunds`: translate, one call, answer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    PolymorphicProxySerializer,
    extend_schema,
)
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import tenancy
from apps.core.http.api import REPLAYED, ApiView
from apps.core.http.described import IDEMPOTENT, PAGED, answers
from apps.core.http.idempotency import idempotency_key
from apps.core.http.pages import page_by_id
from apps.core.ids import parse_public_id
from apps.payments import queries
from apps.payments.api import serializers as shapes
from apps.payments.api.card_shapes import OperationPageSerializer, OperationSerializer
from apps.payments.api.driving import driven, operations_page
from apps.payments.api.reading import one_of, read
from apps.payments.commands import (
    ApprovePayment,
    CancelPayment,
    CreateCardPayment,
    CreatePayout,
    CreateRefund,
    CreateTransfer,
    DeclinePayment,
)
from apps.payments.commands.payouts import Creditor
from apps.payments.domain.card_numbers import refuse_card_numbers
from apps.payments.domain.cards import OperationType
from apps.payments.domain.lifecycle import Kind, State
from apps.payments.payee_verification import verification_data, verify_payee
from apps.payments.representation import payment_data, payment_or_card_data

READ_WRITE = {"GET": "payments.read", "POST": "payments.write"}
_TRANSFER = OpenApiExample(
    "A transfer",
    {
        "type": "transfer",
        "account_id": "acc_01…",
        "destination_account_id": "acc_02…",
        "amount": {"amount": "12.50", "currency": "EUR"},
        "reference": "order-1001",
    },
    request_only=True,
)
_PAYOUT = OpenApiExample(
    "A payout",
    {
        "type": "payout",
        "account_id": "acc_01…",
        "amount": {"amount": "25.00", "currency": "EUR"},
        "creditor": {"name": "Example Supplies BV", "iban": "NL91ABNA0417164300"},
        "remittance": "Invoice 4711",
    },
    request_only=True,
)
_CARD = OpenApiExample(
    "A payment by card",
    {
        "type": "card",
        "account_id": "acc_01…",
        "amount": {"amount": "25.00", "currency": "EUR"},
        "card_token": "tok_visa",
        "capture": "automatic",
        "return_url": "https://shop.example/thanks",
        "reference": "order-1002",
    },
    request_only=True,
)
_US_PAYOUT = OpenApiExample(
    "A payout in the United States",
    {
        "type": "payout",
        "account_id": "acc_01…",
        "amount": {"amount": "25.00", "currency": "USD"},
        "creditor": {
            "name": "Ada Example",
            "routing_number": "021000021",
            "account_number": "000123456789",
            "account_kind": "checking",
            "holder": "person",
        },
        "remittance": "Invoice 4711",
        "same_day": True,
    },
    request_only=True,
)


class Payments(ApiView):
    """All payments of the organisation."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="list_payments",
        responses=answers(shapes.PaymentPageSerializer, 400, 404, 422),
        tags=["payments"],
        parameters=[
            *PAGED,
            OpenApiParameter("type", str, enum=[kind.value for kind in Kind]),
            OpenApiParameter("state", str, enum=[state.value for state in State]),
            OpenApiParameter("account_id", str),
        ],
    )
    def get(self, request: Request) -> Response:
        """List payments, newest first."""
        query = request.query_params
        account = query.get("account_id")
        rows = queries.payments(
            kinds=one_of("type", query.get("type"), [kind.value for kind in Kind]),
            states=one_of("state", query.get("state"), [state.value for state in State]),
            account_id=parse_public_id("acc", account) if account else None,
        )
        return _page(request, rows)

    @extend_schema(
        operation_id="create_payment",
        tags=["payments"],
        request=shapes.OrderSerializer,
        responses=answers(shapes.PaymentSerializer, 400, 404, 409, 422, status=201),
        parameters=IDEMPOTENT,
        examples=[_TRANSFER, _PAYOUT, _US_PAYOUT, _CARD],
    )
    def post(self, request: Request) -> Response:
        """Order a transfer between two accounts, a payout to another bank, or a payment by card.

        A card's answer comes from its processor: the state tells what became of it. `requires_action` asks
        you to send the payer to `card.action_url`; `failed` may be tried again (`…/attempts`).
        """
        if isinstance(request.data, dict) and request.data.get("type") == Kind.CARD:
            refuse_card_numbers(request.data)
        order = read(shapes.OrderSerializer, request)
        common = {
            "account_id": order["account_id"],
            "amount": order["amount"],
            "remittance": order["remittance"],
            "reference": order["reference"],
        }
        if order["type"] == Kind.CARD:
            options = {name: order[name] for name in ("capture", "return_url") if name in order}
            return driven(
                self,
                CreateCardPayment(self.organisation_id, card_token=order["card_token"], **common, **options),
            )
        common |= {"quote_id": order.get("quote_id")}
        if order["type"] == Kind.TRANSFER:
            return self.execute(
                CreateTransfer(
                    self.organisation_id, other_account_id=order["destination_account_id"], **common
                )
            )
        wishes = {name: order[name] for name in ("speed", "rail", "verification_id") if name in order}
        return self.execute(
            CreatePayout(
                self.organisation_id,
                creditor=Creditor(**order["creditor"]),
                same_day=order["same_day"],
                **common,
                **wishes,
            )
        )


class PayeeVerifications(ApiView):
    """Whether names belong to accounts."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="verify_payee",
        tags=["payee verification"],
        request=shapes.PayeeSerializer,
        responses=answers(shapes.PayeeVerificationSerializer, 400, 409, 422, status=201),
        parameters=IDEMPOTENT,
    )
    def post(self, request: Request) -> Response:
        """Ask whether a name belongs to an IBAN, before paying.

        `not_possible` is no negative: nobody could answer. Name the verification in the payout.
        """
        asked = read(shapes.PayeeSerializer, request)
        verification_id, replayed = verify_payee(
            self.organisation_id,
            name=asked["name"],
            iban=asked["iban"],
            actor=self.actor,
            key=idempotency_key(request),
        )
        return Response(
            _verification(self.organisation_id, verification_id),
            status=201,
            headers={REPLAYED: "true"} if replayed else {},
        )


class OnePayeeVerification(ApiView):
    """One verification of a payee."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="get_payee_verification",
        tags=["payee verification"],
        responses=answers(shapes.PayeeVerificationSerializer, 404),
    )
    def get(self, request: Request, verification_id: str) -> Response:
        """Show what a verification found."""
        return Response(_verification(self.organisation_id, parse_public_id("vop", verification_id)))


def _verification(organisation_id: UUID, key: UUID) -> dict[str, Any]:
    with tenancy.scope(organisation_id):
        return verification_data(queries.payee_verification(key))


class OnePayment(ApiView):
    """One payment."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="get_payment",
        responses=answers(shapes.PaymentSerializer, 400, 404, 409, 422),
        tags=["payments"],
    )
    def get(self, request: Request, payment_id: str) -> Response:
        """Show a payment."""
        return Response(payment_or_card_data(queries.payment(parse_public_id("pay", payment_id))))


class PaymentEvents(ApiView):
    """What happened to a payment."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="list_payment_events",
        responses=answers(shapes.PaymentEventsSerializer, 404),
        tags=["payments"],
    )
    def get(self, request: Request, payment_id: str) -> Response:
        """List a payment's events in order, with the journal that each step posted."""
        key = queries.payment(parse_public_id("pay", payment_id)).pk
        items = [
            {
                "number": row.number,
                "event": row.event,
                "from_state": row.from_state,
                "to_state": row.to_state,
                "applied": row.applied,
                "reason": row.reason,
                "told_by": row.source,
                "journal": row.journal_seq,
                "at": row.at,
            }
            for row in queries.events_of(key)
        ]
        return Response({"items": items})


class ApproveOne(ApiView):
    """The second pair of eyes."""

    scopes = {"POST": "payments.approve"}

    @extend_schema(
        operation_id="approve_payment",
        request=None,
        responses=answers(shapes.PaymentSerializer, 400, 404, 409, 422),
        parameters=IDEMPOTENT,
        tags=["payments"],
    )
    def post(self, request: Request, payment_id: str) -> Response:
        """Approve a payment that another client or person ordered."""
        command = ApprovePayment(self.organisation_id, parse_public_id("pay", payment_id))
        return self.execute(command, status=200)


class DeclineOne(ApiView):
    """The second pair of eyes, saying no."""

    scopes = {"POST": "payments.approve"}

    @extend_schema(
        operation_id="decline_payment",
        request=shapes.ReasonSerializer,
        responses=answers(shapes.PaymentSerializer, 400, 404, 409, 422),
        parameters=IDEMPOTENT,
        tags=["payments"],
    )
    def post(self, request: Request, payment_id: str) -> Response:
        """Decline an ordered payment, with a reason."""
        reason = read(shapes.ReasonSerializer, request)["reason"]
        command = DeclinePayment(self.organisation_id, parse_public_id("pay", payment_id), reason)
        return self.execute(command, status=200)


class CancelOne(ApiView):
    """Taking an order back."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="cancel_payment",
        request=shapes.ReasonSerializer,
        responses=answers(shapes.PaymentSerializer, 400, 404, 409, 422),
        parameters=IDEMPOTENT,
        tags=["payments"],
    )
    def post(self, request: Request, payment_id: str) -> Response:
        """Cancel a payment that has not left yet. A card that is authorised is voided, as far as not captured."""
        reason = read(shapes.ReasonSerializer, request)["reason"]
        command = CancelPayment(self.organisation_id, parse_public_id("pay", payment_id), reason)
        return driven(self, command, status=200)


class PaymentRefunds(ApiView):
    """Refunds of one payment."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="list_payment_refunds",
        responses=answers(
            PolymorphicProxySerializer(
                "PaymentRefundPage", [shapes.PaymentPageSerializer, OperationPageSerializer], None
            ),
            *(400, 404, 422),
        ),
        parameters=PAGED,
        tags=["refunds"],
    )
    def get(self, request: Request, payment_id: str) -> Response:
        """List the refunds of a payment; those of a card are operations, `opr_…`."""
        parent = queries.payment(parse_public_id("pay", payment_id))
        if parent.kind == Kind.CARD:
            return operations_page(request, parent, OperationType.REFUND)
        return _page(request, queries.payments(parent_id=parent.pk))

    @extend_schema(
        operation_id="create_refund",
        request=shapes.RefundOrderSerializer,
        responses=answers(
            PolymorphicProxySerializer("Refund", [shapes.PaymentSerializer, OperationSerializer], None),
            *(400, 404, 409, 422),
            status=201,
        ),
        parameters=IDEMPOTENT,
        tags=["refunds"],
    )
    def post(self, request: Request, payment_id: str) -> Response:
        """Give back all or part of a settled transfer or pay-in, or of what was captured from a card."""
        order = read(shapes.RefundOrderSerializer, request)
        return driven(
            self,
            CreateRefund(
                self.organisation_id, parse_public_id("pay", payment_id), order["amount"], order["reason"]
            ),
        )


class Refunds(ApiView):
    """All refunds of the organisation."""

    scopes = READ_WRITE

    @extend_schema(
        operation_id="list_refunds",
        responses=answers(shapes.PaymentPageSerializer, 400, 404, 422),
        parameters=PAGED,
        tags=["refunds"],
    )
    def get(self, request: Request) -> Response:
        """List refunds, newest first."""
        return _page(request, queries.payments(kinds=[Kind.REFUND.value]))


def _page(request: Request, rows: Any) -> Response:
    items, links = page_by_id(request, rows)
    return Response({"items": [payment_data(row) for row in items], **links})
