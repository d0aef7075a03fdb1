"""Tables of the core: stored answers, the outbox and who has read how far, heartbeats, settings."""

from __future__ import annotations

from django.db import models

from apps.core.crypto.models import SigningKey, SubjectKey  # noqa: F401  # kept beside their code
from apps.core.fields import NextValue, TransactionIdField


class TenantModel(models.Model):
    """A business row: a UUIDv7 key made in Python, and the organisation it belongs to.

    (organisation_id, id) is unique so that children can refer to both, which keeps a row of one
    organisation from ever referring to another's.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    organisation_id = models.UUIDField(editable=False)

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(fields=["organisation_id", "id"], name="%(app_label)s_%(class)s_org_id")
        ]


class StoredAnswer(models.Model):
    """The answer a command gave under an idempotency key; told again for seven days."""

    command_id = models.UUIDField(primary_key=True)  # uuid5 of organisation, caller and key
    organisation_id = models.UUIDField(null=True)
    request_hash = models.BinaryField(max_length=32)
    outcome = models.CharField(max_length=20)  # done, refused, pending_approval
    answer = models.TextField()  # JSON as it was said: jsonb would put the names in another order
    recorded_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        indexes = [
            # For the job that removes expired answers; nothing else reads by time.
            models.Index(fields=["expires_at"], name="core_answer_expires")
        ]

    def __str__(self) -> str:
        return str(self.command_id)


class OutboxEvent(models.Model):
    """An event, written in the transaction of the change it tells of.

    (xid, seq) is the order in which followers read, below the horizon of running transactions:
    neither alone is the order of commits.
    """

    id = models.UUIDField(primary_key=True)
    seq = models.BigIntegerField(db_default=NextValue("core_outbox_seq"), editable=False)
    xid = TransactionIdField()
    organisation_id = models.UUIDField(null=True)
    name = models.CharField(max_length=100)
    version = models.PositiveSmallIntegerField()
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=64)
    payload = models.JSONField()
    correlation_id = models.CharField(max_length=64)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=models.Func(function="clock_timestamp"))

    class Meta:
        indexes = [
            # The relay's cursor walks this one.
            models.Index(fields=["xid", "seq"], name="core_outbox_follow"),
            # An organisation's events, newest last, by the time-ordered key.
            models.Index(fields=["organisation_id", "id"], name="core_outbox_org"),
            # The timeline of one object.
            models.Index(fields=["object_id", "id"], name="core_outbox_object"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.object_id}"


class ConsumerCursor(models.Model):
    """How far a consumer has read the outbox, and the event it stumbles over, if any."""

    consumer = models.CharField(primary_key=True, max_length=100)
    xid = models.BigIntegerField(default=0)
    seq = models.BigIntegerField(default=0)
    failing_event_id = models.UUIDField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=300, default="")
    moved_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.consumer


class DeadEvent(models.Model):
    """An event that a consumer could not take after every attempt; staff replay or discard it."""

    id = models.UUIDField(primary_key=True)
    consumer = models.CharField(max_length=100)
    event_id = models.UUIDField()
    name = models.CharField(max_length=100)
    error = models.CharField(max_length=300)
    attempts = models.PositiveIntegerField()
    died_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)  # replayed or discarded
    settled_as = models.CharField(max_length=20, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["consumer", "event_id"], name="core_dead_event_once")]

    def __str__(self) -> str:
        return f"{self.consumer} {self.event_id}"


class Heartbeat(models.Model):
    """The latest sign of life of a process of the platform."""

    process = models.CharField(primary_key=True, max_length=100)
    kind = models.CharField(max_length=20)  # web, worker, beat, relay
    beaten_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.process


class Setting(models.Model):
    """A fact about this deployment that outlives its processes, such as "the sandbox is loaded"."""

    name = models.CharField(primary_key=True, max_length=100)
    value = models.JSONField()
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name
