"""Sealed partitions can leave the database with their proofs."""

from django.db import migrations

from apps.core.migration_ops import sql_file


class Migration(migrations.Migration):
    dependencies = [("ledger", "0004_ddl_log")]

    operations = [sql_file(__file__, "13_archive.sql")]
