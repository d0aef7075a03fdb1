"""Instant payments: attempts with their inquiries, circuits of providers, verifications of payees."""

import apps.core.crypto.fields
from django.db import migrations, models

from apps.core.migration_ops import isolate, tenant_reference


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0006_collections"),
    ]

    operations = [
        migrations.AddField(
            model_name="payment",
            name="next_attempt_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="payment",
            name="payee_result",
            field=models.CharField(default="", max_length=12),
        ),
        migrations.AddField(
            model_name="payment",
            name="rail_fixed",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="payment",
            name="speed",
            field=models.CharField(default="standard", max_length=8),
        ),
        migrations.AddField(
            model_name="payment",
            name="verification_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="payoutpolicy",
            name="verify_payee",
            field=models.BooleanField(default=False),
        ),
        migrations.CreateModel(
            name="InstantAttempt",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("payment_id", models.UUIDField()),
                ("number", models.PositiveSmallIntegerField()),
                (
                    "rail",
                    models.CharField(
                        choices=[
                            ("book", "Book"),
                            ("sepa_ct", "Sepa Ct"),
                            ("sepa_inst", "Sepa Inst"),
                            ("sepa_dd", "Sepa Dd"),
                            ("ach", "Ach"),
                            ("fednow", "Fednow"),
                            ("card", "Card"),
                            ("provider", "Provider"),
                        ],
                        max_length=12,
                    ),
                ),
                ("message_id", models.CharField(max_length=35, unique=True)),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("", "None"),
                            ("accepted", "Accepted"),
                            ("rejected", "Rejected"),
                            ("not_sent", "Not Sent"),
                        ],
                        default="",
                        max_length=8,
                    ),
                ),
                ("code", models.CharField(default="", max_length=35)),
                ("sent_at", models.DateTimeField()),
                ("answered_at", models.DateTimeField(null=True)),
                ("inquiries", models.PositiveSmallIntegerField(default=0)),
                ("inquire_at", models.DateTimeField(null=True)),
            ],
            options={
                "abstract": False,
                "indexes": [
                    models.Index(
                        condition=models.Q(("inquire_at__isnull", False)),
                        fields=["inquire_at"],
                        name="payments_instant_to_ask",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organisation_id", "id"), name="payments_instantattempt_org_id"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("outcome__in", ["", "accepted", "rejected", "not_sent"])),
                        name="payments_instant_outcome",
                    ),
                    models.UniqueConstraint(fields=("payment_id", "number"), name="payments_instant_number"),
                ],
            },
        ),
        migrations.CreateModel(
            name="PayeeVerification",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                (
                    "name",
                    apps.core.crypto.fields.EncryptedTextField(
                        max_length=70, purpose="payee_verification", subject="id"
                    ),
                ),
                (
                    "iban",
                    apps.core.crypto.fields.EncryptedTextField(
                        max_length=34, purpose="payee_verification", subject="id"
                    ),
                ),
                ("result", models.CharField(default="", max_length=12)),
                (
                    "matched_name",
                    apps.core.crypto.fields.EncryptedTextField(
                        max_length=140, null=True, purpose="payee_verification", subject="id"
                    ),
                ),
                ("provider", models.CharField(default="", max_length=30)),
                ("requested_by", models.CharField(max_length=120)),
                ("requested_at", models.DateTimeField()),
                ("answered_at", models.DateTimeField(null=True)),
            ],
            options={
                "abstract": False,
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organisation_id", "id"), name="payments_payeeverification_org_id"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("result__in", ["", "match", "close_match", "no_match", "not_possible"])
                        ),
                        name="payments_payee_result",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ProviderCircuit",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("name", models.CharField(max_length=40, unique=True)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("opened", models.PositiveIntegerField(default=0)),
                ("open_until", models.DateTimeField(null=True)),
                ("probe_until", models.DateTimeField(null=True)),
                ("latest_error", models.CharField(default="", max_length=40)),
                ("changed_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organisation_id", "id"), name="payments_providercircuit_org_id"
                    )
                ],
            },
        ),
        *(
            isolate(f"payments_{table}")
            for table in ("instantattempt", "providercircuit", "payeeverification")
        ),
        tenant_reference("payments_instantattempt", "payment_id", "payments_payment"),
        tenant_reference("payments_payment", "verification_id", "payments_payeeverification"),
    ]
