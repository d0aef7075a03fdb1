"""Direct debits: policies, mandates, collections, returns, recalls."""

import apps.core.fields
from django.db import migrations, models

from apps.core.migration_ops import isolate, sql_file, tenant_reference


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0005_ach"),
    ]

    operations = [
        migrations.CreateModel(
            name="Collection",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("mandate_id", models.UUIDField()),
                ("scheme", models.CharField(max_length=4)),
                ("sequence_type", models.CharField(max_length=4)),
                ("reference", models.CharField(max_length=35)),
                ("signed_on", models.DateField()),
                ("creditor_id", models.CharField(max_length=35)),
                ("creditor_name", models.CharField(max_length=70)),
                ("original_reference", models.CharField(default="", max_length=35)),
                ("original_creditor_id", models.CharField(default="", max_length=35)),
                ("account_changed", models.BooleanField(default=False)),
                ("collection_date", models.DateField()),
                ("submit_on", models.DateField()),
                ("prenotify_on", models.DateField()),
                ("prenotified_at", models.DateTimeField(null=True)),
                ("group_reference", models.CharField(default="", max_length=35)),
                ("presented_for", models.DateField(null=True)),
                ("reserved_until", models.DateField(null=True)),
            ],
            options={
                "abstract": False,
                "indexes": [
                    models.Index(fields=["mandate_id", "id"], name="payments_collection_mandate"),
                    models.Index(
                        condition=models.Q(("prenotified_at__isnull", True)),
                        fields=["prenotify_on", "id"],
                        name="payments_collection_untold",
                    ),
                    models.Index(
                        condition=models.Q(("reserved_until__isnull", False)),
                        fields=["reserved_until", "id"],
                        name="payments_collection_reserved",
                    ),
                    models.Index(
                        condition=models.Q(("group_reference", "")),
                        fields=["submit_on", "id"],
                        name="payments_collection_unsent",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organisation_id", "id"), name="payments_collection_org_id"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("scheme__in", ["core", "b2b"]),
                            ("sequence_type__in", ["FRST", "RCUR", "FNAL", "OOFF"]),
                        ),
                        name="payments_collection_words",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CollectionPolicy",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("creditor_id", models.CharField(max_length=35)),
                ("creditor_name", models.CharField(max_length=70)),
                ("core_reserve_days", models.PositiveSmallIntegerField()),
                ("b2b_reserve_days", models.PositiveSmallIntegerField()),
                ("approval_above_minor", apps.core.fields.MoneyMinorField(null=True)),
                ("changed_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organisation_id", "id"), name="payments_collectionpolicy_org_id"
                    ),
                    models.UniqueConstraint(
                        fields=("organisation_id",), name="payments_collection_policy_once"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Mandate",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("state", models.CharField(max_length=24)),
                ("version", models.PositiveIntegerField()),
                ("changed_at", models.DateTimeField()),
                ("reference", models.CharField(max_length=35)),
                ("scheme", models.CharField(max_length=4)),
                ("recurrence", models.CharField(max_length=10)),
                ("creditor_id", models.CharField(max_length=35)),
                ("counterparty_id", models.UUIDField()),
                ("signed_on", models.DateField(null=True)),
                ("prenotification_days", models.PositiveSmallIntegerField()),
                ("last_used_on", models.DateField(null=True)),
                ("lapses_on", models.DateField(null=True)),
                ("amended_at", models.DateTimeField(null=True)),
                ("original_reference", models.CharField(default="", max_length=35)),
                ("original_creditor_id", models.CharField(default="", max_length=35)),
                ("account_changed", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "indexes": [
                    models.Index(
                        fields=["organisation_id", "state", "-id"], name="payments_mandate_by_state"
                    ),
                    models.Index(
                        condition=models.Q(("state__in", ["active", "suspended"])),
                        fields=["lapses_on"],
                        name="payments_mandate_lapses",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("organisation_id", "id"), name="payments_mandate_org_id"),
                    models.UniqueConstraint(
                        fields=("organisation_id", "reference"), name="payments_mandate_reference_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("recurrence__in", ["recurring", "one_off"]),
                            ("scheme__in", ["core", "b2b"]),
                            ("state__in", ["drafted", "active", "suspended", "cancelled", "expired"]),
                        ),
                        name="payments_mandate_words",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("lapses_on__isnull", False), ("signed_on__isnull", False)),
                            ("state__in", ["drafted", "cancelled"]),
                            _connector="OR",
                        ),
                        name="payments_mandate_signed",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Recall",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("state", models.CharField(max_length=24)),
                ("version", models.PositiveIntegerField()),
                ("changed_at", models.DateTimeField()),
                ("payment_id", models.UUIDField(unique=True)),
                ("reason", models.CharField(max_length=4)),
                ("information", models.CharField(default="", max_length=105)),
                ("message_id", models.CharField(max_length=35, unique=True)),
                ("answer_code", models.CharField(default="", max_length=35)),
                ("requested_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "requested")),
                        fields=["id"],
                        name="payments_recall_unsent",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("organisation_id", "id"), name="payments_recall_org_id"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["requested", "sent", "pending", "refused", "accepted"])
                        ),
                        name="payments_recall_words",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Return",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("state", models.CharField(max_length=24)),
                ("version", models.PositiveIntegerField()),
                ("changed_at", models.DateTimeField()),
                ("kind", models.CharField(max_length=10)),
                ("payment_id", models.UUIDField()),
                ("code", models.CharField(max_length=35)),
                ("reason_class", models.CharField(max_length=40)),
                ("action", models.CharField(max_length=12)),
                ("amount_minor", apps.core.fields.MoneyMinorField()),
                ("currency", apps.core.fields.CurrencyField(max_length=3)),
                ("original_reference", models.CharField(max_length=35)),
                ("external_id", models.CharField(max_length=140)),
                ("effective_on", models.DateField()),
                ("booked_on", models.DateField(null=True)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "indexes": [models.Index(fields=["organisation_id", "-id"], name="payments_return_latest")],
                "constraints": [
                    models.UniqueConstraint(fields=("organisation_id", "id"), name="payments_return_org_id"),
                    models.UniqueConstraint(
                        condition=models.Q(("kind", "change"), _negated=True),
                        fields=("payment_id",),
                        name="payments_return_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("kind__in", ["reject", "return", "refund", "reversal", "change"]),
                            ("state__in", ["noted", "waiting", "told", "settled"]),
                        ),
                        name="payments_return_words",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount_minor__gt", 0)), name="payments_return_amount_positive"
                    ),
                ],
            },
        ),
        *(
            isolate(f"payments_{table}")
            for table in ("collectionpolicy", "mandate", "collection", "return", "recall")
        ),
        tenant_reference("payments_mandate", "counterparty_id", "payments_counterparty"),
        tenant_reference("payments_collection", "id", "payments_payment"),
        tenant_reference("payments_collection", "mandate_id", "payments_mandate"),
        tenant_reference("payments_return", "payment_id", "payments_payment"),
        tenant_reference("payments_recall", "payment_id", "payments_payment"),
        sql_file(__file__, "immutable_collection.sql"),
    ]
