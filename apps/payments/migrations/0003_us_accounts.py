"""Accounts in the United States at the other end and at our own banks; corrections keep what was."""

import apps.core.crypto.fields
import apps.core.crypto.normalise
from django.db import migrations, models

from apps.core.migration_ops import tenant_reference


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0002_lives"),
    ]

    operations = [
        migrations.AddField(
            model_name="counterparty",
            name="account_kind",
            field=models.CharField(default="", max_length=8),
        ),
        migrations.AddField(
            model_name="counterparty",
            name="account_number",
            field=apps.core.crypto.fields.EncryptedTextField(
                max_length=17, null=True, purpose="counterparty", subject="id"
            ),
        ),
        migrations.AddField(
            model_name="counterparty",
            name="account_number_index",
            field=apps.core.crypto.fields.BlindIndexField(
                editable=False,
                normalise=apps.core.crypto.normalise.identifier,
                null=True,
                source="account_number",
            ),
        ),
        migrations.AddField(
            model_name="counterparty",
            name="holder",
            field=models.CharField(default="", max_length=8),
        ),
        migrations.AddField(
            model_name="counterparty",
            name="replaced_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="counterparty",
            name="replaced_by_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="counterparty",
            name="routing_number",
            field=models.CharField(default="", max_length=9),
        ),
        migrations.AddField(
            model_name="settlementaccount",
            name="routing_number",
            field=models.CharField(default="", max_length=9),
        ),
        migrations.AlterField(
            model_name="counterparty",
            name="iban",
            field=apps.core.crypto.fields.EncryptedTextField(
                max_length=34, null=True, purpose="counterparty", subject="id"
            ),
        ),
        migrations.AddConstraint(
            model_name="counterparty",
            constraint=models.UniqueConstraint(
                condition=models.Q(("account_number_index__isnull", False)),
                fields=(
                    "organisation_id",
                    "account_number_index",
                    "name_index",
                    "routing_number",
                    "account_kind",
                    "holder",
                ),
                name="payments_us_counterparty_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="counterparty",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("account_number__isnull", True), ("iban__isnull", False), ("routing_number", "")
                    ),
                    models.Q(
                        ("account_number__isnull", False),
                        ("iban__isnull", True),
                        models.Q(("routing_number", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="payments_counterparty_one_account",
            ),
        ),
        migrations.AddConstraint(
            model_name="counterparty",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("account_kind__in", ["", "checking", "savings"]),
                    ("holder__in", ["", "person", "company"]),
                ),
                name="payments_counterparty_words",
            ),
        ),
        tenant_reference("payments_counterparty", "replaced_by_id", "payments_counterparty"),
    ]
