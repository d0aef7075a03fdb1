"""Read models that follow the log, the job that releases expired holds, and the rebuild."""

from django.db import migrations

from apps.core.migration_ops import sql_file


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]

    operations = [sql_file(__file__, "10_read_models.sql")]
