"""The books as Django sees them: read-only, unmanaged. The tables are made by SQL (migrations/sql).

`seq` stands as the key of postings, whose true key is (seq, line): composite keys cannot be registered
in the admin. Rows are written by the functions of the schema alone; saving a model here would be refused
by the database.
"""

from __future__ import annotations

from django.db import models

from apps.ledger.domain import Action


class Account(models.Model):
    """An account of the chart."""

    id = models.BigIntegerField(primary_key=True)
    organisation_id = models.UUIDField()
    code = models.TextField()
    name = models.TextField()
    kind = models.TextField()
    currency = models.CharField(max_length=3)
    parent = models.ForeignKey("self", null=True, on_delete=models.DO_NOTHING)
    shared = models.BooleanField()
    clearing = models.BooleanField()
    opened_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = 'ledger"."account'

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class Balance(models.Model):
    """What an account holds, and its limits; credits minus debits in minor units."""

    account = models.OneToOneField(Account, primary_key=True, on_delete=models.DO_NOTHING)
    organisation_id = models.UUIDField()
    currency = models.CharField(max_length=3)
    posted = models.BigIntegerField()
    held = models.BigIntegerField()
    floor = models.BigIntegerField(null=True)
    ceiling = models.BigIntegerField(null=True)
    version = models.BigIntegerField()
    frozen_version = models.BigIntegerField(null=True)
    closed = models.BooleanField()
    recorded_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = 'ledger"."balance'

    def __str__(self) -> str:
        return f"{self.account_id} {self.posted} {self.currency}"


class Journal(models.Model):
    """One atomic set of postings, or one thing that happened to a hold."""

    seq = models.BigIntegerField(primary_key=True)
    organisation_id = models.UUIDField()
    key = models.UUIDField()
    action = models.SmallIntegerField(choices=[(action.value, action.name.lower()) for action in Action])
    kind = models.CharField(max_length=80)
    effective_date = models.DateField()
    recorded_at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    reference = models.CharField(max_length=200)
    metadata = models.JSONField(null=True)
    rate = models.DecimalField(null=True, max_digits=40, decimal_places=20)
    reverses_seq = models.BigIntegerField(null=True)
    hold_id = models.BigIntegerField(null=True)
    hold_account_id = models.BigIntegerField(null=True)
    hold_delta = models.BigIntegerField(null=True)

    class Meta:
        managed = False
        db_table = 'ledger"."journal'

    def __str__(self) -> str:
        return f"{self.seq} {self.kind}"


class Posting(models.Model):
    """One two-sided row of a journal."""

    seq = models.BigIntegerField(primary_key=True)
    line = models.SmallIntegerField()
    organisation_id = models.UUIDField()
    debit = models.ForeignKey(Account, related_name="+", on_delete=models.DO_NOTHING)
    credit = models.ForeignKey(Account, related_name="+", on_delete=models.DO_NOTHING)
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField()
    debit_version = models.BigIntegerField()
    credit_version = models.BigIntegerField()
    debit_after = models.BigIntegerField()
    credit_after = models.BigIntegerField()
    recorded_at = models.DateTimeField()
    reverses_line = models.SmallIntegerField(null=True)

    class Meta:
        managed = False
        db_table = 'ledger"."posting'

    def __str__(self) -> str:
        return f"{self.seq}/{self.line} {self.amount} {self.currency}"


class Hold(models.Model):
    """A reserved amount."""

    id = models.BigIntegerField(primary_key=True)
    organisation_id = models.UUIDField()
    account = models.ForeignKey(Account, related_name="+", on_delete=models.DO_NOTHING)
    counter = models.ForeignKey(Account, related_name="+", on_delete=models.DO_NOTHING)
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField()
    captured = models.BigIntegerField()
    released = models.BigIntegerField()
    remaining = models.BigIntegerField()
    expires_at = models.DateTimeField(null=True)
    reference = models.TextField()

    class Meta:
        managed = False
        db_table = 'ledger"."hold'

    def __str__(self) -> str:
        return f"{self.id} {self.remaining} of {self.amount} {self.currency}"
