"""The shapes of mandates, collections, returns and recalls."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.http.api import MoneySerializer, PublicIdField
from apps.payments.api.serializers import PaymentSerializer
from apps.payments.domain.mandates import (
    ACH,
    PRENOTIFICATION_DAYS,
    PRENOTIFICATION_DAYS_MAX,
    MandateState,
    Recurrence,
    Scheme,
    SequenceType,
)
from apps.payments.domain.recalls import RecallReason, RecallState
from apps.payments.domain.references import NAME_MAX, REMITTANCE_MAX
from apps.payments.domain.returns import ReturnKind, ReturnState
from apps.payments.rails.base import Action


class DebtorSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=NAME_MAX)
    iban = serializers.CharField(max_length=42)
    country = serializers.CharField(min_length=2, max_length=2, required=False, default="")
    town = serializers.CharField(max_length=35, required=False, default="")


class MandateOrderSerializer(serializers.Serializer[Any]):
    """What a new mandate says. Without a day of signature it is a draft."""

    debtor = DebtorSerializer()
    signed_on = serializers.DateField(required=False, allow_null=True, default=None)
    reference = serializers.CharField(
        max_length=35,
        required=False,
        default="",
        allow_blank=True,
        help_text="The unique mandate reference, at most 35 characters; ours if it is left out.",
    )
    scheme = serializers.ChoiceField(choices=[one.value for one in Scheme], default=Scheme.CORE.value)
    recurrence = serializers.ChoiceField(
        choices=[one.value for one in Recurrence], default=Recurrence.RECURRING.value
    )
    prenotification_days = serializers.IntegerField(
        min_value=1,
        max_value=PRENOTIFICATION_DAYS_MAX,
        default=PRENOTIFICATION_DAYS,
        help_text="How many days before a collection its debtor is told, as agreed.",
    )


class MandateAmendmentSerializer(serializers.Serializer[Any]):
    """What changes; what is left out stays as it is."""

    reference = serializers.CharField(max_length=35, required=False, default="", allow_blank=True)
    debtor = DebtorSerializer(required=False, help_text="The debtor with the new account.")
    new_creditor_id = serializers.BooleanField(
        required=False, default=False, help_text="Take over the organisation's present creditor identifier."
    )


class SignatureSerializer(serializers.Serializer[Any]):
    signed_on = serializers.DateField()


class MandateSerializer(serializers.Serializer[Any]):
    """A mandate as it is told."""

    id = serializers.CharField()
    state = serializers.ChoiceField(choices=[state.value for state in MandateState])
    reference = serializers.CharField()
    scheme = serializers.ChoiceField(choices=[*(one.value for one in Scheme), ACH])
    recurrence = serializers.ChoiceField(choices=[one.value for one in Recurrence])
    creditor_id = serializers.CharField()
    counterparty_id = serializers.CharField()
    signed_on = serializers.DateField(allow_null=True)
    prenotification_days = serializers.IntegerField()
    last_used_on = serializers.DateField(allow_null=True)
    lapses_on = serializers.DateField(allow_null=True)
    amended_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()


class MandatePageSerializer(serializers.Serializer[Any]):
    items = MandateSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class CollectionOrderSerializer(serializers.Serializer[Any]):
    """What is collected, under which mandate, to which account."""

    mandate_id = PublicIdField("mdt")
    account_id = PublicIdField("acc", help_text="The account the money comes to, `acc_…`.")
    amount = MoneySerializer()
    collection_date = serializers.DateField(
        required=False,
        allow_null=True,
        default=None,
        help_text="The first possible TARGET day if it is left out, the next one if it is none.",
    )
    sequence_type = serializers.ChoiceField(
        choices=["", *(one.value for one in SequenceType)],
        required=False,
        default="",
        help_text="Derived from the mandate if it is left out; FNAL marks the last collection.",
    )
    remittance = serializers.CharField(
        max_length=REMITTANCE_MAX, required=False, default="", allow_blank=True
    )
    reference = serializers.CharField(max_length=70, required=False, default="", allow_blank=True)


class CollectionSerializer(PaymentSerializer):
    """A collection as it is told: a payment, with its mandate and its days."""

    mandate_id = serializers.CharField(
        allow_null=True, help_text="None for what takes back an entry of the ACH."
    )
    mandate_reference = serializers.CharField()
    scheme = serializers.ChoiceField(choices=[*(one.value for one in Scheme), ACH])
    sequence_type = serializers.ChoiceField(choices=[one.value for one in SequenceType])
    collection_date = serializers.DateField()
    presented_for = serializers.DateField(allow_null=True)
    prenotify_on = serializers.DateField()
    prenotified_at = serializers.DateTimeField(allow_null=True)
    reserved_until = serializers.DateField(allow_null=True)


class CollectionPageSerializer(serializers.Serializer[Any]):
    items = CollectionSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class ReturnSerializer(serializers.Serializer[Any]):
    """Something that came back, as it is told."""

    id = serializers.CharField()
    payment_id = serializers.CharField()
    type = serializers.ChoiceField(choices=[kind.value for kind in ReturnKind])
    state = serializers.ChoiceField(choices=[state.value for state in ReturnState])
    code = serializers.CharField(help_text="As the bank gave it.")
    reason = serializers.CharField(help_text="The same on every rail.")
    action = serializers.ChoiceField(choices=[action.value for action in Action])
    amount = MoneySerializer()
    original_reference = serializers.CharField()
    effective_on = serializers.DateField()
    booked_on = serializers.DateField(allow_null=True)
    created_at = serializers.DateTimeField()


class ReturnPageSerializer(serializers.Serializer[Any]):
    items = ReturnSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class RecallOrderSerializer(serializers.Serializer[Any]):
    reason = serializers.ChoiceField(choices=[reason.value for reason in RecallReason])
    information = serializers.CharField(max_length=105, required=False, default="", allow_blank=True)


class RecallSerializer(serializers.Serializer[Any]):
    """A recall as it is told."""

    id = serializers.CharField()
    payment_id = serializers.CharField()
    state = serializers.ChoiceField(choices=[state.value for state in RecallState])
    reason = serializers.ChoiceField(choices=[reason.value for reason in RecallReason])
    answer_code = serializers.CharField()
    message_id = serializers.CharField()
    requested_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()
