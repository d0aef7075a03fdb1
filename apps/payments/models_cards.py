"""Tables of card payments: processors, fee rules, what belongs to an intent, attempts, operations, disputes.

No table here has room for a card number: a card is a processor's token.
"""

from __future__ import annotations

from uuid import UUID

from django.db import models

from apps.core.crypto.fields import EncryptedTextField
from apps.core.fields import CurrencyField, MoneyMinorField
from apps.core.models import TenantModel
from apps.core.money import Money
from apps.payments.domain import cards
from apps.payments.domain.fees import Fee, shares_of
from apps.payments.domain.machine import Machine
from apps.payments.models import Living

EVIDENCE_MAX = 4_000
_ATTEMPT_STATES = [state.value for state in cards.AttemptState]
_OPERATION_STATES = [state.value for state in cards.OperationState]
_OPERATION_TYPES = [kind.value for kind in cards.OperationType]
_DISPUTE_STATES = [state.value for state in cards.DisputeState]


class CardProcessor(TenantModel):
    """The operator's account with a card processor, in one currency, and the ledger accounts that mirror it.

    `name` is also the provider by which its verified events come. Its API key is not in the database.
    """

    name = models.CharField(max_length=30)
    currency = CurrencyField()
    base_url = models.CharField(max_length=200)
    settlement_account_id = models.UUIDField()  # where it pays out
    reserve_days = models.PositiveSmallIntegerField()  # from capture until the merchant may spend
    active = models.BooleanField(default=True)
    receivable_id = models.BigIntegerField()
    costs_id = models.BigIntegerField()
    refunds_id = models.BigIntegerField()
    disputes_id = models.BigIntegerField()
    created_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(fields=["name", "currency"], name="payments_processor_once"),
            # Which processor takes a card is never a matter of chance.
            models.UniqueConstraint(
                fields=["currency"], condition=models.Q(active=True), name="payments_one_processor_a_currency"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.currency}"


class FeeRule(TenantModel):
    """A version of what an organisation is charged for a capture. Versions are added and never changed."""

    currency = CurrencyField()
    version = models.PositiveIntegerField()
    effective_from = models.DateField()
    flat_minor = MoneyMinorField()
    percent_bp = models.PositiveIntegerField()
    min_minor = MoneyMinorField()
    max_minor = MoneyMinorField(null=True)
    shares = models.JSONField()  # [[name, parts, income account], …]; the first gets the remainder
    set_by = models.CharField(max_length=120)
    created_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["organisation_id", "currency", "version"], name="payments_fee_version"
            ),
            models.CheckConstraint(
                condition=models.Q(flat_minor__gte=0, min_minor__gte=0, percent_bp__lte=10_000),
                name="payments_fee_sane",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.currency} v{self.version}"

    @property
    def fee(self) -> Fee:
        """Return the rule as the domain knows it."""
        return Fee(
            self.currency,
            self.flat_minor,
            self.percent_bp,
            self.min_minor,
            self.max_minor,
            shares_of([share[:2] for share in self.shares]),
        )


class CardDetails(TenantModel):
    """What belongs to a card payment besides its intent. Its key is the payment's."""

    processor_id = models.UUIDField()
    provider = models.CharField(max_length=30)
    capture = models.CharField(max_length=10, choices=[(one.value, one.value) for one in cards.Capture])
    return_url = models.CharField(max_length=500, default="")
    pending_id = models.BigIntegerField()  # ledger account: captured and not yet the merchant's to spend
    owed_id = models.BigIntegerField()  # ledger account: what the merchant owes for disputes
    expires_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        indexes = [
            # What has outlived its authorisation; the job walks it from the oldest.
            models.Index(fields=["expires_at"], name="payments_card_expiry")
        ]

    def __str__(self) -> str:
        return str(self.id)


class _Sent(Living):
    """What goes to a processor: how often we have asked about it, and when to look at it again."""

    payment_id = models.UUIDField()
    provider = models.CharField(max_length=30)
    external_id = models.CharField(max_length=100, null=True)  # the processor's; completed by any later word
    amount_minor = MoneyMinorField()
    currency = CurrencyField()
    code = models.CharField(max_length=40, default="")  # as the processor says it
    failure_code = models.CharField(max_length=35, default="")  # normalised
    ask_at = models.DateTimeField(null=True)  # none: nothing is to be sent or asked any more
    asked = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta(Living.Meta):
        abstract = True

    @property
    def life_of(self) -> UUID | None:
        """Return the payment."""
        return self.payment_id

    @property
    def amount(self) -> Money:
        """Return the amount, which never changes."""
        return Money(self.amount_minor, self.currency)


