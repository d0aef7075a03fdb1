"""The shapes of what only the ACH has: authorisations to debit, and arguments about returns."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.http.api import MoneySerializer, PublicIdField
from apps.payments.api.debit_shapes import MandateSerializer
from apps.payments.domain.mandates import Recurrence
from apps.payments.domain.prenotes import AUTHORISED_BY, PrenoteState
from apps.payments.domain.references import NAME_MAX, REMITTANCE_MAX
from apps.payments.domain.return_disputes import DisputeState
from apps.payments.domain.us_accounts import ACCOUNT_KINDS, HOLDERS
from apps.payments.models_ach import EVIDENCE_MAX


class UsDebtorSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=NAME_MAX)
    routing_number = serializers.CharField(max_length=18, help_text="The bank's nine digits (ABA).")
    account_number = serializers.CharField(max_length=34)
    account_kind = serializers.ChoiceField(choices=ACCOUNT_KINDS, required=False, default="checking")
    holder = serializers.ChoiceField(choices=HOLDERS, required=False, default="person")


class AchAuthorisationOrderSerializer(serializers.Serializer[Any]):
    """How somebody lets us debit their account. What proves it is kept, sealed."""

    debtor = UsDebtorSerializer()
    authorised_by = serializers.ChoiceField(
        choices=AUTHORISED_BY, help_text="Decides the entry class of a person's debits: PPD, WEB or TEL."
    )
    signed_on = serializers.DateField()
    evidence = serializers.CharField(
        max_length=EVIDENCE_MAX, help_text="What proves it: the form's number, the session, the recording."
    )
    reference = serializers.CharField(max_length=35, required=False, default="", allow_blank=True)
    recurrence = serializers.ChoiceField(
        choices=[one.value for one in Recurrence], default=Recurrence.RECURRING.value
    )
    prenote = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Ask the bank first, by an entry without money; the first debit waits three banking days.",
    )


class AchAuthorisationSerializer(MandateSerializer):
    """An authorisation as it is told: a mandate of the scheme `ach`."""

    sec_code = serializers.CharField()
    prenote = serializers.ChoiceField(choices=[state.value for state in PrenoteState], allow_null=True)


class AchCollectionOrderSerializer(serializers.Serializer[Any]):
    """What is debited, under which mandate, for which account of ours."""

    mandate_id = PublicIdField("mdt")
    account_id = PublicIdField("acc", help_text="The account the money comes to, `acc_…`.")
    amount = MoneySerializer()
    remittance = serializers.CharField(
        max_length=REMITTANCE_MAX, required=False, default="", allow_blank=True
    )
    reference = serializers.CharField(max_length=70, required=False, default="", allow_blank=True)
    same_day = serializers.BooleanField(required=False, default=False)


class WhySerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=60)


class ReturnDisputeSerializer(serializers.Serializer[Any]):
    """What banks argue about the return of a payment."""

    id = serializers.CharField()
    payment_id = serializers.CharField()
    state = serializers.ChoiceField(choices=[state.value for state in DisputeState])
    dishonour_code = serializers.CharField()
    contest_code = serializers.CharField()
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()


class ReturnDisputePageSerializer(serializers.Serializer[Any]):
    items = ReturnDisputeSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class ResumedSerializer(serializers.Serializer[Any]):
    counterparty_id = serializers.CharField()
    resumed = serializers.BooleanField(help_text="False where nothing was stopped.")
