"""A record of what was done to the tables of the books themselves."""

from django.db import migrations

from apps.core.migration_ops import sql_file


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_seals")]

    operations = [sql_file(__file__, "12_ddl_log.sql")]
