"""Tables of wrapped keys: one data key for each subject, one signing key for each purpose and version."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class SubjectKey(models.Model):
    """A person's data key, wrapped. Once destroyed it stays destroyed, and its row keeps the place.

    Triggers hold that rule: nobody deletes a row, changes whose key it is, or fills a destroyed one.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    organisation_id = models.UUIDField(editable=False)
    subject_id = models.UUIDField(editable=False)
    key_id = models.BinaryField(max_length=8, unique=True)
    wrapped = models.BinaryField(null=True)
    kek_version = models.PositiveIntegerField()
    check_value = models.BinaryField(max_length=32)
    created_at = models.DateTimeField(db_default=Now())
    destroyed_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "core"
        constraints = [
            # One key for each person and organisation, also when two requests are the first at once.
            models.UniqueConstraint(fields=["organisation_id", "subject_id"], name="core_subjectkey_once"),
            models.CheckConstraint(
                condition=models.Q(wrapped__isnull=False, destroyed_at__isnull=True)
                | models.Q(wrapped__isnull=True, destroyed_at__isnull=False),
                name="core_subjectkey_destroyed_is_empty",
            ),
        ]
        indexes = [
            # What rotation has yet to wrap again; destroyed keys are no part of it.
            models.Index(
                fields=["kek_version", "id"],
                condition=models.Q(destroyed_at__isnull=True),
                name="core_subjectkey_rewrap",
            )
        ]

    def __str__(self) -> str:
        return f"key {bytes(self.key_id).hex()}"


class SigningKey(models.Model):
    """An Ed25519 key (RFC 8032) for one purpose: the public half in clear, the private half wrapped."""

    id = models.UUIDField(primary_key=True, editable=False)
    purpose = models.CharField(max_length=64)
    version = models.PositiveIntegerField()
    public_key = models.BinaryField(max_length=32)
    wrapped = models.BinaryField()
    kek_version = models.PositiveIntegerField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        app_label = "core"
        constraints = [
            # Also finds the newest version of a purpose, and settles who is first to make one.
            models.UniqueConstraint(fields=["purpose", "version"], name="core_signingkey_once")
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.version}"
