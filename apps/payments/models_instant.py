"""Tables of instant payments: attempts and their inquiries, circuits of providers, verifications of payees."""

from __future__ import annotations

from django.db import models

from apps.core.crypto.fields import EncryptedTextField
from apps.core.models import TenantModel
from apps.payments.domain.payee import Result
from apps.payments.domain.references import NAME_MAX
from apps.payments.models import Rail


class InstantAttempt(TenantModel):
    """One message with one payment on an instant rail, and what is known of it.

    Written before the message leaves. Without an outcome it is asked about again and again, at
    `inquire_at`; when the questions are used up, people take over.
    """

    class Outcome(models.TextChoices):
        NONE = ""  # nothing is known yet
        ACCEPTED = "accepted"
        REJECTED = "rejected"
        NOT_SENT = "not_sent"  # certainly never reached the bank

    payment_id = models.UUIDField()
    number = models.PositiveSmallIntegerField()  # 1, 2, 3 … within the payment
    rail = models.CharField(max_length=12, choices=Rail)
    message_id = models.CharField(max_length=35, unique=True)
    outcome = models.CharField(max_length=8, choices=Outcome, default=Outcome.NONE)
    code = models.CharField(max_length=35, default="")  # as the rail gave it
    sent_at = models.DateTimeField()  # the time stamp in the message, from which the rail's clock runs
    answered_at = models.DateTimeField(null=True)
    inquiries = models.PositiveSmallIntegerField(default=0)
    inquire_at = models.DateTimeField(null=True)

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(outcome__in=["", "accepted", "rejected", "not_sent"]),
                name="payments_instant_outcome",
            ),
            models.UniqueConstraint(fields=["payment_id", "number"], name="payments_instant_number"),
        ]
        indexes = [
            # What is to be asked about next; what has an answer is not in it.
            models.Index(
                fields=["inquire_at"],
                condition=models.Q(inquire_at__isnull=False),
                name="payments_instant_to_ask",
            )
        ]

    def __str__(self) -> str:
        return self.message_id


class ProviderCircuit(TenantModel):
    """How a provider (a rail, or who verifies payees) does; see `domain.circuits`. Owned by the operator."""

    name = models.CharField(max_length=40, unique=True)
    failures = models.PositiveIntegerField(default=0)
    opened = models.PositiveIntegerField(default=0)
    open_until = models.DateTimeField(null=True)
    probe_until = models.DateTimeField(null=True)
    latest_error = models.CharField(max_length=40, default="")
    changed_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class BulkVerification(TenantModel):
    """What was found of a payee of a bulk order, once; the newest counts. Name and IBAN are the counterparty's."""

    bulk_order_id = models.UUIDField()
    counterparty_id = models.UUIDField()
    result = models.CharField(max_length=12)
    matched_name = EncryptedTextField(
        purpose="bulk_verification", subject="counterparty_id", max_length=140, null=True
    )  # the holder's, told for a close match
    provider = models.CharField(max_length=30, default="")
    answered_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(result__in=[result.value for result in Result]),
                name="payments_bulk_payee_result",
            ),
        ]
        indexes = [
            # The newest finding on each payee of an order.
            models.Index(
                fields=["bulk_order_id", "counterparty_id", "-answered_at"], name="payments_bulk_findings"
            )
        ]

    def __str__(self) -> str:
        return str(self.id)


class PayeeVerification(TenantModel):
    """Whether a name belongs to an account's holder: who asked, what was answered, by whom, when.

    Names and IBAN are sealed under a key of their own.
    """

    name = EncryptedTextField(purpose="payee_verification", subject="id", max_length=NAME_MAX)
    iban = EncryptedTextField(purpose="payee_verification", subject="id", max_length=34)
    result = models.CharField(max_length=12, default="")  # empty until the answer is there
    matched_name = EncryptedTextField(
        purpose="payee_verification", subject="id", max_length=140, null=True
    )  # the holder's, told for a close match
    provider = models.CharField(max_length=30, default="")
    requested_by = models.CharField(max_length=120)
    requested_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(result__in=["", *(result.value for result in Result)]),
                name="payments_payee_result",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)
