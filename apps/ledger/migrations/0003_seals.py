"""The sealed log: leaves, tree nodes, signed checkpoints."""

from django.db import migrations

from apps.core.migration_ops import sql_file


class Migration(migrations.Migration):
    dependencies = [("ledger", "0002_read_models")]

    operations = [sql_file(__file__, "11_seals.sql")]
