"""Debits by the ACH: what authorises them, who may order them, and prenotes ahead of the first."""

import apps.core.crypto.fields
import apps.core.fields
from django.db import migrations, models

from apps.core.migration_ops import append_only, isolate, tenant_reference


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0010_returns_once"),
    ]

    operations = [
        migrations.CreateModel(
            name="AchAuthorisation",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("mandate_id", models.UUIDField(unique=True)),
                ("authorised_by", models.CharField(max_length=8)),
                (
                    "evidence",
                    apps.core.crypto.fields.EncryptedTextField(
                        max_length=500, purpose="authorisation", subject="subject_id"
                    ),
                ),
                ("subject_id", models.UUIDField()),
                ("authorised_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="AchCollectionPolicy",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("reserve_banking_days", models.PositiveSmallIntegerField()),
                ("approval_above_minor", apps.core.fields.MoneyMinorField(null=True)),
                ("changed_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Prenote",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("organisation_id", models.UUIDField(editable=False)),
                ("state", models.CharField(max_length=24)),
                ("version", models.PositiveIntegerField()),
                ("changed_at", models.DateTimeField()),
                ("mandate_id", models.UUIDField(unique=True)),
                ("counterparty_id", models.UUIDField()),
                ("sec_code", models.CharField(max_length=3)),
                ("item_id", models.UUIDField(null=True)),
                ("clear_on", models.DateField(null=True)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.RemoveConstraint(
            model_name="collection",
            name="payments_collection_words",
        ),
        migrations.RemoveConstraint(
            model_name="mandate",
            name="payments_mandate_words",
        ),
        migrations.AlterField(
            model_name="collection",
            name="mandate_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddConstraint(
            model_name="collection",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("scheme__in", ["core", "b2b", "ach"]),
                    ("sequence_type__in", ["FRST", "RCUR", "FNAL", "OOFF"]),
                ),
                name="payments_collection_words",
            ),
        ),
        migrations.AddConstraint(
            model_name="collection",
            constraint=models.CheckConstraint(
                condition=models.Q(("mandate_id__isnull", False), ("scheme", "ach"), _connector="OR"),
                name="payments_collection_has_mandate",
            ),
        ),
        migrations.AddConstraint(
            model_name="mandate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("recurrence__in", ["recurring", "one_off"]),
                    ("scheme__in", ["core", "b2b", "ach"]),
                    ("state__in", ["drafted", "active", "suspended", "cancelled", "expired"]),
                ),
                name="payments_mandate_words",
            ),
        ),
        migrations.AddConstraint(
            model_name="achauthorisation",
            constraint=models.UniqueConstraint(
                fields=("organisation_id", "id"), name="payments_achauthorisation_org_id"
            ),
        ),
        migrations.AddConstraint(
            model_name="achauthorisation",
            constraint=models.CheckConstraint(
                condition=models.Q(("authorised_by__in", ("paper", "internet", "phone"))),
                name="payments_ach_authorised_by",
            ),
        ),
        migrations.AddConstraint(
            model_name="achcollectionpolicy",
            constraint=models.UniqueConstraint(
                fields=("organisation_id", "id"), name="payments_achcollectionpolicy_org_id"
            ),
        ),
        migrations.AddConstraint(
            model_name="achcollectionpolicy",
            constraint=models.UniqueConstraint(fields=("organisation_id",), name="payments_ach_policy_once"),
        ),
        migrations.AddIndex(
            model_name="prenote",
            index=models.Index(
                condition=models.Q(("state", "waiting")), fields=["id"], name="payments_prenotes_waiting"
            ),
        ),
        migrations.AddIndex(
            model_name="prenote",
            index=models.Index(
                condition=models.Q(("item_id__isnull", False)),
                fields=["item_id"],
                name="payments_prenote_of_item",
            ),
        ),
        migrations.AddConstraint(
            model_name="prenote",
            constraint=models.UniqueConstraint(
                fields=("organisation_id", "id"), name="payments_prenote_org_id"
            ),
        ),
        migrations.AddConstraint(
            model_name="prenote",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["waiting", "sent", "failed"])),
                name="payments_prenote_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="prenote",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state", "waiting"),
                    models.Q(("clear_on__isnull", False), ("item_id__isnull", False)),
                    _connector="OR",
                ),
                name="payments_prenote_sent",
            ),
        ),
        *(isolate(f"payments_{table}") for table in ("achauthorisation", "achcollectionpolicy", "prenote")),
        tenant_reference("payments_achauthorisation", "mandate_id", "payments_mandate"),
        tenant_reference("payments_prenote", "mandate_id", "payments_mandate"),
        tenant_reference("payments_prenote", "counterparty_id", "payments_counterparty"),
        tenant_reference("payments_prenote", "item_id", "payments_achitem"),
        append_only("payments_achauthorisation"),
    ]
