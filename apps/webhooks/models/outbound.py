"""What we tell merchants: endpoints, their secrets and health, the queue, and the history."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.core.crypto.fields import EncryptedTextField
from apps.core.models import TenantModel


class Endpoint(TenantModel):
    """An address of a merchant's that wants to be told of events."""

    class State(models.TextChoices):
        ACTIVE = "active"
        DISABLED = "disabled"  # by its owner
        FAILED = "failed"  # by us, after days without one success
        GONE = "gone"  # it answered 410

    url = models.CharField(max_length=2000)
    description = models.CharField(max_length=200, default="")
    # Names of events, or prefixes that end in ".*"; "*" alone is everything.
    event_filters = models.JSONField()
    state = models.CharField(max_length=10, choices=State, default=State.ACTIVE)
    ordered = models.BooleanField(default=False)
    max_in_flight = models.PositiveSmallIntegerField(default=5)
    rate_per_s = models.PositiveIntegerField(null=True)
    # A client certificate with its key (PEM), sealed, for receivers that ask for mutual TLS.
    client_certificate = EncryptedTextField(
        purpose="client certificate", subject="id", null=True, max_length=20_000
    )
    # A certificate authority of the receiver's own (PEM), where it is not a public one.
    server_ca = models.TextField(default="")
    created_at = models.DateTimeField()
    disabled_at = models.DateTimeField(null=True)

    class Meta(TenantModel.Meta):
        abstract = False
        constraints = [
            *TenantModel.Meta.constraints,
            models.CheckConstraint(
                condition=Q(max_in_flight__gte=1, max_in_flight__lte=100), name="webhooks_endpoint_flight"
            ),
        ]
        indexes = [
            # The fan-out of one organisation's event.
            models.Index(
                fields=["organisation_id"], condition=Q(state="active"), name="webhooks_endpoint_live"
            ),
        ]

    def __str__(self) -> str:
        return self.url


class EndpointSecret(TenantModel):
    """A signing secret, sealed: `whsec_…` (HMAC) or `whsk_…` (Ed25519). All that are live sign."""

    endpoint_id = models.UUIDField(db_index=True)
    kind = models.CharField(max_length=10)  # hmac, ed25519
    value = EncryptedTextField(purpose="webhook secret", subject="endpoint_id")
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True)

    class Meta(TenantModel.Meta):
        abstract = False

    def __str__(self) -> str:
        return f"secret {self.pk}"


class EndpointHealth(models.Model):
    """The circuit breaker of an endpoint and what it counts; apart, since it changes all the time."""

    endpoint_id = models.UUIDField(primary_key=True)
    organisation_id = models.UUIDField()
    window_started_at = models.DateTimeField(null=True)
    window_attempts = models.PositiveIntegerField(default=0)
    window_failures = models.PositiveIntegerField(default=0)
    open_until = models.DateTimeField(null=True)
    pause_s = models.PositiveIntegerField(default=0)  # 0: the breaker is closed
    failing_since = models.DateTimeField(null=True)
    notices = models.PositiveSmallIntegerField(default=0)
    latest_success_at = models.DateTimeField(null=True)
    latest_attempt_at = models.DateTimeField(null=True)
    # The theoretical arrival time of the endpoint's own rate limit (GCRA).
    arrival_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"health of {self.endpoint_id}"


class QueuedDelivery(models.Model):
    """A delivery that is not finished. The table stays small: a finished row is deleted at once."""

    id = models.UUIDField(primary_key=True)
    organisation_id = models.UUIDField()
    endpoint_id = models.UUIDField()
    event_id = models.UUIDField()
    created_at = models.DateTimeField()
    queue_no = models.BigIntegerField()  # the order of the outbox
    ordering_key = models.CharField(max_length=64, default="")
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField()  # 9999-12-31 while an earlier event of the same object is unfinished
    lease_token = models.UUIDField(null=True)

    class Meta:
        db_table = "webhooks_queue"
        indexes = [
            # The claim: for one endpoint, what is due, oldest first.
            models.Index(fields=["endpoint_id", "next_at", "queue_no"], name="webhooks_queue_due"),
            # What of one object comes next, at endpoints that want order.
            models.Index(
                fields=["endpoint_id", "ordering_key", "queue_no"],
                condition=~Q(ordering_key=""),
                name="webhooks_queue_order",
            ),
            # What is in flight, to keep within the endpoint's limit.
            models.Index(
                fields=["endpoint_id"], condition=Q(lease_token__isnull=False), name="webhooks_queue_flight"
            ),
        ]

    def __str__(self) -> str:
        return f"queued {self.pk}"


class Delivery(models.Model):
    """An event for an endpoint, kept as history. Partitioned by the day it was made, by migration."""

    class Status(models.TextChoices):
        PENDING = "pending"
        DELIVERED = "delivered"
        DEAD = "dead"
        DISCARDED = "discarded"

    id = models.UUIDField(primary_key=True)
    organisation_id = models.UUIDField()
    endpoint_id = models.UUIDField()
    event_id = models.UUIDField()
    event_name = models.CharField(max_length=100)
    object_id = models.CharField(max_length=64)
    correlation_id = models.CharField(max_length=64)
    status = models.CharField(max_length=10, choices=Status)
    attempts = models.IntegerField()
    latest_status_code = models.IntegerField(null=True)
    latest_error = models.CharField(max_length=60)
    reason = models.CharField(max_length=300)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "webhooks_delivery"

    def __str__(self) -> str:
        return f"delivery {self.pk}"


class Attempt(models.Model):
    """One try of a delivery: what was answered, how fast, from which address. Partitioned by day."""

    id = models.UUIDField(primary_key=True)
    organisation_id = models.UUIDField()
    delivery_id = models.UUIDField()
    endpoint_id = models.UUIDField()
    number = models.IntegerField()
    started_at = models.DateTimeField()
    took_ms = models.IntegerField()
    status_code = models.IntegerField(null=True)
    error = models.CharField(max_length=60)
    address = models.CharField(max_length=45)
    response_body = models.TextField()

    class Meta:
        managed = False
        db_table = "webhooks_attempt"

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.delivery_id}"


class ReplayJob(TenantModel):
    """A set of dead letters being sent again, a few a second, in order; can be paused and cancelled."""

    class State(models.TextChoices):
        RUNNING = "running"
        PAUSED = "paused"
        DONE = "done"
        CANCELLED = "cancelled"

    direction = models.CharField(max_length=3)  # in, out
    filters = models.JSONField()
    total = models.PositiveIntegerField()
    done = models.PositiveIntegerField(default=0)
    rate_per_s = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    reason = models.CharField(max_length=300)
    asked_by = models.CharField(max_length=120)
    after_id = models.UUIDField(null=True)  # the letter replayed latest: the job goes on behind it
    until_id = models.UUIDField()  # letters that died after the job was asked for are not part of it
    next_at = models.DateTimeField()
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta(TenantModel.Meta):
        abstract = False
        indexes = [
            models.Index(fields=["next_at"], condition=Q(state="running"), name="webhooks_replay_due"),
        ]

    def __str__(self) -> str:
        return f"replay {self.pk}"
