"""Tables of what comes back through the ACH: corrected accounts, and arguments about returns."""

from __future__ import annotations

from uuid import UUID

from django.db import models

from apps.core.models import TenantModel
from apps.payments.domain.machine import Machine
from apps.payments.domain.return_disputes import RETURN_DISPUTE, DisputeState
from apps.payments.models import Living

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
