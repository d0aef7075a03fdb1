"""Orders that make payments: bulk orders with one approval, standing orders with a schedule."""

import apps.core.crypto.fields
import apps.core.fields
from django.db import migrations, models

from apps.core.migration_ops import isolate, sql_file, tenant_reference


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0012_keep_verification"),
    ]

    operations = [
        migrations.CreateModel(
            name="BulkOrder",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("state", models.CharField(max_length=24)),
                ("version", models.PositiveIntegerField()),
                ("changed_at", models.DateTimeField()),
                ("account_id", models.UUIDField()),
                ("payment_count", models.PositiveIntegerField()),
                ("total_minor", apps.core.fields.MoneyMinorField()),
                ("currency", apps.core.fields.CurrencyField(max_length=3)),
                ("reference", models.CharField(default="", max_length=70)),
                ("ordered_by", models.CharField(max_length=120)),
                ("approved_by", models.CharField(default="", max_length=120)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="StandingOrder",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("state", models.CharField(max_length=24)),
                ("version", models.PositiveIntegerField()),
                ("changed_at", models.DateTimeField()),
                ("kind", models.CharField(max_length=10)),
                ("account_id", models.UUIDField()),
                ("other_account_id", models.UUIDField(null=True)),
                ("counterparty_id", models.UUIDField(null=True)),
                ("amount_minor", apps.core.fields.MoneyMinorField()),
                ("currency", apps.core.fields.CurrencyField(max_length=3)),
                (
                    "remittance",
                    apps.core.crypto.fields.EncryptedTextField(
                        max_length=140, null=True, purpose="standing_order", subject="subject_id"
                    ),
                ),
                ("subject_id", models.UUIDField()),
                ("reference", models.CharField(default="", max_length=70)),
                ("frequency", models.CharField(max_length=12)),
                ("first_on", models.DateField()),
                ("last_on", models.DateField(null=True)),
                ("run_count_max", models.PositiveIntegerField(null=True)),
                ("end_of_month", models.BooleanField(default=False)),
                ("day_rule", models.CharField(max_length=20)),
                ("run_number", models.PositiveIntegerField(default=0)),
                ("due_on", models.DateField(null=True)),
                ("execute_on", models.DateField(null=True)),
                ("attempt", models.PositiveSmallIntegerField(default=0)),
                ("retry_at", models.DateTimeField(null=True)),
                ("ordered_by", models.CharField(max_length=120)),
                ("approved_by", models.CharField(default="", max_length=120)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.AddField(
            model_name="payment",
            name="bulk_order_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="payment",
            name="standing_order_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("bulk_order_id__isnull", False)),
                fields=["bulk_order_id", "id"],
                name="payments_of_bulk_order",
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("standing_order_id__isnull", False)),
                fields=["standing_order_id", "id"],
                name="payments_of_standing_order",
            ),
        ),
        migrations.AddConstraint(
            model_name="bulkorder",
            constraint=models.UniqueConstraint(
                fields=("organisation_id", "id"), name="payments_bulkorder_org_id"
            ),
        ),
        migrations.AddConstraint(
            model_name="bulkorder",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["ordered", "approved", "declined", "cancelled"])),
                name="payments_bulk_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="bulkorder",
            constraint=models.CheckConstraint(
                condition=models.Q(("payment_count__gt", 0), ("total_minor__gt", 0)),
                name="payments_bulk_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="bulkorder",
            constraint=models.CheckConstraint(
                condition=models.Q(("approved_by", models.F("ordered_by")), _negated=True),
                name="payments_bulk_four_eyes",
            ),
        ),
        migrations.AddIndex(
            model_name="standingorder",
            index=models.Index(
                condition=models.Q(("state", "active")),
                fields=["execute_on", "id"],
                name="payments_standing_due",
            ),
        ),
        migrations.AddIndex(
            model_name="standingorder",
            index=models.Index(
                condition=models.Q(("state__in", ["ordered", "active", "paused"])),
                fields=["account_id"],
                name="payments_standing_of_account",
            ),
        ),
        migrations.AddConstraint(
            model_name="standingorder",
            constraint=models.UniqueConstraint(
                fields=("organisation_id", "id"), name="payments_standingorder_org_id"
            ),
        ),
        migrations.AddConstraint(
            model_name="standingorder",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["ordered", "active", "paused", "declined", "cancelled", "completed"])
                ),
                name="payments_standing_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="standingorder",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("counterparty_id__isnull", False),
                        ("kind", "payout"),
                        ("other_account_id__isnull", True),
                    ),
                    models.Q(
                        ("counterparty_id__isnull", True),
                        ("kind", "transfer"),
                        ("other_account_id__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="payments_standing_other_end",
            ),
        ),
        migrations.AddConstraint(
            model_name="standingorder",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_minor__gt", 0)), name="payments_standing_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="standingorder",
            constraint=models.CheckConstraint(
                condition=models.Q(("approved_by", models.F("ordered_by")), _negated=True),
                name="payments_standing_four_eyes",
            ),
        ),
        *(isolate(f"payments_{table}") for table in ("bulkorder", "standingorder")),
        tenant_reference("payments_payment", "bulk_order_id", "payments_bulkorder"),
        tenant_reference("payments_payment", "standing_order_id", "payments_standingorder"),
        tenant_reference("payments_bulkorder", "account_id", "accounts_paymentaccount"),
        tenant_reference("payments_standingorder", "account_id", "accounts_paymentaccount"),
        tenant_reference("payments_standingorder", "other_account_id", "accounts_paymentaccount"),
        tenant_reference("payments_standingorder", "counterparty_id", "payments_counterparty"),
        sql_file(__file__, "immutable_orders.sql"),
    ]
