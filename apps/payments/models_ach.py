"""Tables of the ACH: authorisations to debit and their prenotes, corrected accounts, arguments about returns."""

from __future__ import annotations

from uuid import UUID

from django.db import models

from apps.core.crypto.fields import EncryptedTextField
from apps.core.fields import MoneyMinorField
from apps.core.models import TenantModel
from apps.payments.domain.machine import Machine
from apps.payments.domain.prenotes import AUTHORISED_BY, PRENOTE, PrenoteState
from apps.payments.domain.references import ach_reference
from apps.payments.domain.return_disputes import RETURN_DISPUTE, DisputeState
from apps.payments.models import Living

EVIDENCE_MAX = 500
PRENOTE_STATES = [state.value for state in PrenoteState]
DISPUTE_STATES = [state.value for state in DisputeState]


class AccountChange(TenantModel):
    """A bank's notification that an account is another one. Append-only.

    Applied, it names the row of the counterparty that is used from then on; the old one stays. Refused,
    it says why, by the rules' own code.
    """

    class Outcome(models.TextChoices):
        APPLIED = "applied"
        NOTED = "noted"  # nothing about the account changes
        REFUSED = "refused"

    item_id = models.UUIDField()  # the entry it is about
    counterparty_id = models.UUIDField()
    new_counterparty_id = models.UUIDField(null=True)
    code = models.CharField(max_length=3)
    outcome = models.CharField(max_length=8, choices=Outcome)
    refused_code = models.CharField(max_length=3, default="")
    external_id = models.CharField(max_length=140)  # the file that told it
    at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(outcome="applied", new_counterparty_id__isnull=False, refused_code="")
                | models.Q(outcome="noted", new_counterparty_id__isnull=True, refused_code="")
                | (
                    models.Q(outcome="refused", new_counterparty_id__isnull=True) & ~models.Q(refused_code="")
                ),
                name="payments_account_change_outcome",
            ),
        ]
        indexes = [
            # What banks have said of an account, in order.
            models.Index(fields=["counterparty_id", "id"], name="payments_changes_of_account"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.outcome}"


class AchCollectionPolicy(TenantModel):
    """That an organisation may debit by the ACH, and how long its money is reserved."""

    reserve_banking_days = models.PositiveSmallIntegerField()
    approval_above_minor = MoneyMinorField(null=True)  # None: no debit needs a second person
    # How often the clock presents again what came back for lack of money; a person can in any case.
    automatic_retries = models.PositiveSmallIntegerField(default=0)
    changed_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(fields=["organisation_id"], name="payments_ach_policy_once"),
            models.CheckConstraint(
                condition=models.Q(automatic_retries__lte=2), name="payments_ach_policy_retries"
            ),
        ]

    def __str__(self) -> str:
        return str(self.organisation_id)


class AchAuthorisation(TenantModel):
    """How the debtor of an ACH mandate authorised it, with what proves that. Kept, and never changed."""

    mandate_id = models.UUIDField(unique=True)
    authorised_by = models.CharField(max_length=8)
    evidence = EncryptedTextField(purpose="authorisation", subject="subject_id", max_length=EVIDENCE_MAX)
    subject_id = models.UUIDField()  # the debtor, under whose key the evidence is sealed
    authorised_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(authorised_by__in=AUTHORISED_BY), name="payments_ach_authorised_by"
            ),
        ]

    def __str__(self) -> str:
        return str(self.mandate_id)


class Prenote(Living):
    """An entry without money ahead of the first debit of a mandate."""

    OBJECT, PREFIX = "prenote", "prn"

    mandate_id = models.UUIDField(unique=True)
    counterparty_id = models.UUIDField()
    sec_code = models.CharField(max_length=3)
    item_id = models.UUIDField(null=True)  # the entry that carried it
    clear_on = models.DateField(null=True)  # the day from which money may follow, if nothing comes back
    created_at = models.DateTimeField()

    class Meta(Living.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(state__in=PRENOTE_STATES), name="payments_prenote_state"
            ),
            models.CheckConstraint(
                condition=models.Q(state="waiting") | models.Q(item_id__isnull=False, clear_on__isnull=False),
                name="payments_prenote_sent",
            ),
        ]
        indexes = [
            # What waits for the next file.
            models.Index(
                fields=["id"], condition=models.Q(state="waiting"), name="payments_prenotes_waiting"
            ),
            # Whose prenote came back.
            models.Index(
                fields=["item_id"], condition=models.Q(item_id__isnull=False), name="payments_prenote_of_item"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def machine(self) -> Machine:
        """Return the transition table of prenotes."""
        return PRENOTE

    @property
    def reference(self) -> str:
        """Return the identification number of its entry."""
        return ach_reference(self.pk)


class ReturnDispute(Living):
    """What banks argue about the return of a payment. There is one argument to a payment."""

    OBJECT, PREFIX = "return_dispute", "rdp"

    payment_id = models.UUIDField(unique=True)
    dishonour_code = models.CharField(max_length=3, default="")
    contest_code = models.CharField(max_length=3, default="")
    created_at = models.DateTimeField()

    class Meta(Living.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(state__in=DISPUTE_STATES), name="payments_return_dispute_state"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def machine(self) -> Machine:
        """Return the transition table of arguments about returns."""
        return RETURN_DISPUTE

    @property
    def life_of(self) -> UUID | None:
        """Return the payment whose return is argued about."""
        return self.payment_id
