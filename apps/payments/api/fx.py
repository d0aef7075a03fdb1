"""`/api/v1/fx-quotes`: at which rate currencies are exchanged, held for a while."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.http.api import ApiView, MoneySerializer
from apps.core.http.described import IDEMPOTENT, answers
from apps.core.ids import parse_public_id
from apps.payments import queries
from apps.payments.api.reading import read
from apps.payments.commands import QuoteExchange
from apps.payments.representation import fx_quote_data

_SELL = OpenApiExample(
    "Sell euro for yen",
    {"sell": {"amount": "100.00", "currency": "EUR"}, "buy_currency": "JPY"},
    request_only=True,
)
_BUY = OpenApiExample(
    "Buy dollars with euro",
    {"buy": {"amount": "250.00", "currency": "USD"}, "sell_currency": "EUR"},
    request_only=True,
)


class ExchangeSerializer(serializers.Serializer[Any]):
    """What is to be exchanged: one amount, and the other currency."""

    sell = MoneySerializer(required=False, help_text="Sell exactly this, into `buy_currency`.")
    buy_currency = serializers.CharField(min_length=3, max_length=3, required=False)
    buy = MoneySerializer(required=False, help_text="Buy exactly this, with `sell_currency`.")
    sell_currency = serializers.CharField(min_length=3, max_length=3, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for one amount and the other side's currency."""
        if set(attrs) not in ({"sell", "buy_currency"}, {"buy", "sell_currency"}):
            raise serializers.ValidationError(
                {"sell": "Give sell and buy_currency, or buy and sell_currency."}
            )
        return attrs


class FxQuoteSerializer(serializers.Serializer[Any]):
    """An offer, good for one payment until it expires."""

    id = serializers.CharField()
    sold = MoneySerializer()
    bought = MoneySerializer(help_text="The `amount` of the payment that uses the quote.")
    fee = MoneySerializer()
    total = MoneySerializer(help_text="What leaves the account: sold and fee.")
    spread = MoneySerializer(help_text="What is sold beyond the worth of what is bought, at the mid rate.")
    spread_basis_points = serializers.IntegerField()
    rate = serializers.CharField(help_text="What one unit sold buys; a decimal of twelve digits.")
    mid_rate = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # a field named as DRF names an attribute
    rate_at = serializers.DateTimeField()
    payment_id = serializers.CharField(allow_null=True, help_text="The payment that has used it.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


class FxQuotes(ApiView):
    """Quotes for exchanging currencies."""

    scopes = {"POST": "payments.write"}

    @extend_schema(
        operation_id="create_fx_quote",
        tags=["payments"],
        request=ExchangeSerializer,
        responses=answers(FxQuoteSerializer, 400, 409, 422, status=201),
        parameters=IDEMPOTENT,
        examples=[_SELL, _BUY],
    )
    def post(self, request: Request) -> Response:
        """Ask at which rate an amount is exchanged. Name the quote in a transfer or payout before it expires."""
        asked = read(ExchangeSerializer, request)
        fixed = "sold" if "sell" in asked else "bought"
        amount = asked["sell"] if fixed == "sold" else asked["buy"]
        currency = asked["buy_currency"] if fixed == "sold" else asked["sell_currency"]
        return self.execute(QuoteExchange(self.organisation_id, amount, currency, fixed))


class OneFxQuote(ApiView):
    """One quote."""

    scopes = {"GET": "payments.read"}

    @extend_schema(operation_id="get_fx_quote", tags=["payments"], responses=answers(FxQuoteSerializer, 404))
    def get(self, request: Request, quote_id: str) -> Response:
        """Show a quote, and the payment that used it."""
        quote, payment_id = queries.fx_quote(parse_public_id("fxq", quote_id))
        return Response(fx_quote_data(quote, payment_id))
