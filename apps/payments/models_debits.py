"""Tables of direct debits: mandates, what is collected under them, what comes back, what is asked back."""

from __future__ import annotations

from uuid import UUID

from django.db import models

from apps.core.fields import CurrencyField, MoneyMinorField
from apps.core.models import TenantModel
from apps.core.money import Money
from apps.payments.domain import mandates, recalls, returns
from apps.payments.domain.machine import Machine
from apps.payments.domain.references import NAME_MAX
from apps.payments.models import Living

REFERENCE_MAX = 35
MANDATE_STATES = [state.value for state in mandates.MandateState]
RETURN_STATES = [state.value for state in returns.ReturnState]
RETURN_KINDS = [kind.value for kind in returns.ReturnKind]
MOVING_KINDS = sorted(kind.value for kind in returns.MOVES_MONEY)
RECALL_STATES = [state.value for state in recalls.RecallState]
SCHEMES = [*(scheme.value for scheme in mandates.Scheme), mandates.ACH]
RECURRENCES = [one.value for one in mandates.Recurrence]
SEQUENCES = [one.value for one in mandates.SequenceType]


class CollectionPolicy(TenantModel):
    """Under which creditor identifier an organisation collects, and how long its money is reserved."""

    creditor_id = models.CharField(max_length=REFERENCE_MAX)  # AT-02
    creditor_name = models.CharField(max_length=NAME_MAX)  # a legal entity's, as the bank registered it
    core_reserve_days = models.PositiveSmallIntegerField()
    b2b_reserve_days = models.PositiveSmallIntegerField()
    approval_above_minor = MoneyMinorField(null=True)  # None: no collection needs a second person
    changed_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(fields=["organisation_id"], name="payments_collection_policy_once"),
        ]

    def __str__(self) -> str:
        return str(self.organisation_id)


