"""Verifications of the payees of bulk orders, and what the payer accepts of them."""

import apps.core.crypto.fields
from django.db import migrations, models

from apps.core.migration_ops import isolate, sql_file, tenant_reference


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0015_bulk_files"),
    ]

    operations = [
        migrations.AddField(
            model_name="bulkorder",
            name="accepted_results",
            field=models.CharField(default="", max_length=64),
        ),
        migrations.AddField(
            model_name="bulkorder",
            name="verifies_payees",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="payoutpolicy",
            name="bulk_opt_out",
            field=models.BooleanField(default=False),
        ),
        migrations.CreateModel(
            name="BulkVerification",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("bulk_order_id", models.UUIDField()),
                ("counterparty_id", models.UUIDField()),
                ("result", models.CharField(max_length=12)),
                (
                    "matched_name",
                    apps.core.crypto.fields.EncryptedTextField(
                        max_length=140, null=True, purpose="bulk_verification", subject="counterparty_id"
                    ),
                ),
                ("provider", models.CharField(default="", max_length=30)),
                ("answered_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "indexes": [
                    models.Index(
                        fields=["bulk_order_id", "counterparty_id", "-answered_at"],
                        name="payments_bulk_findings",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organisation_id", "id"), name="payments_bulkverification_org_id"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("result__in", ["match", "close_match", "no_match", "not_possible"])
                        ),
                        name="payments_bulk_payee_result",
                    ),
                ],
            },
        ),
        isolate("payments_bulkverification"),
        tenant_reference("payments_bulkverification", "bulk_order_id", "payments_bulkorder"),
        tenant_reference("payments_bulkverification", "counterparty_id", "payments_counterparty"),
        sql_file(
            __file__,
            "keep_bulk_verifications.sql",
            reverse="DROP TRIGGER keep_verification ON payments_bulkorder;",
        ),
    ]
