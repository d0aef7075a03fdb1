"""Bulk orders that were read from a file name it, and a file makes one order."""

from django.db import migrations, models

from apps.core.migration_ops import sql_file


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0014_withheld"),
    ]

    operations = [
        migrations.AddField(
            model_name="bulkorder",
            name="source_sha256",
            field=models.CharField(default="", max_length=64),
        ),
        migrations.AddConstraint(
            model_name="bulkorder",
            constraint=models.UniqueConstraint(
                condition=models.Q(("source_sha256", ""), _negated=True),
                fields=("organisation_id", "source_sha256"),
                name="payments_bulk_file_once",
            ),
        ),
        sql_file(
            __file__,
            "keep_bulk_file.sql",
            reverse="DROP TRIGGER keep_instruction ON payments_bulkorder;",
        ),
    ]
