"""The shapes of customers, payment accounts, balances and statements in the API.

Members named `data`, `label` and `errors` are declared fields, which DRF's metaclass takes off the class.
"""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.accounts import domain
from apps.core.http.api import MoneySerializer, PublicIdField


class Text(serializers.CharField):
    """A JSON string. A number is none, although it could be written as one."""

    def to_internal_value(self, data: Any) -> str:
        """Take a string and nothing else."""
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class Shape(serializers.Serializer[Any]):
    """A JSON object of the named members and no others: a misspelt member is an error, not ignored."""

    def to_internal_value(self, data: Any) -> Any:
        """Refuse unknown members by name."""
        if isinstance(data, dict):
            unknown = sorted(set(data) - set(self.fields))
            if unknown:
                raise serializers.ValidationError(
                    {name[:60]: "There is no such member." for name in unknown[:5]}
                )
        return super().to_internal_value(data)


class CustomerIn(Shape):
    """A customer to create."""

    kind = serializers.ChoiceField(choices=["person", "company"])
    name = Text(max_length=domain.NAME_CHARS_MAX)
    country = Text(max_length=2, help_text="ISO 3166-1 alpha-2.")
    email = Text(max_length=domain.EMAIL_CHARS_MAX, required=False, allow_blank=True, default="")
    phone = Text(
        max_length=40, required=False, allow_blank=True, default="", help_text="International, as +31…"
    )
    reference = Text(
        max_length=domain.REFERENCE_CHARS_MAX,
        required=False,
        allow_blank=True,
        default="",
        help_text="Your own number of the customer; no personal data.",
    )


class CustomerChange(Shape):
    """What to change of a customer; members left out stay as they are."""

    name = Text(max_length=domain.NAME_CHARS_MAX, required=False)
    country = Text(max_length=2, required=False)
    email = Text(max_length=domain.EMAIL_CHARS_MAX, required=False, allow_blank=True)
    phone = Text(max_length=40, required=False, allow_blank=True)
    reference = Text(max_length=domain.REFERENCE_CHARS_MAX, required=False, allow_blank=True)


class CustomerSearch(Shape):
    """What to find customers by: exactly one member, compared whole, without regard to case and spaces."""

    email = Text(max_length=domain.EMAIL_CHARS_MAX, required=False)
    name = Text(max_length=domain.NAME_CHARS_MAX, required=False)
    phone = Text(max_length=40, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for exactly one member."""
        if len(attrs) != 1:
            raise serializers.ValidationError("Give exactly one of email, name and phone.")
        return attrs


class CustomerOut(serializers.Serializer[Any]):
    """A customer. `erased` stands for personal data that was erased."""

    id = serializers.CharField(help_text="pty_…")
    kind = serializers.CharField()
    name = serializers.CharField()
    email = serializers.CharField(allow_null=True)
    phone = serializers.CharField(allow_null=True)
    country = serializers.CharField()
    reference = serializers.CharField()
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()


class CustomerPage(serializers.Serializer[Any]):
    """A page of customers, newest first."""

    items = CustomerOut(many=True)
    next = serializers.CharField(allow_null=True)


class BeneficiaryIn(Shape):
    """A payee to put on a customer's list."""

    name = Text(max_length=domain.NAME_CHARS_MAX)
    iban = Text(max_length=60)


class BeneficiaryOut(serializers.Serializer[Any]):
    """A trusted beneficiary."""

    id = serializers.CharField(help_text="ben_…")
    customer_id = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    iban = serializers.CharField()
    added_at = serializers.DateTimeField()


class BeneficiaryPage(serializers.Serializer[Any]):
    """A page of beneficiaries, newest first."""

    items = BeneficiaryOut(many=True)
    next = serializers.CharField(allow_null=True)


class AccountIn(Shape):
    """A payment account to open: of a customer, or without one for the organisation's own money."""

    currency = Text(max_length=3, help_text="ISO 4217.")
    customer_id = PublicIdField("pty", required=False, allow_null=True, default=None)
    label = Text(max_length=domain.LABEL_CHARS_MAX, required=False, allow_blank=True, default="")  # type: ignore[assignment]  # a field named as DRF names an attribute


class BlockIn(Shape):
    """Why an account is blocked."""

    reason = serializers.ChoiceField(choices=sorted(domain.BLOCK_REASONS))


class Nothing(Shape):
    """An empty object."""


class AccountOut(serializers.Serializer[Any]):
    """A payment account."""

    id = serializers.CharField(help_text="acc_…")
    customer_id = serializers.CharField(allow_null=True)
    iban = serializers.CharField()
    currency = serializers.CharField()
    status = serializers.CharField(help_text="open, blocked or closed")
    block_reason = serializers.CharField(allow_null=True)
    label = serializers.CharField()  # type: ignore[assignment]  # a field named as DRF names an attribute
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)


class AccountPage(serializers.Serializer[Any]):
    """A page of payment accounts, newest first."""

    items = AccountOut(many=True)
    next = serializers.CharField(allow_null=True)


class BalanceOut(serializers.Serializer[Any]):
    """A balance. In the past only `posted` is known; holds are of the moment."""

    account_id = serializers.CharField()
    posted = MoneySerializer(help_text="Booked.")
    pending = MoneySerializer(required=False, help_text="Held for payments under way.")
    available = MoneySerializer(required=False, help_text="Booked less held.")
    at = serializers.DateTimeField(required=False)
    effective_date = serializers.DateField(required=False)


class EntryOut(serializers.Serializer[Any]):
    """One entry of a statement; a credit is positive. `balance` is what was booked after it."""

    id = serializers.CharField()
    amount = MoneySerializer()
    balance = MoneySerializer()
    kind = serializers.CharField()
    reference = serializers.CharField(help_text="Mostly the id of a payment.")
    effective_date = serializers.DateField()
    recorded_at = serializers.DateTimeField()


class StatementOut(serializers.Serializer[Any]):
    """A page of entries, in the order asked for."""

    account_id = serializers.CharField()
    items = EntryOut(many=True)
    next = serializers.CharField(allow_null=True)
