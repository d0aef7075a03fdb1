"""The shapes of requests and answers about captures, refunds and disputes of cards."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.http.api import MoneySerializer
from apps.payments.api.serializers import AttemptSerializer
from apps.payments.domain.cards import DisputeState, OperationState, OperationType
from apps.payments.models_cards import EVIDENCE_MAX


class CaptureOrderSerializer(serializers.Serializer[Any]):
    amount = MoneySerializer(required=False, help_text="Left out: all that can still be captured.")
    final = serializers.BooleanField(
        required=False, default=False, help_text="Give the rest up: nothing can be captured after it."
    )


class TokenSerializer(serializers.Serializer[Any]):
    card_token = serializers.CharField(max_length=100, help_text="The processor's token, `tok_…`.")


class EvidenceSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=EVIDENCE_MAX, help_text="What speaks against the dispute.")


class OperationSerializer(serializers.Serializer[Any]):
    """A capture, void or refund of a card payment."""

    id = serializers.CharField()
    type = serializers.ChoiceField(choices=[kind.value for kind in OperationType])
    payment_id = serializers.CharField()
    state = serializers.ChoiceField(choices=[state.value for state in OperationState])
    amount = MoneySerializer()
    final = serializers.BooleanField()
    processor_reference = serializers.CharField(allow_null=True)
    failure_code = serializers.CharField()
    processor_code = serializers.CharField()
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()


class OperationPageSerializer(serializers.Serializer[Any]):
    items = OperationSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class AttemptsSerializer(serializers.Serializer[Any]):
    items = AttemptSerializer(many=True)


class DisputeSerializer(serializers.Serializer[Any]):
    """A cardholder's dispute."""

    id = serializers.CharField()
    payment_id = serializers.CharField()
    state = serializers.ChoiceField(choices=[state.value for state in DisputeState])
    amount = MoneySerializer()
    reason = serializers.CharField()
    processor_reference = serializers.CharField()
    evidence_due_at = serializers.DateTimeField(allow_null=True)
    answer_delivered = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()


class DisputePageSerializer(serializers.Serializer[Any]):
    items = DisputeSerializer(many=True)
    next = serializers.CharField(allow_null=True)
