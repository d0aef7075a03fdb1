"""Card payments: processors, fee rules, attempts, operations, disputes."""

import apps.core.crypto.fields
import apps.core.fields
from django.db import migrations, models

from apps.core.migration_ops import append_only, isolate, sql_file, tenant_reference


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0010_returns_once"),
    ]

    operations = [
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("state", models.CharField(max_length=24)),
                ("version", models.PositiveIntegerField()),
                ("changed_at", models.DateTimeField()),
                ("payment_id", models.UUIDField()),
                ("provider", models.CharField(max_length=30)),
                ("external_id", models.CharField(max_length=100, null=True)),
                ("amount_minor", apps.core.fields.MoneyMinorField()),
                ("currency", apps.core.fields.CurrencyField(max_length=3)),
                ("code", models.CharField(default="", max_length=40)),
                ("failure_code", models.CharField(default="", max_length=35)),
                ("ask_at", models.DateTimeField(null=True)),
                ("asked", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
                ("number", models.PositiveSmallIntegerField()),
                ("card_token", models.CharField(max_length=100)),
                ("action_url", models.CharField(default="", max_length=500)),
            ],
            options={
                "abstract": False,
                "indexes": [
                    models.Index(
                        condition=models.Q(("ask_at__isnull", False)),
                        fields=["ask_at"],
                        name="payments_attempt_due",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("organisation_id", "id"), name="payments_attempt_org_id"),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    "prepared",
                                    "sent",
                                    "requires_action",
                                    "unknown",
                                    "authorised",
                                    "declined",
                                    "failed",
                                ],
                            )
                        ),
                        name="payments_attempt_state",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount_minor__gt", 0)), name="payments_attempt_amount"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("card_token__startswith", "tok_")), name="payments_attempt_token"
                    ),
                    models.UniqueConstraint(fields=("payment_id", "number"), name="payments_attempt_number"),
                    models.UniqueConstraint(
                        condition=models.Q(("external_id__isnull", False)),
                        fields=("organisation_id", "provider", "external_id"),
                        name="payments_attempt_external_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CardDetails",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("processor_id", models.UUIDField()),
                ("provider", models.CharField(max_length=30)),
                (
                    "capture",
                    models.CharField(
                        choices=[("automatic", "automatic"), ("manual", "manual")], max_length=10
                    ),
                ),
                ("return_url", models.CharField(default="", max_length=500)),
                ("pending_id", models.BigIntegerField()),
                ("owed_id", models.BigIntegerField()),
                ("expires_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "indexes": [models.Index(fields=["expires_at"], name="payments_card_expiry")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organisation_id", "id"), name="payments_carddetails_org_id"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="CardProcessor",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("name", models.CharField(max_length=30)),
                ("currency", apps.core.fields.CurrencyField(max_length=3)),
                ("base_url", models.CharField(max_length=200)),
                ("settlement_account_id", models.UUIDField()),
                ("reserve_days", models.PositiveSmallIntegerField()),
                ("active", models.BooleanField(default=True)),
                ("receivable_id", models.BigIntegerField()),
                ("costs_id", models.BigIntegerField()),
                ("refunds_id", models.BigIntegerField()),
                ("disputes_id", models.BigIntegerField()),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organisation_id", "id"), name="payments_cardprocessor_org_id"
                    ),
                    models.UniqueConstraint(fields=("name", "currency"), name="payments_processor_once"),
                    models.UniqueConstraint(
                        condition=models.Q(("active", True)),
                        fields=("currency",),
                        name="payments_one_processor_a_currency",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Dispute",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("state", models.CharField(max_length=24)),
                ("version", models.PositiveIntegerField()),
                ("changed_at", models.DateTimeField()),
                ("payment_id", models.UUIDField()),
                ("provider", models.CharField(max_length=30)),
                ("external_id", models.CharField(max_length=100)),
                ("amount_minor", apps.core.fields.MoneyMinorField()),
                ("currency", apps.core.fields.CurrencyField(max_length=3)),
                ("reason", models.CharField(default="", max_length=40)),
                ("evidence_due_at", models.DateTimeField(null=True)),
                ("ask_at", models.DateTimeField(null=True)),
                ("asked", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "indexes": [
                    models.Index(fields=["payment_id", "id"], name="payments_disputes_of"),
                    models.Index(
                        fields=["organisation_id", "state", "-id"], name="payments_disputes_by_state"
                    ),
                    models.Index(
                        condition=models.Q(("ask_at__isnull", False)),
                        fields=["ask_at"],
                        name="payments_dispute_due",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("organisation_id", "id"), name="payments_dispute_org_id"),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    "inquiry",
                                    "opened",
                                    "contested",
                                    "accepted",
                                    "won",
                                    "lost",
                                    "reversed",
                                    "closed",
                                ],
                            )
                        ),
                        name="payments_dispute_state",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount_minor__gt", 0)), name="payments_dispute_amount"
                    ),
                    models.UniqueConstraint(
                        fields=("organisation_id", "provider", "external_id"),
                        name="payments_dispute_external_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DisputeEvidence",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("dispute_id", models.UUIDField()),
                (
                    "text",
                    apps.core.crypto.fields.EncryptedTextField(
                        max_length=4000, purpose="dispute_evidence", subject="organisation_id"
                    ),
                ),
                ("submitted_by", models.CharField(max_length=120)),
                ("submitted_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "indexes": [models.Index(fields=["dispute_id", "id"], name="payments_evidence_of")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organisation_id", "id"), name="payments_disputeevidence_org_id"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="FeeRule",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("currency", apps.core.fields.CurrencyField(max_length=3)),
                ("version", models.PositiveIntegerField()),
                ("effective_from", models.DateField()),
                ("flat_minor", apps.core.fields.MoneyMinorField()),
                ("percent_bp", models.PositiveIntegerField()),
                ("min_minor", apps.core.fields.MoneyMinorField()),
                ("max_minor", apps.core.fields.MoneyMinorField(null=True)),
                ("shares", models.JSONField()),
                ("set_by", models.CharField(max_length=120)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "constraints": [
                    models.UniqueConstraint(fields=("organisation_id", "id"), name="payments_feerule_org_id"),
                    models.UniqueConstraint(
                        fields=("organisation_id", "currency", "version"), name="payments_fee_version"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("flat_minor__gte", 0), ("min_minor__gte", 0), ("percent_bp__lte", 10000)
                        ),
                        name="payments_fee_sane",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Operation",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("state", models.CharField(max_length=24)),
                ("version", models.PositiveIntegerField()),
                ("changed_at", models.DateTimeField()),
                ("payment_id", models.UUIDField()),
                ("provider", models.CharField(max_length=30)),
                ("external_id", models.CharField(max_length=100, null=True)),
                ("amount_minor", apps.core.fields.MoneyMinorField()),
                ("currency", apps.core.fields.CurrencyField(max_length=3)),
                ("code", models.CharField(default="", max_length=40)),
                ("failure_code", models.CharField(default="", max_length=35)),
                ("ask_at", models.DateTimeField(null=True)),
                ("asked", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
                ("attempt_id", models.UUIDField()),
                (
                    "type",
                    models.CharField(
                        choices=[("capture", "capture"), ("void", "void"), ("refund", "refund")],
                        max_length=10,
                    ),
                ),
                ("final", models.BooleanField(default=False)),
                ("reason", models.CharField(default="", max_length=140)),
                ("ordered_by", models.CharField(max_length=120)),
                ("booked_seq", models.BigIntegerField(null=True)),
                ("release_at", models.DateTimeField(null=True)),
                ("released_at", models.DateTimeField(null=True)),
            ],
            options={
                "abstract": False,
                "indexes": [
                    models.Index(fields=["payment_id", "id"], name="payments_operations_of"),
                    models.Index(
                        condition=models.Q(("ask_at__isnull", False)),
                        fields=["ask_at"],
                        name="payments_operation_due",
                    ),
                    models.Index(
                        condition=models.Q(("release_at__isnull", False), ("released_at__isnull", True)),
                        fields=["release_at"],
                        name="payments_operation_release",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organisation_id", "id"), name="payments_operation_org_id"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                ["prepared", "sent", "pending", "unknown", "succeeded", "settled", "failed"],
                            )
                        ),
                        name="payments_operation_state",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("type__in", ["capture", "void", "refund"])),
                        name="payments_operation_type",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount_minor__gt", 0)), name="payments_operation_amount"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("external_id__isnull", False)),
                        fields=("organisation_id", "provider", "external_id"),
                        name="payments_operation_external_once",
                    ),
                ],
            },
        ),
        *(
            isolate(f"payments_{table}")
            for table in (
                "cardprocessor",
                "feerule",
                "carddetails",
                "attempt",
                "operation",
                "dispute",
                "disputeevidence",
            )
        ),
        tenant_reference("payments_cardprocessor", "settlement_account_id", "payments_settlementaccount"),
        tenant_reference("payments_carddetails", "id", "payments_payment"),
        tenant_reference("payments_attempt", "payment_id", "payments_payment"),
        tenant_reference("payments_operation", "payment_id", "payments_payment"),
        tenant_reference("payments_operation", "attempt_id", "payments_attempt"),
        tenant_reference("payments_dispute", "payment_id", "payments_payment"),
        tenant_reference("payments_disputeevidence", "dispute_id", "payments_dispute"),
        append_only("payments_feerule"),
        append_only("payments_disputeevidence"),
        sql_file(__file__, "card_instructions.sql"),
    ]
