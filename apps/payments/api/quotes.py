"""`/api/v1/quotes`: when a payment would arrive and what it would cost."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.errors import Invalid
from apps.core.http.api import ApiView, MoneySerializer
from apps.core.http.described import answers
from apps.core.money import Money
from apps.payments.quotes import quote, quote_data, quotes
from apps.payments.rails import ADAPTERS


class QuoteSerializer(serializers.Serializer[Any]):
    """What one rail offers."""

    rail = serializers.CharField()
    possible = serializers.BooleanField()
    reasons = serializers.ListField(child=serializers.CharField())
    instant = serializers.BooleanField()
    cost = MoneySerializer()
    submit_by = serializers.DateTimeField(allow_null=True)
    execution_date = serializers.DateField(allow_null=True)
    settlement_date = serializers.DateField(allow_null=True)
    final_on = serializers.DateField(allow_null=True)


class QuotesSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    items = QuoteSerializer(many=True)


class Quotes(ApiView):
    """What the rails offer for an amount."""

    scopes = {"GET": "payments.read"}

    @extend_schema(
        operation_id="get_quotes",
        tags=["payments"],
        responses=answers(QuotesSerializer, 400, 422),
        parameters=[
            OpenApiParameter("amount", str, required=True, description="A decimal, such as 12.50."),
            OpenApiParameter("currency", str, required=True, description="ISO 4217."),
            OpenApiParameter("rail", str, description="One rail; by default all, the earliest first."),
            OpenApiParameter("at", datetime, description="Ordered when (RFC 3339); by default now."),
        ],
    )
    def get(self, request: Request) -> Response:
        """Tell by when an order must be in, and when it would be executed, settled and final."""
        query = request.query_params
        amount = Money.parse(query.get("amount", ""), query.get("currency", ""))
        at = _moment(query["at"]) if "at" in query else clock.database_now()
        rail = query.get("rail")
        if rail is not None and rail not in ADAPTERS:
            raise Invalid(field="rail", known=sorted(ADAPTERS))
        asked = [quote(rail, amount, at=at)] if rail else quotes(amount, at=at)
        return Response({"at": at.isoformat(), "items": [quote_data(one) for one in asked]})


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise Invalid(field="at", reason="not a moment as RFC 3339 writes it") from None
    if moment.tzinfo is None or not 1970 < moment.year < 2200:
        raise Invalid(field="at", reason="a moment with its offset, between 1971 and 2199")
    return moment
