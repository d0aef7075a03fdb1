"""The compliance record: what was done by whom, and what waits for a second person."""

from __future__ import annotations

from django.db import models

from apps.core.fields import TransactionIdField


class AuditEntry(models.Model):
    """One thing that was done, tried, refused or denied. Append-only; its leaf hash is made by the database."""

    id = models.UUIDField(primary_key=True)
    xid = TransactionIdField()
    organisation_id = models.UUIDField(null=True)
    actor_kind = models.CharField(max_length=10)
    actor_id = models.CharField(max_length=100)
    action = models.CharField(max_length=100)
    outcome = models.CharField(max_length=20)  # done, refused, denied, pending_approval
    reason = models.CharField(max_length=100)
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=64)
    command_id = models.UUIDField(null=True)
    correlation_id = models.CharField(max_length=64)
    data = models.TextField()  # canonical JSON: the bytes that are hashed are the bytes that are kept
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=models.Func(function="clock_timestamp"))
    leaf_hash = models.BinaryField(max_length=32, db_default=models.Value(b""))  # set by a trigger

    class Meta:
        indexes = [
            # The timeline of one object.
            models.Index(fields=["object_id", "id"], name="compliance_audit_object"),
            # What one person did.
            models.Index(fields=["actor_id", "id"], name="compliance_audit_actor"),
            # What one request caused.
            models.Index(fields=["correlation_id"], name="compliance_audit_corr"),
            # The order in which the sealer takes entries.
            models.Index(fields=["xid", "id"], name="compliance_audit_seal"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_id} {self.outcome}"


class Approval(models.Model):
    """A command that waits for a second person. The database itself refuses a maker who checks.

    A trigger keeps the rest: a request begins as waiting, is decided once, and nothing of what was
    asked for ever changes. A request of the platform as a whole has no organisation.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        APPROVED = "approved"  # and done, in the same transaction
        REJECTED = "rejected"
        EXPIRED = "expired"

    id = models.UUIDField(primary_key=True, editable=False)
    organisation_id = models.UUIDField(editable=False, null=True)
    command_name = models.CharField(max_length=100)
    command_version = models.PositiveSmallIntegerField()
    payload = models.TextField()  # canonical JSON, as it is hashed
    payload_hash = models.BinaryField(max_length=32)
    target = models.CharField(max_length=100)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    maker_kind = models.CharField(max_length=10)
    maker_id = models.CharField(max_length=100)
    maker_organisation_id = models.UUIDField(null=True)
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    checker_kind = models.CharField(max_length=10, default="")
    checker_id = models.CharField(max_length=100, default="")
    decided_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=500, default="")
    answer = models.JSONField(null=True)  # what the command answered once it was approved

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation_id", "id"], name="compliance_approval_org_id"),
            models.CheckConstraint(
                condition=models.Q(checker_id="") | ~models.Q(checker_id=models.F("maker_id")),
                name="compliance_maker_is_not_checker",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["waiting", "expired"], checker_id="")
                | (models.Q(state__in=["approved", "rejected"]) & ~models.Q(checker_id="")),
                name="compliance_decision_has_checker",
            ),
            models.CheckConstraint(
                condition=models.Q(state="waiting", decided_at__isnull=True)
                | (~models.Q(state="waiting") & models.Q(decided_at__isnull=False)),
                name="compliance_decision_has_time",
            ),
            # A second request for the same thing would let two checkers approve it twice.
            models.UniqueConstraint(
                fields=["organisation_id", "command_name", "target"],
                condition=models.Q(state="waiting") & ~models.Q(target=""),
                nulls_distinct=False,
                name="compliance_one_waiting_per_target",
            ),
        ]
        indexes = [
            # The inbox: what waits, oldest first. Decided requests are not in it.
            models.Index(fields=["made_at"], condition=models.Q(state="waiting"), name="compliance_inbox")
        ]

    def __str__(self) -> str:
        return f"{self.command_name} {self.state}"
