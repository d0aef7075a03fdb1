"""What does not agree, who looks after it, and days that are closed."""

from __future__ import annotations

from django.db import models

from apps.core.crypto.fields import EncryptedTextField
from apps.core.fields import CurrencyField, MoneyMinorField
from apps.core.models import TenantModel
from apps.reconciliation.domain.words import BreakState, Reason, Resolution
from apps.reconciliation.models.matching import Expectation
from apps.reconciliation.models.statements import BankAccount, StatementLine, choices, one_of


class Break(TenantModel):
    """A difference between the bank and us, with its reason. A line or expectation is in one open break.

    `difference_minor` is the bank's amount less ours. `detail` names the fields that differ and the
    candidates; it holds ids and amounts, no personal data.
    """

    bank_account = models.ForeignKey(BankAccount, models.PROTECT, db_constraint=False)
    line = models.ForeignKey(StatementLine, models.PROTECT, db_constraint=False, null=True)
    expectation = models.ForeignKey(Expectation, models.PROTECT, db_constraint=False, null=True)
    expectation_organisation_id = models.UUIDField(null=True)
    reason = models.CharField(max_length=12, choices=choices(Reason))
    difference_minor = MoneyMinorField()
    currency = CurrencyField()
    day = models.DateField()  # since when: the booking, or the end of the window
    detail = models.JSONField()
    state = models.CharField(max_length=10, choices=choices(BreakState))
    resolution = models.CharField(max_length=20, choices=choices(Resolution), default="")
    owner = models.CharField(max_length=120, default="")  # who looks after it
    version = models.PositiveIntegerField()
    found_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["line"],
                condition=models.Q(state=BreakState.OPEN.value),
                name="reconciliation_break_line",
            ),
            models.UniqueConstraint(
                fields=["expectation"],
                condition=models.Q(state=BreakState.OPEN.value),
                name="reconciliation_break_expected",
            ),
            one_of("reason", Reason, "reconciliation_break_reason"),
            one_of("state", BreakState, "reconciliation_break_state"),
            models.CheckConstraint(
                condition=models.Q(line__isnull=False) | models.Q(expectation__isnull=False),
                name="reconciliation_break_about",
            ),
            models.CheckConstraint(
                condition=models.Q(expectation__isnull=True, expectation_organisation_id__isnull=True)
                | models.Q(expectation__isnull=False, expectation_organisation_id__isnull=False),
                name="reconciliation_break_other_org",
            ),
        ]
        indexes = [
            # The workbench: open breaks by account, oldest first.
            models.Index(
                fields=["bank_account", "day", "id"],
                condition=models.Q(state=BreakState.OPEN.value),
                name="reconciliation_open_breaks",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class BreakEvent(TenantModel):
    """One thing that happened to a break: found, changed, noted, assigned, resolved, reopened. Append-only."""

    break_of = models.ForeignKey(Break, models.PROTECT, db_constraint=False, db_column="break_id")
    version = models.PositiveIntegerField()
    action = models.CharField(max_length=30)
    actor = models.CharField(max_length=120)
    data = models.JSONField()
    note = EncryptedTextField(purpose="break_note", subject="subject_id", max_length=2_000, null=True)
    subject_id = models.UUIDField()  # under whose key the note is sealed: its break's
    at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(fields=["break_of", "version"], name="reconciliation_break_version"),
        ]

    def __str__(self) -> str:
        return f"{self.break_of_id} {self.version}"


class Proposal(TenantModel):
    """What an unmatched line might be, with a score and its reasons: for a person, never matched by itself.

    Made anew by each run. Reasons are words such as `same_amount` or `similar_name`; no names are kept.
    """

    bank_account = models.ForeignKey(BankAccount, models.PROTECT, db_constraint=False)
    line = models.ForeignKey(StatementLine, models.PROTECT, db_constraint=False)
    expectation = models.ForeignKey(Expectation, models.PROTECT, db_constraint=False)
    expectation_organisation_id = models.UUIDField()
    score = models.PositiveSmallIntegerField()  # of 100
    reasons = models.JSONField()
    made_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            # Also how a break's page finds them.
            models.UniqueConstraint(fields=["line", "expectation"], name="reconciliation_proposal_once"),
            models.CheckConstraint(
                condition=models.Q(score__range=(1, 100)), name="reconciliation_proposal_score"
            ),
        ]
        indexes = [
            # A run replaces those of its account.
            models.Index(fields=["bank_account"], name="reconciliation_proposals_of"),
        ]

    def __str__(self) -> str:
        return f"{self.line_id} {self.expectation_id}"


class DayClose(TenantModel):
    """A closed day of a bank account and the evidence it was closed on. Append-only.

    `evidence` is canonical JSON and `sha256` its digest: the bytes that are hashed are those kept.
    """

    bank_account = models.ForeignKey(BankAccount, models.PROTECT, db_constraint=False)
    day = models.DateField()
    version = models.PositiveIntegerField()
    evidence = models.TextField()
    sha256 = models.CharField(max_length=64)
    closed_by = models.CharField(max_length=120)
    closed_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["bank_account", "day", "version"], name="reconciliation_day_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.bank_account_id} {self.day}"
