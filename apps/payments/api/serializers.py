"""The shapes of requests and answers. What they accept is checked again by the commands."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.http.api import MoneySerializer, PublicIdField
from apps.payments.domain.cards import AttemptState, Capture
from apps.payments.domain.lifecycle import Kind, State
from apps.payments.domain.payee import Result
from apps.payments.domain.references import NAME_MAX, REMITTANCE_MAX
from apps.payments.domain.routing import PAYOUT_RAILS, Speed
from apps.payments.domain.us_accounts import ACCOUNT_KINDS, HOLDERS
from apps.payments.rails.base import Action


class CreditorSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=NAME_MAX)
    iban = serializers.CharField(
        max_length=42, required=False, default="", help_text="Where the money goes, in Europe."
    )
    country = serializers.CharField(min_length=2, max_length=2, required=False, default="")
    town = serializers.CharField(max_length=35, required=False, default="")
    routing_number = serializers.CharField(
        max_length=18,
        required=False,
        default="",
        help_text="Where the money goes, in the United States: the bank's nine digits (ABA).",
    )
    account_number = serializers.CharField(max_length=34, required=False, default="")
    account_kind = serializers.ChoiceField(choices=ACCOUNT_KINDS, required=False, default="checking")
    holder = serializers.ChoiceField(
        choices=HOLDERS,
        required=False,
        default="person",
        help_text="Whose account it is, in the United States.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for one account, whole."""
        if bool(attrs["iban"]) == bool(attrs["routing_number"]):
            raise serializers.ValidationError({"iban": "Give an IBAN, or a routing and an account number."})
        if bool(attrs["routing_number"]) != bool(attrs["account_number"]):
            raise serializers.ValidationError(
                {"account_number": "A routing and an account number go together."}
            )
        return attrs


_NEEDED = {
    Kind.TRANSFER: "destination_account_id",
    Kind.PAYOUT: "creditor",
    Kind.CARD: "card_token",
}
_OF_ONE_TYPE = {
    "destination_account_id": Kind.TRANSFER,
    **dict.fromkeys(("creditor", "speed", "rail", "verification_id"), Kind.PAYOUT),
    **dict.fromkeys(("card_token", "capture", "return_url"), Kind.CARD),
}
"""What a payment of one type has and those of the others have not."""


class OrderSerializer(serializers.Serializer[Any]):
    """What every order of a payment says."""

    type = serializers.ChoiceField(choices=[Kind.TRANSFER.value, Kind.PAYOUT.value, Kind.CARD.value])
    account_id = PublicIdField(
        "acc", help_text="The account the money leaves, `acc_…`; for a card: the one that it comes to."
    )
    amount = MoneySerializer()
    destination_account_id = PublicIdField(
        "acc", required=False, help_text="For a transfer: the account the money goes to."
    )
    creditor = CreditorSerializer(required=False, help_text="For a payout: who is to get the money.")
    remittance = serializers.CharField(
        max_length=REMITTANCE_MAX,
        required=False,
        default="",
        allow_blank=True,
        help_text="What the payee reads, at most 140 characters.",
    )
    reference = serializers.CharField(
        max_length=70, required=False, default="", allow_blank=True, help_text="Your own reference."
    )

    same_day = serializers.BooleanField(
        required=False,
        default=False,
        help_text="For a payout in US dollars: settle on the same day, within the ACH's limit and cut-offs.",
    )
    speed = serializers.ChoiceField(
        choices=[speed.value for speed in Speed],
        required=False,
        help_text="For a payout: how soon the money should be there. A wish; the answer's `rail` tells.",
    )
    rail = serializers.ChoiceField(
        choices=list(PAYOUT_RAILS),
        required=False,
        help_text="For a payout: this rail and no other.",
    )
    quote_id = PublicIdField(
        "fxq",
        required=False,
        help_text="For a transfer or payout in another currency than its account's: the quote to use.",
    )
    verification_id = PublicIdField(
        "vop", required=False, help_text="For a payout: the verification of the payee that you confirm."
    )

    card_token = serializers.CharField(
        max_length=100,
        required=False,
        help_text="For a card: the processor's token, `tok_…`. Never a card number, which is refused.",
    )
    capture = serializers.ChoiceField(
        choices=[one.value for one in Capture],
        required=False,
        help_text="For a card: capture at once (automatic), or when you say so.",
    )
    return_url = serializers.CharField(
        max_length=500,
        required=False,
        help_text="For a card: where the payer comes back to after authenticating, https.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for exactly what the type of payment has."""
        kind = attrs["type"]
        if _NEEDED[kind] not in attrs:
            raise serializers.ValidationError({_NEEDED[kind]: f"A {kind} needs this."})
        if kind == Kind.CARD and "quote_id" in attrs:
            raise serializers.ValidationError({"quote_id": f"A {kind} has no such thing."})
        for name, owner in _OF_ONE_TYPE.items():
            if name in attrs and owner != kind:
                raise serializers.ValidationError({name: f"A {kind} has no such thing."})
        return attrs


class RefundOrderSerializer(serializers.Serializer[Any]):
    amount = MoneySerializer()
    reason = serializers.CharField(max_length=REMITTANCE_MAX, required=False, default="", allow_blank=True)


class ReasonSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)


