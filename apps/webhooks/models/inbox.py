"""What providers tell us: sources, their secrets, the requests as they came, and their events."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.core.crypto.fields import EncryptedTextField
from apps.core.models import TenantModel


class Source(TenantModel):
    """A provider's account that may call us, at an address nobody can guess.

    The token in the path only finds the source: it is no credential, the signature is.
    """

    class State(models.TextChoices):
        ACTIVE = "active"
        DISABLED = "disabled"

    provider = models.CharField(max_length=40)
    title = models.CharField(max_length=100)
    path_token = models.CharField(max_length=64, unique=True)
    state = models.CharField(max_length=10, choices=State, default=State.ACTIVE)
    # The adapter's settings (tolerance, registered URL, public keys): nothing secret.
    config = models.JSONField(default=dict)
    # How far the reconciler has read the provider's own list of events.
    reconciled_to = models.CharField(max_length=200, default="")
    reconciled_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        abstract = False

    def __str__(self) -> str:
        return f"{self.provider} {self.title}"


class SourceSecret(TenantModel):
    """One secret of a source, sealed. While a secret is being rolled over, two are live."""

    class Use(models.TextChoices):
        SIGNING = "signing"  # the provider signs with it
        API = "api"  # we ask the provider's API with it, to find what it sent and we do not have

    source_id = models.UUIDField(db_index=True)
    use = models.CharField(max_length=10, choices=Use, default=Use.SIGNING)
    value = EncryptedTextField(purpose="webhook secret", subject="source_id", max_length=8_000)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True)

    class Meta(TenantModel.Meta):
        abstract = False

    def __str__(self) -> str:
        return f"secret {self.pk}"


class InboundRequest(TenantModel):
    """A verified request exactly as it came, kept once however many events it carried."""

    source_id = models.UUIDField()
    received_at = models.DateTimeField()
    headers = models.JSONField()
    body = models.BinaryField()
    body_sha256 = models.BinaryField(max_length=32)
    key_id = models.CharField(max_length=64)
    correlation_id = models.CharField(max_length=64)

    class Meta(TenantModel.Meta):
        abstract = False
        indexes = [
            # For the job that removes old bodies; nothing else reads by time.
            models.Index(fields=["received_at"], name="webhooks_request_age"),
        ]

    def __str__(self) -> str:
        return f"request {self.pk}"


class InboxEvent(TenantModel):
    """One event of a verified request, and how far its effect has come.

    `next_at` is when the row is due: at once, at the next try, or, while somebody works on it, at the
    end of their lease. So "not final and due" is the whole claim, and the whole crash recovery.
    """

    class Status(models.TextChoices):
        RECEIVED = "received"
        PROCESSING = "processing"
        WAITING = "waiting"  # for an object that does not exist yet
        RETRY = "retry"
        APPLIED = "applied"
        IGNORED = "ignored"
        DEAD = "dead"
        DISCARDED = "discarded"

    UNFINISHED = ("received", "processing", "waiting", "retry")

    source_id = models.UUIDField()
    request_id = models.UUIDField()
    provider = models.CharField(max_length=40)
    event_id = models.CharField(max_length=300)
    event_type = models.CharField(max_length=255)
    object_key = models.CharField(max_length=255, default="")
    occurred_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField()
    payload = models.JSONField()
    payload_sha256 = models.BinaryField(max_length=32)
    correlation_id = models.CharField(max_length=64)
    status = models.CharField(max_length=12, choices=Status, default=Status.RECEIVED)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField()
    lease_token = models.UUIDField(null=True)
    reason = models.CharField(max_length=300, default="")
    fingerprint = models.CharField(max_length=16, default="")
    finished_at = models.DateTimeField(null=True)

    class Meta(TenantModel.Meta):
        abstract = False
        constraints = [
            *TenantModel.Meta.constraints,
            # What makes "at least once" into "once": a repeat finds its place taken.
            models.UniqueConstraint(fields=["source_id", "event_id"], name="webhooks_inbox_once"),
        ]
        indexes = [
            # The claim: only rows that somebody still has to work on, in the order they are due.
            models.Index(
                fields=["next_at", "id"],
                condition=Q(status__in=("received", "processing", "waiting", "retry")),
                name="webhooks_inbox_due",
            ),
            # The suspects: events whose worker died. Each claim looks for one first, past all that wait.
            models.Index(
                fields=["next_at", "id"], condition=Q(status="processing"), name="webhooks_inbox_suspect"
            ),
            # The list of dead letters.
            models.Index(fields=["id"], condition=Q(status="dead"), name="webhooks_inbox_dead"),
            # What an object of ours was made by, for its timeline: `reason` of an applied event names it.
            models.Index(
                fields=["reason", "id"], condition=Q(status="applied"), name="webhooks_inbox_object"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.event_id}"


class InboundRejection(TenantModel):
    """A request that was refused: why, how large, but not its body. Sampled, and kept for a week."""

    source_id = models.UUIDField()
    reason = models.CharField(max_length=40)
    event_id = models.CharField(max_length=300, default="")
    body_bytes = models.PositiveIntegerField()
    body_sha256 = models.BinaryField(max_length=32)
    remote_address = models.CharField(max_length=45, default="")
    refused_at = models.DateTimeField()

    class Meta(TenantModel.Meta):
        abstract = False
        indexes = [
            # How many in the last minute (the sampling), and what is older than a week (the removal).
            models.Index(fields=["source_id", "refused_at"], name="webhooks_rejection_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.reason} at {self.refused_at}"
