"""What comes back through the ACH: corrected accounts, and arguments about returns."""

from django.db import migrations, models

from apps.core.migration_ops import append_only, isolate, tenant_reference


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0007_instant"),
    ]

    operations = [
        migrations.CreateModel(
            name="AccountChange",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("item_id", models.UUIDField()),
                ("counterparty_id", models.UUIDField()),
                ("new_counterparty_id", models.UUIDField(null=True)),
                ("code", models.CharField(max_length=3)),
                (
                    "outcome",
                    models.CharField(
                        choices=[("applied", "Applied"), ("noted", "Noted"), ("refused", "Refused")],
                        max_length=8,
                    ),
                ),
                ("refused_code", models.CharField(default="", max_length=3)),
                ("external_id", models.CharField(max_length=140)),
                ("at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "indexes": [
                    models.Index(fields=["counterparty_id", "id"], name="payments_changes_of_account")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organisation_id", "id"), name="payments_accountchange_org_id"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("new_counterparty_id__isnull", False),
                                ("outcome", "applied"),
                                ("refused_code", ""),
                            ),
                            models.Q(
                                ("new_counterparty_id__isnull", True),
                                ("outcome", "noted"),
                                ("refused_code", ""),
                            ),
                            models.Q(
                                ("new_counterparty_id__isnull", True),
                                ("outcome", "refused"),
                                models.Q(("refused_code", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="payments_account_change_outcome",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ReturnDispute",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("state", models.CharField(max_length=24)),
                ("version", models.PositiveIntegerField()),
                ("changed_at", models.DateTimeField()),
                ("payment_id", models.UUIDField(unique=True)),
                ("dishonour_code", models.CharField(default="", max_length=3)),
                ("contest_code", models.CharField(default="", max_length=3)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organisation_id", "id"), name="payments_returndispute_org_id"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["dishonoured", "contested", "closed"])),
                        name="payments_return_dispute_state",
                    ),
                ],
            },
        ),
        *(isolate(f"payments_{table}") for table in ("accountchange", "returndispute")),
        tenant_reference("payments_accountchange", "item_id", "payments_achitem"),
        tenant_reference("payments_accountchange", "counterparty_id", "payments_counterparty"),
        tenant_reference("payments_accountchange", "new_counterparty_id", "payments_counterparty"),
        tenant_reference("payments_returndispute", "payment_id", "payments_payment"),
        append_only("payments_accountchange"),
    ]