class AttemptSerializer(serializers.Serializer[Any]):
    """A try to have a card authorised."""

    id = serializers.CharField()
    payment_id = serializers.CharField()
    number = serializers.IntegerField()
    state = serializers.ChoiceField(choices=[state.value for state in AttemptState])
    amount = MoneySerializer()
    processor_reference = serializers.CharField(allow_null=True)
    failure_code = serializers.CharField()
    processor_code = serializers.CharField()
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()


class CardSerializer(serializers.Serializer[Any]):
    """What a card payment has besides: its totals, computed from its operations, and its tries."""

    capture = serializers.ChoiceField(choices=[one.value for one in Capture])
    captured = MoneySerializer()
    refunded = MoneySerializer()
    refundable = MoneySerializer()
    disputed = MoneySerializer()
    action_url = serializers.CharField(
        help_text="Where to send the payer while the state is requires_action."
    )
    expires_at = serializers.DateTimeField()
    attempts = AttemptSerializer(many=True)


class PaymentSerializer(serializers.Serializer[Any]):
    """A payment as it is told."""

    id = serializers.CharField()
    type = serializers.ChoiceField(choices=[kind.value for kind in Kind])
    state = serializers.ChoiceField(choices=[state.value for state in State])
    rail = serializers.CharField()
    amount = MoneySerializer()
    account_id = serializers.CharField()
    destination_account_id = serializers.CharField(allow_null=True)
    counterparty_id = serializers.CharField(allow_null=True)
    parent_id = serializers.CharField(allow_null=True)
    bulk_order_id = serializers.CharField(allow_null=True)
    standing_order_id = serializers.CharField(allow_null=True)
    end_to_end_id = serializers.CharField()
    reference = serializers.CharField()
    failure_code = serializers.CharField()
    advice = serializers.ChoiceField(
        choices=["", *(action.value for action in Action)],
        help_text="What can be done about a rejection; empty where the rail does not tell.",
    )
    speed = serializers.ChoiceField(choices=[speed.value for speed in Speed])
    verification_id = serializers.CharField(allow_null=True)
    payee_result = serializers.ChoiceField(choices=["", *(result.value for result in Result)])
    quote_id = serializers.CharField(allow_null=True)
    source_amount = MoneySerializer(
        allow_null=True, help_text="What left the account, fee included, where that is another currency."
    )
    exchange_rate = serializers.CharField(
        allow_null=True, help_text="What one unit sold has bought; a decimal."
    )
    approved = serializers.BooleanField()
    card = CardSerializer(required=False, help_text="Of a card payment shown alone.")
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()


class PayeeSerializer(serializers.Serializer[Any]):
    """A name and the account that it should belong to."""

    name = serializers.CharField(max_length=NAME_MAX)
    iban = serializers.CharField(max_length=42)


class PayeeVerificationSerializer(serializers.Serializer[Any]):
    """What a verification of a payee found."""

    id = serializers.CharField()
    result = serializers.ChoiceField(choices=["", *(result.value for result in Result)])
    matched_name = serializers.CharField(
        allow_null=True, help_text="The account holder's name, told for a close match alone."
    )
    provider = serializers.CharField()
    requested_at = serializers.DateTimeField()
    answered_at = serializers.DateTimeField(allow_null=True)


class PaymentPageSerializer(serializers.Serializer[Any]):
    items = PaymentSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class PaymentEventSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    event = serializers.CharField()
    from_state = serializers.CharField()
    to_state = serializers.CharField()
    applied = serializers.BooleanField()
    reason = serializers.CharField()
    told_by = serializers.CharField()
    journal = serializers.IntegerField(allow_null=True)
    at = serializers.DateTimeField()


class PaymentEventsSerializer(serializers.Serializer[Any]):
    items = PaymentEventSerializer(many=True)
