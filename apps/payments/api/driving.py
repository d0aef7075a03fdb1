"""Answering with what a processor made of a command: commit, call, apply, tell."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock, tenancy
from apps.core.commands import Command, execute
from apps.core.errors import InFlight
from apps.core.http.api import REPLAYED, ApiView
from apps.core.http.idempotency import idempotency_key
from apps.core.http.pages import page_by_id
from apps.payments import card_calls
from apps.payments.commands.card_words import TellCardOutcome
from apps.payments.domain.cards import OperationType
from apps.payments.models import Payment
from apps.payments.models_cards import Operation
from apps.payments.representation import operation_data


def driven(view: ApiView, command: Command, *, status: int = 201) -> Response:
    """Run a command, let the processor answer what it prepared, and tell how things stand then.

    That answer is stored under a key of its own, so a repetition gets the same one. A repetition while the
    first is still being answered raises InFlight. Commands that prepare nothing are answered as ever.
    """
    key = idempotency_key(view.request)
    outcome = execute(command, actor=view.actor, key=key, at=clock.database_now())
    headers = {REPLAYED: "true"} if outcome.replayed else {}
    if outcome.status == "pending_approval":
        return Response(outcome.answer, status=202, headers=headers)
    if "next" not in outcome.answer:
        return Response(outcome.answer, status=status, headers=headers)
    references = list(outcome.answer["next"])
    if outcome.replayed:
        with tenancy.scope(view.organisation_id):
            if card_calls.is_being_answered(references):
                raise InFlight
    card_calls.drive(references, organisation_id=view.organisation_id)
    told = execute(
        TellCardOutcome(view.organisation_id, outcome.answer["id"]),
        actor=view.actor,
        key=f"{key} outcome",
        at=clock.database_now(),
    )
    return Response(told.answer, status=status, headers=headers)


def operations_page(request: Request, payment: Payment, kind: OperationType) -> Response:
    """List a card payment's operations of a type, newest first."""
    rows = Operation.objects.filter(payment_id=payment.pk, type=kind.value)
    items, links = page_by_id(request, rows)
    return Response({"items": [operation_data(row) for row in items], **links})