class Attempt(_Sent):
    """One try to have a card authorised for the whole amount of a payment."""

    OBJECT, PREFIX = "attempt", "att"

    number = models.PositiveSmallIntegerField()
    card_token = models.CharField(max_length=100)
    action_url = models.CharField(max_length=500, default="")

    class Meta(_Sent.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(state__in=_ATTEMPT_STATES), name="payments_attempt_state"
            ),
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="payments_attempt_amount"),
            # No column can hold a card number: a token says that it is one.
            models.CheckConstraint(
                condition=models.Q(("card_token__startswith", "tok_")), name="payments_attempt_token"
            ),
            models.UniqueConstraint(fields=["payment_id", "number"], name="payments_attempt_number"),
            models.UniqueConstraint(
                fields=["organisation_id", "provider", "external_id"],
                condition=models.Q(external_id__isnull=False),
                name="payments_attempt_external_once",
            ),
        ]
        indexes = [
            # What is to be sent or asked about; the job reads it by time.
            models.Index(
                fields=["ask_at"], condition=models.Q(ask_at__isnull=False), name="payments_attempt_due"
            )
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def machine(self) -> Machine:
        """Return the table of attempts."""
        return cards.ATTEMPT


class Operation(_Sent):
    """A capture, void or refund of what an attempt had authorised."""

    OBJECT, PREFIX = "operation", "opr"

    attempt_id = models.UUIDField()
    type = models.CharField(max_length=10, choices=[(kind, kind) for kind in _OPERATION_TYPES])
    final = models.BooleanField(default=False)  # a capture after which the rest is given up
    reason = models.CharField(max_length=140, default="")
    ordered_by = models.CharField(max_length=120)
    booked_seq = models.BigIntegerField(null=True)  # the journal that booked it
    release_at = models.DateTimeField(null=True)  # when a captured amount is the merchant's to spend
    released_at = models.DateTimeField(null=True)

    class Meta(_Sent.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(state__in=_OPERATION_STATES), name="payments_operation_state"
            ),
            models.CheckConstraint(
                condition=models.Q(type__in=_OPERATION_TYPES), name="payments_operation_type"
            ),
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="payments_operation_amount"),
            models.UniqueConstraint(
                fields=["organisation_id", "provider", "external_id"],
                condition=models.Q(external_id__isnull=False),
                name="payments_operation_external_once",
            ),
        ]
        indexes = [
            # A payment's operations, oldest first: every decision reads them.
            models.Index(fields=["payment_id", "id"], name="payments_operations_of"),
            # What is to be sent or asked about.
            models.Index(
                fields=["ask_at"], condition=models.Q(ask_at__isnull=False), name="payments_operation_due"
            ),
            # Captures whose reserve is to be made available.
            models.Index(
                fields=["release_at"],
                condition=models.Q(release_at__isnull=False, released_at__isnull=True),
                name="payments_operation_release",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"

    @property
    def machine(self) -> Machine:
        """Return the table of the operation's type."""
        return cards.OPERATIONS[cards.OperationType(self.type)]


class Dispute(Living):
    """A cardholder's dispute of a payment, as the processor tells it."""

    OBJECT, PREFIX = "dispute", "dsp"

    payment_id = models.UUIDField()
    provider = models.CharField(max_length=30)
    external_id = models.CharField(max_length=100)
    amount_minor = MoneyMinorField()
    currency = CurrencyField()
    reason = models.CharField(max_length=40, default="")
    evidence_due_at = models.DateTimeField(null=True)
    ask_at = models.DateTimeField(null=True)  # an answer of ours that the processor has not confirmed yet
    asked = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta(Living.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(state__in=_DISPUTE_STATES), name="payments_dispute_state"
            ),
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="payments_dispute_amount"),
            models.UniqueConstraint(
                fields=["organisation_id", "provider", "external_id"], name="payments_dispute_external_once"
            ),
        ]
        indexes = [
            # A payment's disputes, for what can still be refunded.
            models.Index(fields=["payment_id", "id"], name="payments_disputes_of"),
            # An organisation's disputes, by state, newest first.
            models.Index(fields=["organisation_id", "state", "-id"], name="payments_disputes_by_state"),
            # Answers to deliver again.
            models.Index(
                fields=["ask_at"], condition=models.Q(ask_at__isnull=False), name="payments_dispute_due"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def machine(self) -> Machine:
        """Return the table of disputes."""
        return cards.DISPUTE

    @property
    def life_of(self) -> UUID | None:
        """Return the payment."""
        return self.payment_id

    @property
    def amount(self) -> Money:
        """Return the disputed amount, which never changes."""
        return Money(self.amount_minor, self.currency)


class DisputeEvidence(TenantModel):
    """What a merchant wrote against a dispute, sealed: it tells of people. Rows are added, never changed."""

    dispute_id = models.UUIDField()
    text = EncryptedTextField(purpose="dispute_evidence", subject="organisation_id", max_length=EVIDENCE_MAX)
    submitted_by = models.CharField(max_length=120)
    submitted_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        indexes = [
            # What was submitted against one dispute.
            models.Index(fields=["dispute_id", "id"], name="payments_evidence_of")
        ]

    def __str__(self) -> str:
        return str(self.id)