class Mandate(Living):
    """A debtor's consent to collections. What a collection says of it is kept with the collection."""

    OBJECT, PREFIX = "mandate", "mdt"

    reference = models.CharField(max_length=REFERENCE_MAX)  # AT-01, unique with the creditor
    scheme = models.CharField(max_length=4)
    recurrence = models.CharField(max_length=10)
    creditor_id = models.CharField(max_length=REFERENCE_MAX)
    counterparty_id = models.UUIDField()  # the debtor
    signed_on = models.DateField(null=True)
    prenotification_days = models.PositiveSmallIntegerField()
    last_used_on = models.DateField(null=True)
    lapses_on = models.DateField(null=True)
    # What the next collection has to say was amended.
    amended_at = models.DateTimeField(null=True)
    original_reference = models.CharField(max_length=REFERENCE_MAX, default="")
    original_creditor_id = models.CharField(max_length=REFERENCE_MAX, default="")
    account_changed = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta(Living.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["organisation_id", "reference"], name="payments_mandate_reference_once"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=MANDATE_STATES, scheme__in=SCHEMES, recurrence__in=RECURRENCES),
                name="payments_mandate_words",
            ),
            models.CheckConstraint(
                condition=models.Q(signed_on__isnull=False, lapses_on__isnull=False)
                | models.Q(state__in=["drafted", "cancelled"]),
                name="payments_mandate_signed",
            ),
        ]
        indexes = [
            # An organisation's mandates, newest first, and by state.
            models.Index(fields=["organisation_id", "state", "-id"], name="payments_mandate_by_state"),
            # What lapses by a day.
            models.Index(
                fields=["lapses_on"],
                condition=models.Q(state__in=["active", "suspended"]),
                name="payments_mandate_lapses",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def machine(self) -> Machine:
        """Return the transition table of mandates."""
        return mandates.MANDATE


class Collection(TenantModel):
    """What a payment of the kind collection is besides: its mandate as it was ordered, and its days.

    It has its payment's key. The part about the mandate never changes, so that its file can be built again.
    """

    mandate_id = models.UUIDField(null=True)  # none: the reversal of an ACH credit, which needs none
    scheme = models.CharField(max_length=4)
    sequence_type = models.CharField(max_length=4)
    reference = models.CharField(max_length=REFERENCE_MAX)
    signed_on = models.DateField()
    creditor_id = models.CharField(max_length=REFERENCE_MAX)
    creditor_name = models.CharField(max_length=NAME_MAX)
    original_reference = models.CharField(max_length=REFERENCE_MAX, default="")
    original_creditor_id = models.CharField(max_length=REFERENCE_MAX, default="")
    account_changed = models.BooleanField(default=False)
    collection_date = models.DateField()  # asked for; a TARGET day
    submit_on = models.DateField()  # not handed over before
    prenotify_on = models.DateField()
    prenotified_at = models.DateTimeField(null=True)
    group_reference = models.CharField(max_length=REFERENCE_MAX, default="")  # its PmtInfId
    presented_for = models.DateField(null=True)  # the date in the file
    reserved_until = models.DateField(null=True)  # set while it is settled and not final

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(scheme__in=SCHEMES, sequence_type__in=SEQUENCES),
                name="payments_collection_words",
            ),
            models.CheckConstraint(
                condition=models.Q(mandate_id__isnull=False) | models.Q(scheme=mandates.ACH),
                name="payments_collection_has_mandate",
            ),
        ]
        indexes = [
            # All that was collected under a mandate.
            models.Index(fields=["mandate_id", "id"], name="payments_collection_mandate"),
            # What the debtor has to be told by a day.
            models.Index(
                fields=["prenotify_on", "id"],
                condition=models.Q(prenotified_at__isnull=True),
                name="payments_collection_untold",
            ),
            # What becomes final by a day.
            models.Index(
                fields=["reserved_until", "id"],
                condition=models.Q(reserved_until__isnull=False),
                name="payments_collection_reserved",
            ),
            # What waits for a file.
            models.Index(
                fields=["submit_on", "id"],
                condition=models.Q(group_reference=""),
                name="payments_collection_unsent",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Return(Living):
    """What came back, or was told, of a payment: code, class, amount, and how far it has come."""

    OBJECT, PREFIX = "return", "rtn"

    kind = models.CharField(max_length=10)
    payment_id = models.UUIDField()
    code = models.CharField(max_length=35)  # as the bank gave it
    reason_class = models.CharField(max_length=40)  # the same on every rail
    action = models.CharField(max_length=12)  # what to do about it
    amount_minor = MoneyMinorField()
    currency = CurrencyField()
    original_reference = models.CharField(max_length=35)  # the payment's end-to-end id
    external_id = models.CharField(max_length=140)  # the message or statement line that told it first
    effective_on = models.DateField()
    booked_on = models.DateField(null=True)  # when the bank's statement shows it
    created_at = models.DateTimeField()

    class Meta(Living.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            # Money comes back once; what only tells of something may stand beside it.
            models.UniqueConstraint(
                fields=["payment_id"], condition=models.Q(kind__in=MOVING_KINDS), name="payments_return_once"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=RETURN_STATES, kind__in=RETURN_KINDS),
                name="payments_return_words",
            ),
            models.CheckConstraint(
                condition=models.Q(amount_minor__gt=0), name="payments_return_amount_positive"
            ),
        ]
        indexes = [
            # An organisation's returns, newest first.
            models.Index(fields=["organisation_id", "-id"], name="payments_return_latest"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def machine(self) -> Machine:
        """Return the transition table of returns."""
        return returns.RETURN

    @property
    def life_of(self) -> UUID | None:
        """Return the payment that came back."""
        return self.payment_id

    @property
    def amount(self) -> Money:
        """Return what came back."""
        return Money(self.amount_minor, self.currency)


class Recall(Living):
    """Our request to a bank to give a payment back. There is one to a payment."""

    OBJECT, PREFIX = "recall", "rcl"

    payment_id = models.UUIDField(unique=True)
    reason = models.CharField(max_length=4)
    information = models.CharField(max_length=105, default="")
    message_id = models.CharField(max_length=35, unique=True)
    answer_code = models.CharField(max_length=35, default="")
    requested_at = models.DateTimeField()

    class Meta(Living.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(condition=models.Q(state__in=RECALL_STATES), name="payments_recall_words"),
        ]
        indexes = [
            # What waits to be handed over.
            models.Index(fields=["id"], condition=models.Q(state="requested"), name="payments_recall_unsent"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def machine(self) -> Machine:
        """Return the transition table of recalls."""
        return recalls.RECALL

    @property
    def life_of(self) -> UUID | None:
        """Return the payment that is asked back."""
        return self.payment_id
