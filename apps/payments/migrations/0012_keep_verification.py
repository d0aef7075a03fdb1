"""What a payment says of its payee's verification is part of what was instructed."""

from django.db import migrations

from apps.core.migration_ops import sql_file


class Migration(migrations.Migration):
    dependencies = [("payments", "0011_ach_debits")]

    operations = [
        sql_file(
            __file__,
            "keep_verification.sql",
            reverse="DROP TRIGGER keep_verification ON payments_payment;",
        )
    ]
