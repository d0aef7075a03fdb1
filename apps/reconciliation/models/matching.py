"""Our side, and what joins it to the bank's: expectations, runs, matches."""

from __future__ import annotations

from django.db import models

from apps.core.fields import CurrencyField, MoneyMinorField
from apps.core.models import TenantModel
from apps.reconciliation.domain.words import ExpectationState, MatchState, Method
from apps.reconciliation.models.statements import REFERENCE_MAX, BankAccount, StatementLine, choices, one_of


class Expectation(TenantModel):
    """What we expect to see at the bank, made from payment events. Belongs to the payment's organisation.

    `source` names what it was made from and is its identity; each change adds an ExpectationVersion.
    The window is when it may come; once `window_to` has passed, it is missing. Expectations that the
    bank books as one net amount share a `group_reference`; a fee among them is negative.
    """

    bank_account_id = models.UUIDField()  # the operator's: another organisation's row, hence no key
    source = models.CharField(max_length=80)
    kind = models.CharField(max_length=12)  # payout, payin, refund, component
    payment_id = models.UUIDField(null=True)
    amount_minor = MoneyMinorField()  # a credit is positive
    currency = CurrencyField()
    end_to_end = models.CharField(max_length=REFERENCE_MAX, default="")
    uetr = models.CharField(max_length=36, default="")
    message_id = models.CharField(max_length=REFERENCE_MAX, default="")
    batch_id = models.CharField(max_length=REFERENCE_MAX, default="")
    creditor_reference = models.CharField(max_length=REFERENCE_MAX, default="")
    group_reference = models.CharField(max_length=REFERENCE_MAX, default="")
    counterparty = models.BinaryField(null=True)
    due_date = models.DateField()
    window_from = models.DateField()
    window_to = models.DateField()
    state = models.CharField(max_length=12, choices=choices(ExpectationState))
    match_id = models.UUIDField(null=True)
    returned_match_id = models.UUIDField(null=True)  # the match of the money that came back
    version = models.PositiveIntegerField(default=1)
    made_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["organisation_id", "source"], name="reconciliation_expectation_once"
            ),
            one_of("state", ExpectationState, "reconciliation_expectation_state"),
            models.CheckConstraint(
                condition=models.Q(state=ExpectationState.MATCHED.value, match_id__isnull=False)
                | models.Q(match_id__isnull=True) & ~models.Q(state=ExpectationState.MATCHED.value),
                name="reconciliation_expectation_matched",
            ),
            models.CheckConstraint(
                condition=models.Q(window_from__lte=models.F("window_to")), name="reconciliation_window"
            ),
        ]
        indexes = [
            # What a run looks at.
            models.Index(
                fields=["bank_account_id", "end_to_end"],
                condition=models.Q(state=ExpectationState.OPEN.value),
                name="reconciliation_open_expected",
            ),
            # Proposals look for payments of nearly an amount.
            models.Index(
                fields=["bank_account_id", "currency", "amount_minor", "id"],
                condition=models.Q(state=ExpectationState.OPEN.value, payment_id__isnull=False),
                name="reconciliation_open_amounts",
            ),
            # Returns and duplicates ask for what was matched before.
            models.Index(
                fields=["bank_account_id", "end_to_end", "amount_minor"],
                condition=~models.Q(end_to_end=""),
                name="reconciliation_expected_ref",
            ),
            models.Index(
                fields=["payment_id"],
                condition=models.Q(payment_id__isnull=False),
                name="reconciliation_of_payment",
            ),
        ]

    def __str__(self) -> str:
        return self.source


class ExpectationVersion(TenantModel):
    """What an expectation said at a time, and what made it say so. Append-only."""

    expectation = models.ForeignKey(Expectation, models.PROTECT, db_constraint=False)
    version = models.PositiveIntegerField()
    event_id = models.CharField(max_length=80)
    data = models.JSONField()
    at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(
                fields=["expectation", "version"], name="reconciliation_expectation_version"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.expectation_id} {self.version}"


class ReconRun(TenantModel):
    """One run over one bank account: what it found, and a digest of everything it decided."""

    bank_account = models.ForeignKey(BankAccount, models.PROTECT, db_constraint=False)
    as_of = models.DateField()
    matched = models.JSONField()  # matches by method
    breaks = models.JSONField()  # open breaks by reason
    expected_count = models.PositiveIntegerField()
    seconds = models.FloatField()
    made_by = models.CharField(max_length=120)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.id)


class Match(TenantModel):
    """Lines of the bank and expectations of ours that are the same money.

    `content_hash` says of what it was made; made again after it was undone, it has the next version.
    """

    bank_account = models.ForeignKey(BankAccount, models.PROTECT, db_constraint=False)
    method = models.CharField(max_length=20, choices=choices(Method))
    state = models.CharField(max_length=10, choices=choices(MatchState))
    content_hash = models.BinaryField(max_length=32)
    version = models.PositiveIntegerField()
    currency = CurrencyField()
    bank_minor = MoneyMinorField()
    expected_minor = MoneyMinorField()
    day = models.DateField()  # of the latest booking in it
    journals = models.JSONField(default=list)  # what it posted itself; settling a payment posts its own
    made_by = models.CharField(max_length=120)
    made_at = models.DateTimeField()
    undone_by = models.CharField(max_length=120, default="")
    undone_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=200, default="")

    class Meta(TenantModel.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.UniqueConstraint(fields=["content_hash", "version"], name="reconciliation_match_once"),
            one_of("method", Method, "reconciliation_match_method"),
            one_of("state", MatchState, "reconciliation_match_state"),
            # No pass can make a match whose sums differ: only a person within a tolerance, or two.
            models.CheckConstraint(
                condition=models.Q(bank_minor=models.F("expected_minor"))
                | models.Q(method__in=[Method.FORCED.value, Method.WITHIN_TOLERANCE.value]),
                name="reconciliation_match_sums",
            ),
        ]
        indexes = [
            # What still has to reach payments and books.
            models.Index(
                fields=["bank_account", "id"],
                condition=models.Q(state=MatchState.MADE.value),
                name="reconciliation_to_apply",
            ),
            models.Index(fields=["bank_account", "day"], name="reconciliation_match_day"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class MatchItem(models.Model):
    """One line or one expectation in a match. Append-only: an undone match keeps what it held."""

    organisation_id = models.UUIDField(editable=False)
    match = models.ForeignKey(Match, models.PROTECT, db_constraint=False)
    line = models.ForeignKey(StatementLine, models.PROTECT, db_constraint=False, null=True)
    expectation = models.ForeignKey(Expectation, models.PROTECT, db_constraint=False, null=True)
    expectation_organisation_id = models.UUIDField(null=True)
    amount_minor = MoneyMinorField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(line__isnull=False, expectation__isnull=True)
                | models.Q(
                    line__isnull=True, expectation__isnull=False, expectation_organisation_id__isnull=False
                ),
                name="reconciliation_item_one_side",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)
