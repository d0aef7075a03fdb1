"""Tables of orders that make payments: many at once, or one on each day of a schedule."""

from __future__ import annotations

from django.db import models

from apps.core.crypto.fields import EncryptedTextField
from apps.core.fields import CurrencyField, MoneyMinorField
from apps.core.models import TenantModel
from apps.core.money import Money
from apps.payments.domain import orders
from apps.payments.domain.machine import Machine
from apps.payments.domain.references import REMITTANCE_MAX
from apps.payments.domain.schedules import DayRule, Frequency, Schedule
from apps.payments.models import Living


class BulkOrder(Living):
    """One order of many payments from one account, with one approval. Its payments name it."""

    OBJECT, PREFIX = "bulk_order", "blk"

    account_id = models.UUIDField()
    payment_count = models.PositiveIntegerField()
    total_minor = MoneyMinorField()
    currency = CurrencyField()
    reference = models.CharField(max_length=70, default="")  # the client's own
    source_sha256 = models.CharField(max_length=64, default="")  # of the file that it was read from
    verifies_payees = models.BooleanField(default=False)  # what is found of them is confirmed with the order
    accepted_results = models.CharField(max_length=64, default="")  # the digest that was confirmed
    ordered_by = models.CharField(max_length=120)
    approved_by = models.CharField(max_length=120, default="")
    created_at = models.DateTimeField()

    class Meta(Living.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(state__in=["ordered", "approved", "declined", "cancelled"]),
                name="payments_bulk_state",
            ),
            # A file makes one order, whoever hands it in again.
            models.UniqueConstraint(
                fields=["organisation_id", "source_sha256"],
                condition=~models.Q(source_sha256=""),
                name="payments_bulk_file_once",
            ),
            models.CheckConstraint(
                condition=models.Q(total_minor__gt=0, payment_count__gt=0), name="payments_bulk_positive"
            ),
            # Four eyes: one approval for all of its payments.
            models.CheckConstraint(
                condition=~models.Q(approved_by=models.F("ordered_by")), name="payments_bulk_four_eyes"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def machine(self) -> Machine:
        """Return the transition table of bulk orders."""
        return orders.BULK


class StandingOrder(Living):
    """An order that makes a payment on each day of a schedule: one day, or again and again.

    `run_number` counts the days that are dealt with; `due_on` is the next one, `execute_on` the
    business day it falls on, and `retry_at` when to try again what had no money the last time.
    """

    OBJECT, PREFIX = "standing_order", "sto"
    told_payment = told_reason = ""  # what the event being told is about; not stored

    kind = models.CharField(max_length=10)  # payout or transfer
    account_id = models.UUIDField()
    other_account_id = models.UUIDField(null=True)
    counterparty_id = models.UUIDField(null=True)
    amount_minor = MoneyMinorField()
    currency = CurrencyField()
    remittance = EncryptedTextField(
        purpose="standing_order", subject="subject_id", max_length=REMITTANCE_MAX, null=True
    )
    subject_id = models.UUIDField()  # under whose key the remittance text is sealed
    reference = models.CharField(max_length=70, default="")  # the client's own
    frequency = models.CharField(max_length=12)
    first_on = models.DateField()
    last_on = models.DateField(null=True)
    run_count_max = models.PositiveIntegerField(null=True)
    end_of_month = models.BooleanField(default=False)
    day_rule = models.CharField(max_length=20)
    run_number = models.PositiveIntegerField(default=0)
    due_on = models.DateField(null=True)
    execute_on = models.DateField(null=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    ordered_by = models.CharField(max_length=120)
    approved_by = models.CharField(max_length=120, default="")
    created_at = models.DateTimeField()

    class Meta(Living.Meta):
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(
                    state__in=["ordered", "active", "paused", "declined", "cancelled", "completed"]
                ),
                name="payments_standing_state",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    kind="payout", counterparty_id__isnull=False, other_account_id__isnull=True
                )
                | models.Q(kind="transfer", counterparty_id__isnull=True, other_account_id__isnull=False),
                name="payments_standing_other_end",
            ),
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="payments_standing_positive"),
            models.CheckConstraint(
                condition=~models.Q(approved_by=models.F("ordered_by")), name="payments_standing_four_eyes"
            ),
        ]
        indexes = [
            # What is due; orders that are not active are not in it.
            models.Index(
                fields=["execute_on", "id"],
                condition=models.Q(state="active"),
                name="payments_standing_due",
            ),
            # What an account still has running, asked when it is to be closed.
            models.Index(
                fields=["account_id"],
                condition=models.Q(state__in=["ordered", "active", "paused"]),
                name="payments_standing_of_account",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def machine(self) -> Machine:
        """Return the transition table of standing orders."""
        return orders.STANDING

    @property
    def amount(self) -> Money:
        """Return what each run pays."""
        return Money(self.amount_minor, self.currency)

    @property
    def schedule(self) -> Schedule:
        """Return when it is due."""
        return Schedule(
            Frequency(self.frequency),
            self.first_on,
            self.last_on,
            self.run_count_max,
            self.end_of_month,
            DayRule(self.day_rule),
        )
