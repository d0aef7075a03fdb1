"""The base of every API view: who asks, in whose organisation, and one call into a command or query."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.utils.functional import cached_property
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core import clock, tenancy
from apps.core.actors import Actor
from apps.core.commands import Command, Outcome, execute
from apps.core.errors import Denied
from apps.core.http.idempotency import idempotency_key
from apps.core.ids import parse_public_id, public_id
from apps.core.money import BadAmount, Money, UnknownCurrency

REPLAYED = "Idempotent-Replayed"


class ApiView(APIView):
    """A view for API clients. Reads run in a transaction that shows only the client's organisation.

    `scopes` names, per HTTP method, the OAuth2 scope the token must hold.
    """

    scopes: ClassVar[dict[str, str]] = {}
    for_customers: ClassVar[bool] = False
    """Whether a token that a customer granted may be used here; the view then shows that customer's own alone."""
    _scope = ExitStack()

    @property
    def actor(self) -> Actor:
        """Return who asks. Raises Denied when the credentials are not an organisation's."""
        actor = getattr(self.request.user, "actor", None)
        if not isinstance(actor, Actor) or actor.organisation_id is None:
            raise Denied(reason="these credentials belong to no organisation")
        return actor

    @property
    def asked_at(self) -> datetime:
        """Return the moment of the request by the database's clock, which came with the caller's token."""
        known = getattr(self.request.auth, "asked_at", None)
        return known if isinstance(known, datetime) else clock.database_now()

    @cached_property
    def organisation_id(self) -> Any:
        """Return the organisation of the caller."""
        return self.actor.organisation_id

    def check_permissions(self, request: Request) -> None:
        """Let DRF's checks run, then ask for the scope of the method."""
        super().check_permissions(request)
        if self.actor.kind == "customer" and not self.for_customers:
            raise Denied(reason="a token that a customer granted is of no use here")
        needed = self.scopes.get(request.method or "")
        if needed and not self.actor.may(needed):
            raise Denied(scope=needed)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check the caller; then let a read see its organisation's rows until it has answered."""
        super().initial(request, *args, **kwargs)
        if request.method in ("GET", "HEAD"):
            self._scope = ExitStack()
            self._scope.enter_context(tenancy.scope(self.organisation_id))

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Leave the scope of a read, whether it answered or failed."""
        self._scope.close()
        return super().finalize_response(request, response, *args, **kwargs)

    def execute(self, command: Command, *, status: int = 201) -> Response:
        """Run a command under the request's idempotency key and answer with what it returned.

        202 and the approval's id when a second person must approve first.
        """
        outcome: Outcome = execute(
            command, actor=self.actor, key=idempotency_key(self.request), at=self.asked_at
        )
        headers = {REPLAYED: "true"} if outcome.replayed else {}
        waiting = outcome.status == "pending_approval"
        return Response(outcome.answer, status=202 if waiting else status, headers=headers)


@extend_schema_field(OpenApiTypes.STR)
class PublicIdField(serializers.Field[UUID, Any, str, Any]):
    """A prefixed public id such as `acc_…`, given to the command as the key behind it."""

    def __init__(self, prefix: str, **options: Any) -> None:
        self.prefix = prefix
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> UUID:
        """Read the id. Raises BadId, which answers 404 as an unknown object does."""
        return parse_public_id(self.prefix, data)

    def to_representation(self, value: UUID) -> str:
        """Write the id."""
        return public_id(self.prefix, value)


class MoneySerializer(serializers.Serializer[Money]):
    """Money as {"amount": "12.34", "currency": "EUR"}: a decimal in a string, never a JSON number."""

    amount = serializers.CharField(max_length=26, trim_whitespace=False)
    currency = serializers.CharField(min_length=3, max_length=3)

    def to_internal_value(self, data: Any) -> Money:
        """Read money. A number, an exponent, a wrong number of decimals are named errors."""
        if isinstance(data, dict) and not isinstance(data.get("amount", ""), str):
            raise serializers.ValidationError({"amount": "The amount is a decimal in a string."})
        values = super().to_internal_value(data)
        try:
            return Money.parse(values["amount"], values["currency"])
        except UnknownCurrency as refusal:
            raise serializers.ValidationError({"currency": refusal.title}) from None
        except BadAmount as refusal:
            raise serializers.ValidationError(
                {"amount": f"{refusal.title} {refusal.facts['reason']}."}
            ) from None

    def to_representation(self, instance: Money) -> dict[str, str]:
        """Write money with exactly the decimals of its currency."""
        return money_data(instance)


def money_data(money: Money) -> dict[str, str]:
    """Write money as APIs show it."""
    return {"amount": money.decimal_text(), "currency": money.currency}
